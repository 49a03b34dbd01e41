// Every first attempt of every write is committed and its reply lost, so that every write is sent twice. No effect is doubled,
// and no caller is told of a conflict with itself.

import { WRITES } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import type { CallOptions, Client } from "../client.ts";
import { type Rig, startRig } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

interface Scale {
  readonly rounds: number;
}

const WIDTH = 8;
const SHARED = "shared";

/** One caller in a session of its own: every answer can be told beforehand. */
class Script {
  readonly #rig: Rig;
  readonly #run: Tally;
  readonly #name: string;
  #calls = 0;

  constructor(rig: Rig, run: Tally, name: string) {
    this.#rig = rig;
    this.#run = run;
    this.#name = name;
  }

  /** Once as a plain call; once with a key, sent to two processes at the same time and later to a third. */
  async #each(tool: string, input: (way: string) => object, expected: (way: string) => object): Promise<void> {
    await this.#ask(tool, input("plain"), expected("plain"));
    const key = `${this.#name}-${this.#calls++}`;
    const sent = input("keyed");
    await Promise.all([
      this.#ask(tool, sent, expected("keyed"), { key }),
      this.#ask(tool, sent, expected("keyed"), { key }),
    ]);
    await this.#ask(tool, sent, expected("keyed"), { key });
  }

  async #ask(tool: string, input: object, expected: object, options?: CallOptions & { key: string }): Promise<void> {
    const { client } = this.#rig;
    const reply = await (options ? client.settle(tool, input, options) : client.call(tool, input));
    this.#run.count();
    const result: Record<string, unknown> = reply.outcome === "ok" ? reply.result : {};
    const right =
      reply.outcome === "ok" &&
      Object.entries(expected).every(([name, value]) => JSON.stringify(result[name]) === JSON.stringify(value));
    this.#run.expect(right, () => {
      const how = options ? " under a key" : "";
      return `${tool} ${JSON.stringify(input)}${how} expected ${JSON.stringify(expected)}, got ${JSON.stringify(reply)}`;
    });
  }

  async play(): Promise<void> {
    const name = this.#name;
    const session_id = name;
    const count = (way: string) => (way === "plain" ? 1 : 2);
    // Names are taken where conflicts can be told; handles show that a re-sent creation mints one handle.
    await this.#each(
      "create_session",
      (way) => ({ name: `${name}-${way}` }),
      (way) => ({ session_id: `${name}-${way}` }),
    );
    await this.#ask("create_session", { name }, { session_id: name });
    await this.#handles();
    await this.#each(
      "add_note",
      (way) => ({ session_id, note: way }),
      (way) => ({ count: count(way) }),
    );
    await this.#ask("get_notes", { session_id }, { notes: ["plain", "keyed"] });
    await this.#each(
      "store_value",
      (way) => ({ session_id, key: "k", value: way, if_version: count(way) - 1 }),
      (way) => ({ stored: true, version: count(way) }),
    );
    await this.#each(
      "store_value",
      (way) => ({ session_id, key: "u", value: way }),
      (way) => ({ version: count(way) }),
    );
    await this.#each(
      "increment_value",
      () => ({ session_id, key: "n", by: 5 }),
      (way) => ({ value: 5 * count(way), version: count(way) }),
    );
    await this.#ask("increment_value", { session_id, key: "fraction", by: 0.25 }, { value: 0.25, version: 1 });
    await this.#each(
      "delete_value",
      (way) => ({ session_id, key: way === "plain" ? "k" : "u" }),
      () => ({ deleted: true }),
    );
    await this.#ask("delete_value", { session_id, key: "n", if_version: 2 }, { deleted: true });
    await this.#ask("store_value", { session_id, key: "n", value: 1, if_version: 0 }, { stored: true });
    await this.#ask("list_values", { session_id, prefix: "k" }, { values: [] });
    await this.#each(
      "reset_session",
      () => ({ session_id }),
      (way) => ({ cleared: way === "plain" ? 2 : 0 }),
    );
    await this.#ask("get_notes", { session_id }, { notes: [] });
    await this.#ask("echo_cached", { text: name }, { text: name.toUpperCase(), cached: false });
    await this.#ask("echo_cached", { text: name }, { text: name.toUpperCase(), cached: true });
    await this.#each(
      "delete_session",
      (way) => ({ session_id: `${name}-${way}` }),
      () => ({ deleted: true }),
    );
    await this.#ask("delete_session", { session_id }, { deleted: true });
    // A name whose session was deleted is free again, and its first write creates it.
    await this.#ask("add_note", { session_id, note: "again" }, { count: 1 });
    await this.#ask("delete_session", { session_id }, { deleted: true });
  }

  async #handles(): Promise<void> {
    const { client } = this.#rig;
    const key = `${this.#name}-${this.#calls++}`;
    const made = [
      await client.settle("create_session", {}, { key }),
      await client.settle("create_session", {}, { key }),
    ].map((reply) => (reply.outcome === "ok" ? String(reply.result.session_id) : reply.message));
    this.#run.expect(made[0] === made[1], () => `one keyed creation gave ${made.join(" and ")}`);
    await this.#ask("add_note", { session_id: made[0], note: "first" }, { count: 1 });
    await this.#ask("delete_session", { session_id: made[0] }, { deleted: true });
  }
}

/** All callers on one list, one number and one key that changes hands by version. */
async function together(client: Client, run: Tally, count: number): Promise<void> {
  let swaps = 0;
  await inParallel(count, WIDTH, async (index) => {
    const session_id = SHARED;
    const options = index % 2 === 0 ? undefined : { key: `together-${index}` };
    const send = (tool: string, input: object) =>
      options ? client.settle(tool, { session_id, ...input }, options) : client.call(tool, { session_id, ...input });
    const replies = [
      await send("add_note", { note: `note ${index}` }),
      await send("increment_value", { key: `number ${index % 4}` }),
    ];
    for (const reply of replies)
      run.expect(reply.outcome === "ok", () => `a shared write got ${JSON.stringify(reply)}`);
    const { version } = await client.must("get_value", { session_id, key: "turn" });
    const swapped = await client.call("store_value", { session_id, key: "turn", value: index, if_version: version });
    if (swapped.outcome === "ok") swaps++;
    run.count();
  });
  const notes: string[] = [];
  let cursor: unknown;
  do {
    const page = await client.must("get_notes", { session_id: SHARED, limit: 1000, ...(cursor ? { cursor } : {}) });
    notes.push(...(page.notes as string[]));
    cursor = page.next_cursor;
  } while (cursor);
  const distinct = new Set(notes).size;
  const right = notes.length === count && distinct === count;
  run.expect(right, () => `${count} notes were added; ${notes.length} stand there, ${distinct} distinct`);
  let sum = 0;
  for (const number of [0, 1, 2, 3])
    sum += Number((await client.must("get_value", { session_id: SHARED, key: `number ${number}` })).value);
  run.expect(sum === count, () => `${count} increments add up to ${sum}`);
  // Of all that saw a version exactly one may replace it, and no other changes it.
  const { version } = await client.must("get_value", { session_id: SHARED, key: "turn" });
  run.expect(version === swaps, () => `${swaps} exchanges succeeded and the version is ${version}`);
}

export default defineBar<Scale>({
  id: "S12",
  title: "no write that was sent twice has two effects or conflicts with itself",
  test: { rounds: 2 },
  full: { rounds: 25 },
  async run({ scale, random, progress }) {
    await using rig = await startRig({ random });
    rig.proxy.rules = [{ fault: { kind: "commit-then-drop" }, operations: WRITES, firstAttemptOnly: true }];
    const scripts = WIDTH * scale.rounds;
    const shared = 50 * scale.rounds;
    const run = new Tally(progress, scripts * 46 + shared, rig);
    await inParallel(scripts, WIDTH, async (index) => new Script(rig, run, `caller-${index}`).play());
    await together(rig.client, run, shared);
    return run.outcome();
  },
});
