// S10: a cached tool computes once for everybody who misses at the same time; a holder that dies delays the others by a lease
// at most, and one that was paused and wakes up overwrites nothing.
import { fileURLToPath } from "node:url";
import { Fleet, type Member, type Random, WRITES } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { type Run, RunCounter } from "../run-counter.ts";
import { callServer, type Reply } from "./calls.ts";
import { LEASE_MS, startGround } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

const PROCESSES = 4;
const COMPUTE_MS = 40;
const AT_ONCE = 4;
/** Misses held at once by the process that is killed or paused. */
const HELD = 5;
/** What waiters may take beyond a lease: polling, computing, and a busy machine. */
const SLACK_MS = 4_000;

interface Scale {
  readonly misses: number;
  readonly callers: number;
  readonly holders: number;
}

interface Rig {
  readonly fleet: Fleet;
  readonly counter: RunCounter;
  readonly tally: Tally;
  readonly random: Random;
}

const ask = (member: Member, id: string): Promise<Reply> => callServer(member.address, "compute", { id });
const answerIn = (reply: Reply): unknown => ("result" in reply ? reply.result.answer : reply.code);

async function misses({ fleet, counter, tally, random }: Rig, { misses, callers }: Scale): Promise<void> {
  await inParallel(Array.from({ length: misses }), AT_ONCE, async (_, at) => {
    const id = `miss ${at}`;
    const replies = await Promise.all(Array.from({ length: callers }, () => ask(random.pick(fleet.live), id)));
    const computed = counter.of(id);
    for (const reply of replies) tally.count("result" in reply);
    tally.expect(computed.length === 1, () => `${id} was computed ${computed.length} times for ${callers} callers.`);
    const wrong = replies.find((reply) => answerIn(reply) !== computed[0]?.answer);
    tally.expect(wrong === undefined, () => `${id}: a caller got ${JSON.stringify(wrong)}.`);
    const first = replies.filter((reply) => "result" in reply && reply.result.cached === false).length;
    tally.expect(first === 1, () => `${id}: ${first} callers were told that theirs was the computed one.`);
  });
}

/** Has one process compute `ids` and the others wait for it. */
async function hold({ fleet, counter, random }: Rig, ids: readonly string[]) {
  const [holder, ...others] = random.shuffle(fleet.live);
  if (!holder || others.length === 0) throw new Error("Two processes are needed.");
  const held = ids.map((id) => ask(holder, id));
  const runs = await Promise.all(ids.map((id) => counter.began(id, 1)));
  const waiting = ids.map((id, at) => ask(others[at % others.length] as Member, id));
  return { holder, others, held, runs, waiting };
}

async function killedHolder(rig: Rig, round: number): Promise<void> {
  const { fleet, counter, tally } = rig;
  const ids = Array.from({ length: HELD }, (_, at) => `held for killed ${round}.${at}`);
  const { holder, held, waiting } = await hold(rig, ids);
  const killed = performance.now();
  await fleet.replace(holder);
  await Promise.all(held);
  await inParallel(ids, HELD, async (id, at) => {
    const next = await counter.began(id, 2);
    next.release();
    const reply = await waiting[at];
    const tookMs = performance.now() - killed;
    tally.count();
    tally.expect(
      reply !== undefined && answerIn(reply) === next.answer,
      () => `${id}: a waiter got ${JSON.stringify(reply)}.`,
    );
    tally.expect(
      tookMs < LEASE_MS + SLACK_MS,
      () => `${id}: a killed holder delayed a waiter by ${Math.round(tookMs)} ms.`,
    );
    tally.expect(counter.of(id).length === 2, () => `${id} was computed ${counter.of(id).length} times, not twice.`);
  });
}

async function pausedHolder(rig: Rig, round: number): Promise<void> {
  const { fleet, counter, tally } = rig;
  const ids = Array.from({ length: HELD }, (_, at) => `held for paused ${round}.${at}`);
  const { holder, others, held, runs, waiting } = await hold(rig, ids);
  holder.process.pause();
  const kept = await Promise.all(ids.map((id) => counter.began(id, 2)));
  for (const run of kept) run.release();
  await Promise.all(waiting);
  // The first answer reaches the paused process now, and is what it goes on with when it wakes up.
  for (const run of runs) run.release();
  holder.process.resume();
  await Promise.all(held);
  await inParallel(ids, HELD, async (id, at) => {
    const expected = (kept[at] as Run).answer;
    for (const member of [holder, ...others]) {
      const seen = answerIn(await ask(member, id));
      tally.count();
      tally.expect(
        seen === expected,
        () => `${id}: after the holder woke up there is "${seen}" and not "${expected}".`,
      );
    }
  });
  tally.expect(fleet.live.length === PROCESSES, () => "A process has ended by itself.");
}

export default defineBar<Scale>({
  id: "S10",
  title: "a cached tool computes once per fleet",
  test: { misses: 100, callers: 10, holders: 1 },
  full: { misses: 200, callers: 100, holders: 10 },
  places: ["table", "file"],
  async run({ place, scale, random, progress }) {
    await using ground = await startGround(place, random, [
      { fault: { kind: "commit-then-drop" }, chance: 0.03, operations: WRITES },
      { fault: { kind: "throttle" }, chance: 0.02 },
      { fault: { kind: "delay-before", milliseconds: 10 }, chance: 0.1 },
    ]);
    await using counter = await RunCounter.start(COMPUTE_MS, (id) => id.startsWith("held"));
    const server = fileURLToPath(new URL("../servers/counting-cache.ts", import.meta.url));
    await using fleet = await Fleet.start({
      size: PROCESSES,
      env: { ...(await ground.forServers()), COUNTER_URL: counter.url },
      serve: (port) => ({ command: process.execPath, args: ["--import", "tsx", server, String(port)] }),
    });
    const tally = new Tally(progress, scale.misses * scale.callers + scale.holders * HELD * (PROCESSES + 1));
    const rig = { fleet, counter, tally, random };
    await misses(rig, scale);
    for (let round = 0; round < scale.holders; round++) {
      await killedHolder(rig, round);
      await pausedHolder(rig, round);
    }
    const faults = { ...ground.faults, kill: scale.holders, pause: scale.holders };
    return tally.outcome(faults);
  },
});
