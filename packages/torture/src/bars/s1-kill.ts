// Servers are killed with SIGKILL under load. What was acknowledged is there afterwards, once; what was deleted stays
// deleted; what was cut off happened once or not at all, and exactly once when it was re-sent under its key.
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { type Client, isFinal, type Reply } from "../client.ts";
import { startRigOn } from "./rig.ts";
import { Tally } from "./tally.ts";

interface Scale {
  readonly kills: number;
  /** Acknowledged writes. */
  readonly writes: number;
}

const SESSIONS = ["red", "green", "blue"];
const WORKERS = 12;
const PAGE_ENTRIES = 1000;

/** What the workers have been told, as a whole. */
class Journal {
  acknowledged = 0;
  readonly run: Tally;
  readonly client: Client;

  constructor(run: Tally, client: Client) {
    this.run = run;
    this.client = client;
  }

  /** Counts an acknowledged write. A refusal is a violation: no worker does anything that a healthy server refuses. */
  note(what: string, reply: Reply): boolean {
    if (reply.outcome === "ok") this.acknowledged++;
    this.run.count();
    this.run.expect(
      reply.outcome !== "error" || reply.retryable,
      () => `${what} was refused: ${JSON.stringify(reply)}`,
    );
    return reply.outcome === "ok";
  }
}

/** Works in a session that it shares with others, on notes and keys of its own, one call at a time. */
class Worker {
  readonly #name: string;
  readonly #session: string;
  readonly #random: Random;
  readonly #journal: Journal;
  readonly #acknowledged: { readonly text: string; readonly position: number }[] = [];
  readonly #unknown = new Set<string>();
  /** Every value that a key may have; undefined is absence. One of them where the last write was answered. */
  readonly #values = new Map<string, (string | undefined)[]>();
  #key = "";
  #count = 0;
  #calls = 0;

  constructor(name: string, session: string, random: Random, journal: Journal) {
    this.#name = name;
    this.#session = session;
    this.#random = random;
    this.#journal = journal;
  }

  async act(): Promise<void> {
    const dice = this.#random.int(0, 99);
    if (dice < 35) await this.#addNote(false);
    else if (dice < 50) await this.#addNote(true);
    else if (dice < 70) await this.#store();
    else if (dice < 78) await this.#delete();
    else if (dice < 84) await this.#increment();
    else await this.#read();
  }

  async #addNote(keyed: boolean): Promise<void> {
    const text = this.#fresh("note");
    const reply = await this.#write("add_note", { note: text }, keyed ? text : undefined);
    if (reply.outcome === "ok") this.#acknowledged.push({ text, position: Number(reply.result.count) });
    else this.#unknown.add(text);
  }

  /** After a write without an answer its key is left alone: that write may still arrive, and would then be the last one. */
  async #store(): Promise<void> {
    if (this.#key === "" || this.#random.chance(0.2)) this.#key = this.#fresh("key");
    const key = this.#key;
    const value = this.#fresh("value");
    const reply = await this.#write("store_value", { key, value });
    if (reply.outcome === "ok") this.#values.set(key, [value]);
    else {
      this.#values.set(key, [...(this.#values.get(key) ?? [undefined]), value]);
      this.#key = "";
    }
  }

  async #delete(): Promise<void> {
    if (this.#key === "") return;
    const key = this.#key;
    this.#key = "";
    const before = this.#values.get(key);
    const reply = await this.#write("delete_value", { key }, this.#fresh("delete"));
    this.#values.set(key, [undefined]);
    const deleted = reply.outcome === "ok" && reply.result.deleted;
    this.#journal.run.expect(deleted === (before?.[0] !== undefined), () => `deleting ${key} said ${deleted}`);
  }

  async #increment(): Promise<void> {
    const reply = await this.#write("increment_value", { key: `${this.#name}-count` }, this.#fresh("increment"));
    this.#count++;
    const value = reply.outcome === "ok" && reply.result.value;
    this.#journal.run.expect(value === this.#count, () => `increment ${this.#count} of ${this.#name} gave ${value}`);
  }

  async #read(): Promise<void> {
    if (this.#key === "") return;
    const reply = await this.#journal.client.call("get_value", { session_id: this.#session, key: this.#key });
    this.#journal.run.count();
    if (reply.outcome === "ok") this.#compare(this.#key, reply.result);
  }

  async #write(tool: string, input: object, key?: string): Promise<Reply> {
    const { client } = this.#journal;
    const full = { session_id: this.#session, ...input };
    const reply = await (key === undefined ? client.call(tool, full) : client.settle(tool, full, { key }));
    this.#journal.note(`${tool} of ${this.#name}`, reply);
    return reply;
  }

  #compare(key: string, { found, value }: Record<string, unknown>): void {
    const possible = this.#values.get(key) ?? [undefined];
    const seen = found === true ? String(value) : undefined;
    this.#journal.run.expect(possible.includes(seen), () => `${key} is ${seen}; possible is ${possible.join(" or ")}`);
  }

  /** Compares the state at the end, read through any process, with what this worker was told. */
  async verify(notes: readonly string[]): Promise<void> {
    const { run, client } = this.#journal;
    const own = new Map<string, number[]>();
    for (const [index, note] of notes.entries())
      if (note.startsWith(`${this.#name}-`)) own.set(note, [...(own.get(note) ?? []), index + 1]);
    for (const { text, position } of this.#acknowledged) {
      const found = own.get(text) ?? [];
      const once = found.length === 1 && found[0] === position;
      run.expect(once, () => `${text}, acknowledged at ${position}, stands at [${found}]`);
      own.delete(text);
    }
    for (const [text, found] of own) {
      const once = this.#unknown.has(text) && found.length === 1;
      run.expect(once, () => `${text} stands at [${found}], which nobody can have written`);
    }
    for (const key of this.#values.keys())
      this.#compare(key, await client.must("get_value", { session_id: this.#session, key }));
    const { value } = await client.must("get_value", { session_id: this.#session, key: `${this.#name}-count` });
    run.expect((value ?? 0) === this.#count, () => `${this.#name}-count is ${value} after ${this.#count} increments`);
  }

  #fresh(what: string): string {
    return `${this.#name}-${what}-${this.#calls++}`;
  }
}

/** Alone in its session, everything under keys: knows at any time exactly what the notes are. */
class Resetter {
  readonly #journal: Journal;
  readonly #random: Random;
  #notes: string[] = [];
  #calls = 0;

  constructor(random: Random, journal: Journal) {
    this.#random = random;
    this.#journal = journal;
  }

  async act(): Promise<void> {
    const { run, client } = this.#journal;
    const key = `reset-${this.#calls++}`;
    const reset = this.#notes.length > 0 && this.#random.chance(0.2);
    const input = { session_id: "resets", ...(!reset && { note: key }) };
    const reply = await client.settle(reset ? "reset_session" : "add_note", input, { key });
    this.#journal.note(reset ? "reset_session" : "add_note", reply);
    const had = this.#notes.length;
    this.#notes = reset ? [] : [...this.#notes, key];
    const told = reply.outcome === "ok" && (reset ? reply.result.cleared : reply.result.count);
    run.expect(told === (reset ? had : had + 1), () => `${key} had ${had} notes and was told ${told}`);
    if (this.#random.chance(0.2)) await this.verify();
  }

  async verify(): Promise<void> {
    const reply = await this.#journal.client.call("get_notes", { session_id: "resets", limit: PAGE_ENTRIES });
    if (!isFinal(reply)) return;
    const notes = reply.outcome === "ok" ? reply.result.notes : undefined;
    const right = JSON.stringify(notes) === JSON.stringify(this.#notes);
    this.#journal.run.expect(right, () => `the notes are ${JSON.stringify(notes)}, not ${JSON.stringify(this.#notes)}`);
  }
}

async function allNotes(client: Client, session: string): Promise<string[]> {
  const notes: string[] = [];
  let cursor: unknown;
  do {
    const input = { session_id: session, limit: PAGE_ENTRIES, ...(cursor !== undefined && { cursor }) };
    const page = await client.must("get_notes", input);
    notes.push(...(page.notes as string[]));
    cursor = page.next_cursor;
  } while (cursor !== undefined);
  return notes;
}

export default defineBar<Scale>({
  id: "S1",
  title: "no acknowledged write is lost to kill -9, none comes back",
  test: { kills: 10, writes: 2_000 },
  full: { kills: 200, writes: 50_000 },
  places: ["table", "file"],
  async run({ place, scale, random, progress }) {
    await using rig = await startRigOn(place, { random, size: 3 });
    const { client, fleet } = rig;
    const run = new Tally(progress, scale.writes, rig);
    const journal = new Journal(run, client);
    const workers = Array.from({ length: WORKERS }, (_, at) => {
      const name = `worker${at}`;
      return { worker: new Worker(name, SESSIONS[at % SESSIONS.length]!, random.fork(name), journal), at };
    });
    const resetter = new Resetter(random.fork("resetter"), journal);
    const choices = random.fork("kills");
    let kills = 0;
    const working = () => kills < scale.kills || journal.acknowledged < scale.writes;
    const killer = async () => {
      for (; kills < scale.kills; kills++) {
        // Spread over the run; a kill that the load has waited for comes at once.
        while (journal.acknowledged < ((kills + 1) * scale.writes) / (scale.kills + 1)) await sleep(5);
        await fleet.replace(choices.pick(fleet.live));
      }
    };
    const actors = [resetter, ...workers.map(({ worker }) => worker)].map(async (actor) => {
      while (working()) await actor.act();
    });
    await Promise.all([killer(), ...actors]);
    await resetter.verify();
    const notes = new Map<string, string[]>();
    for (const session of SESSIONS) notes.set(session, await allNotes(client, session));
    for (const { worker, at } of workers) await worker.verify(notes.get(SESSIONS[at % SESSIONS.length]!) ?? []);
    return run.outcome({ "kill -9": kills });
  },
});
