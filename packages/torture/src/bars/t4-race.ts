// T4: what races. A cancellation against an end, on two processes; two answers to one question, and both questions by both; all
// processes for one task that none runs. Each time one wins, all see the same, and the one that came second is answered alike.
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { inParallel, Tally } from "./tally.ts";
import { type Said, sessionOf, TaskRig } from "./task-rig.ts";

interface Scale {
  readonly processes: number;
  /** Cancellations that race with an end. */
  readonly cancels: number;
  /** Tasks of two rounds of questions that are answered by several clients at once. */
  readonly asked: number;
  /** Free tasks that every process meets at once. */
  readonly free: number;
}

const WIDTH = 8;
/** Below the slots of one process. */
const ALL_MEET_MS = 20;
const UNKNOWN = `tsk_${"0".repeat(26)}`;
const MAY_DELAY_MS = 40;

export default defineBar<Scale>({
  id: "T4",
  title:
    "of a cancellation and an end, of two answers, of eight processes that meet a free task, one wins, and all see the same",
  test: { processes: 8, cancels: 200, asked: 20, free: 5 },
  full: { processes: 8, cancels: 10_000, asked: 500, free: 100 },
  async run({ scale, random, progress }) {
    const tally = new Tally(progress, scale.cancels + scale.asked + scale.free);
    const isHeld = ({ phase, what }: Said) => phase === "in step" && what === "step 9";
    await using tasks = await TaskRig.start(tally, { random, size: scale.processes, stepMs: 1, isHeld });
    const ends: Record<string, number> = {};
    await inParallel(scale.cancels, WIDTH, async (at) => {
      const status = await cancelAgainstEnd(tasks, random, at, tally);
      ends[status] = (ends[status] ?? 0) + 1;
    });
    await inParallel(scale.asked, WIDTH, async (at) => answers(tasks, random, at, tally));
    for (let at = 0; at < scale.free; at++) await allMeetOne(tasks, at, tally);
    await cancelEverywhere(tasks, tally);
    await tasks.check();
    const figures = [`of the races with an end ${ends.cancelled ?? 0} were won by the cancellation`];
    return { ...tally.outcome({ cancellation: scale.cancels, "answer in a race": 4 * scale.asked }), figures };
  },
});

/** Ends with one of both, whichever it is; both are answered. */
async function cancelAgainstEnd(tasks: TaskRig, random: Random, at: number, tally: Tally): Promise<string> {
  const { tasks: client } = tasks;
  const args = { job: `quick ${at}`, session_id: "quick", steps: 0, writes: false };
  const id = await client.create("work", args);
  if (id === undefined) throw new Error("A task was refused.");
  await sleep(random.int(0, MAY_DELAY_MS));
  const acknowledged = await Promise.all([client.cancel(id), ...(random.chance(0.5) ? [client.cancel(id)] : [])]);
  tally.expect(acknowledged.every(Boolean), () => `cancelling ${id} was not acknowledged`);
  const reads = await Promise.all([client.get(id), client.get(id)]);
  const status = reads[0]?.status ?? "unknown";
  tally.count(reads.every((read) => read !== undefined));
  const right = status === "cancelled" || status === "completed";
  tally.expect(right, () => `${id} is ${status} after its cancellation`);
  return status;
}

/** Two clients answer the same question differently, and both questions in different order, and an unknown one. */
async function answers(tasks: TaskRig, random: Random, at: number, tally: Tally): Promise<void> {
  const { tasks: client } = tasks;
  const job = `asks ${at}`;
  const id = await client.create("work", { job, session_id: sessionOf(job), steps: 1, rounds: 2 });
  if (id === undefined) throw new Error("A task was refused.");
  for (let round = 1; round <= 2; round++) {
    let read = await client.get(id);
    while (read?.asks?.[`${round}.p`] === undefined) {
      tally.expect(read?.status !== "completed", () => `${id} has ended without its answers in round ${round}`);
      if (read?.status === "completed") return;
      await sleep(ALL_MEET_MS);
      read = await client.get(id);
    }
    const [p, q] = [`${round}.p`, `${round}.q`];
    const ways = [
      { [p]: "p of a" },
      { [q]: "q of b" },
      { [p]: "p of c", [q]: "q of c" },
      { [q]: "q of d", "7.p": "unknown", ["__proto__"]: "hostile" },
    ];
    const order = random.shuffle(ways);
    // Together, or so that one half has been acknowledged before the other is sent.
    const sent = random.chance(0.5) ? [order] : [order.slice(0, 1), order.slice(1)];
    for (const some of sent) {
      const acknowledged = await Promise.all(some.map((values) => client.answer(id, values)));
      tally.expect(acknowledged.every(Boolean), () => `an answer to ${id} was not acknowledged`);
    }
  }
  const { status } = await client.settle(id);
  tally.count();
  tally.expect(status === "completed", () => `${id} is ${status}`);
  const runs = tasks.of(id, "began").length;
  tally.expect(runs === 3, () => `${id} asked in two rounds, and was run ${runs} times`);
  tally.expect(await client.answer(id, { "1.p": "late" }), () => `a late answer to ${id} was not acknowledged`);
}

/** A run that is refused for a passing reason frees its task: all processes meet it when its pause is over. */
async function allMeetOne(tasks: TaskRig, at: number, tally: Tally): Promise<void> {
  const { tasks: client, fleet } = tasks;
  const job = `free ${at}`;
  const id = await client.create("work", { job, session_id: sessionOf(job), steps: 0, refusals: 1 });
  if (id === undefined) throw new Error("A task was refused.");
  let over = false;
  await Promise.all(
    fleet.live.map(async ({ address }) => {
      while (!over) {
        const read = await client.get(id, { address });
        over ||= read?.status === "completed";
        await sleep(ALL_MEET_MS);
      }
    }),
  );
  const attempts = tasks.of(id, "began").map(({ attempt }) => attempt);
  tally.count();
  tally.expect(attempts.toSorted().join() === "1,2", () => `${id} was begun as attempts ${attempts}`);
}

/** Of a run elsewhere, of a parked task, of an ended one, of none. */
async function cancelEverywhere(tasks: TaskRig, tally: Tally): Promise<void> {
  const { tasks: client, fleet } = tasks;
  const [runs, other] = fleet.live.map(({ address }) => address);
  const begin = async (job: string, more: object) => {
    const id = await client.create("work", { job, session_id: "cancels", writes: false, ...more }, { address: runs });
    if (id === undefined) throw new Error("A task was refused.");
    return id;
  };
  const working = await begin("working", { steps: 10 });
  const parked = await begin("parked", { rounds: 1 });
  while ((await client.get(parked))?.status !== "input_required") await sleep(ALL_MEET_MS);
  while (!tasks.of(working, "in step").some(({ what }) => what === "step 9")) await sleep(ALL_MEET_MS);
  for (const id of [working, parked, parked]) {
    tally.expect(await client.cancel(id, { address: other }), () => `cancelling ${id} was not acknowledged`);
    const status = (await client.get(id))?.status;
    tally.expect(status === "cancelled", () => `${id} is ${status} after it was cancelled`);
  }
  const cancelledAt = performance.now();
  while (tasks.of(working, "aborted").length === 0 && performance.now() - cancelledAt < 60_000) await sleep(50);
  tally.expect(tasks.of(working, "aborted").length === 1, () => "the run of a cancelled task was not told");
  tasks.release(working);
  await client.answer(parked, { "1.p": "late", "1.q": "late" });
  const status = (await client.get(parked))?.status;
  tally.expect(status === "cancelled", () => `a cancelled task that was answered is ${status}`);
  const unknown = await client.send("tasks/cancel", { taskId: UNKNOWN });
  tally.expect(unknown?.error?.code === -32_602, () => `cancelling no task was answered ${JSON.stringify(unknown)}`);
}
