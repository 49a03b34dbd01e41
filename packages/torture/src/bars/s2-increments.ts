// Concurrent increments over several processes add up: exactly when every reply arrives, between acknowledged and attempted
// when replies are lost after the commit, and exactly again when lost ones are re-sent under their keys.

import { type Random, WRITES } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import type { Client } from "../client.ts";
import { startRigOn } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

interface Scale {
  /** Of each of the three kinds. */
  readonly increments: number;
}

const WIDTH = 32;
const DROPPED = 0.05;
/** A key remembers a bounded number of keyed calls for some seconds and lets writers wait beyond it. */
const INCREMENTS_PER_KEYED_KEY = 125;
const SESSION = "counters";

const counted = async (client: Client, key: string): Promise<number> =>
  Number((await client.must("get_value", { session_id: SESSION, key })).value);

/** Plain increments of one key. Every acknowledged one saw a value of its own. */
async function plain(run: Tally, client: Client, key: string, count: number): Promise<void> {
  const seen = new Set<unknown>();
  let acknowledged = 0;
  await inParallel(count, WIDTH, async () => {
    const reply = await client.call("increment_value", { session_id: SESSION, key });
    run.count();
    if (reply.outcome !== "ok") return;
    acknowledged++;
    run.expect(!seen.has(reply.result.value), () => `two increments of ${key} were told ${reply.result.value}`);
    seen.add(reply.result.value);
  });
  const value = await counted(client, key);
  const right = acknowledged <= value && value <= count;
  run.expect(right, () => `${key} is ${value} after ${acknowledged} acknowledged of ${count} increments`);
}

/** Keyed increments. Some answers are thrown away and the call sent again, sometimes while the first is still running. */
async function keyed(run: Tally, client: Client, count: number, random: Random): Promise<void> {
  const keys = Math.ceil(count / INCREMENTS_PER_KEYED_KEY);
  await inParallel(count, WIDTH, async (index) => {
    const input = { session_id: SESSION, key: `keyed-${index % keys}` };
    const send = () => client.settle("increment_value", input, { key: `increment-${index}` });
    const again = random.chance(DROPPED);
    const answers = again && random.chance(0.5) ? await Promise.all([send(), send()]) : [await send()];
    if (again) answers.push(await send());
    run.count();
    const told = new Set(answers.map((answer) => (answer.outcome === "ok" ? answer.result.value : answer.message)));
    run.expect(told.size === 1, () => `one call had several answers: ${[...told].join(", ")}`);
  });
  for (let key = 0; key < keys; key++) {
    const expected = Math.floor(count / keys) + (key < count % keys ? 1 : 0);
    const value = await counted(client, `keyed-${key}`);
    run.expect(value === expected, () => `keyed-${key} is ${value} after ${expected} increments`);
  }
}

export default defineBar<Scale>({
  id: "S2",
  title: "no increment is lost or doubled",
  test: { increments: 2_000 },
  full: { increments: 10_000 },
  places: ["table", "file"],
  async run({ place, scale: { increments }, random, progress }) {
    await using rig = await startRigOn(place, { random });
    const { client } = rig;
    const run = new Tally(progress, (place === "table" ? 3 : 2) * increments, rig);
    await plain(run, client, "exact", increments);
    const exact = await counted(client, "exact");
    run.expect(exact === increments, () => `exact is ${exact} after ${increments} increments`);
    if (rig.place === "table") {
      rig.proxy.rules = [{ fault: { kind: "commit-then-drop" }, operations: WRITES, chance: DROPPED }];
      await plain(run, client, "dropped", increments);
    }
    await keyed(run, client, increments, random.fork("re-sends"));
    return run.outcome();
  },
});
