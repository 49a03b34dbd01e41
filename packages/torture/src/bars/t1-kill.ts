// T1: processes that run tasks are killed at any moment. Clients that ask other processes get the outcome, and so does a task for which
// no client asks; what was done is not done again, and each effect stands once. A tool that ends its process each time is given up.
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import type { Run } from "../run-counter.ts";
import { inParallel, Tally } from "./tally.ts";
import { type Said, sessionOf, TaskRig, takingsOf } from "./task-rig.ts";

interface Scale {
  readonly tasks: number;
  readonly kills: number;
  /** Tasks for which no client asks until they have been run. */
  readonly alone: number;
  readonly poisoned: number;
  /** How much faster than time the servers' clocks run. */
  readonly speed: number;
}

const PROCESSES = 3;
const WIDTH = 24;
const STEP_MS = 150;
const ATTEMPTS_MAX = 3;
/** Between two kills at most: new processes have to start meanwhile. */
const CALM_MAX_MS = 4_000;
/** The slow look of the processes that are left, a lease, and time for a busy machine. */
const ALONE_MS = 180_000;
const GIVEN_UP = -32_603;

/** Kills members at random moments, and replaces those that have ended by themselves. */
async function killAndReplace(tasks: TaskRig, random: Random, kills: number, isOver: () => boolean): Promise<number> {
  const { fleet } = tasks;
  let killed = 0;
  let members = [...fleet.live];
  while (!isOver()) {
    await sleep(random.int(0, CALM_MAX_MS));
    const dead = members.filter(({ process }) => !process.running);
    const chosen = killed < kills && fleet.live.length > 0 ? [random.pick(fleet.live)] : [];
    killed += chosen.length;
    for (const member of new Set([...dead, ...chosen])) await fleet.replace(member);
    members = [...fleet.live];
  }
  return killed;
}

/** Steps that were done again although a run had been told what they came to. */
function repeatedSteps(tasks: TaskRig, tally: Tally): void {
  const told = new Map<string, number>();
  const all = [...tasks.said()];
  for (const { task, what, phase, by } of all) {
    const step = `${task} ${what}`;
    if (phase === "step") told.set(step, Math.min(told.get(step) ?? Number.POSITIVE_INFINITY, by.startedMs));
  }
  for (const { task, what, phase, by } of all) {
    const again = phase === "in step" && by.startedMs > (told.get(`${task} ${what}`) ?? Number.POSITIVE_INFINITY);
    tally.expect(!again, () => `${task}: ${what} was done again although it was remembered`);
  }
}

/** What a process takes to write what its tool has come to, on a busy machine. */
const WRITTEN_MS = 2_000;

/** Whether a process that was told something said more so much later that it has written what it was told. */
const outlived = (tasks: TaskRig, { pid, endedMs = 0 }: Run): boolean =>
  [...tasks.said()].some(({ by }) => by.pid === pid && by.startedMs > endedMs + WRITTEN_MS);

/**
 * Each was taken three times without a finished step. A run may be killed before its tool can tell of it, which only the fence of its
 * task shows: it grows with each taking, and with the answers of a round.
 */
async function rightlyGivenUp(tasks: TaskRig, ids: readonly string[], tally: Tally): Promise<void> {
  const items = await tasks.rig.items();
  const takings = takingsOf(items);
  for (const id of ids) {
    const said = tasks.of(id);
    const began = said.filter(({ phase }) => phase === "began").toSorted((a, b) => a.by.startedMs - b.by.startedMs);
    // The last taking is the one that gives up.
    const unseen = (takings.get(id) ?? 0) - 1 - began.length;
    const made = new Set(said.flatMap(({ phase, run, what }) => (phase === "in step" ? [`${run} ${what}`] : [])));
    const stepped = ({ phase, run, what }: Said) => phase === "step" && made.has(`${run} ${what}`);
    const progressed = new Set(said.filter(stepped).map(({ run }) => run));
    const last = began.findLastIndex(({ run }) => progressed.has(run));
    // The run that made the last step counts from that step on.
    const without = began.length - Math.max(0, last) + unseen;
    tally.expect(without >= ATTEMPTS_MAX, () => `${id} was given up ${without} runs after its last step`);
    tally.expect(
      said.every(({ phase, by }) => phase !== "end" || !outlived(tasks, by)),
      () => `${id} was given up although a run came to its end, and its process lived on`,
    );
    // A run that the table refused is no attempt: on a busy machine it may be too slow. Its process lives on.
    // One that was killed after it had kept a step, and before it told of it, is known by the table alone.
    const kept = items.some(({ pk, sk }) => pk?.S?.endsWith(`#K#${id}`) && sk?.S?.startsWith("S#"));
    const cut = last < 0 && !kept ? began.filter(({ by }) => !outlived(tasks, by)) : [];
    const told = () => JSON.stringify(began.map(({ attempt, by }) => [attempt, by.pid, by.startedMs, by.endedMs]));
    tally.expect(cut.length <= ATTEMPTS_MAX, () => `${id} was begun and cut off ${cut.length} times: ${told()}`);
  }
}

/** How long after the death of its process each run that was cut off was followed by another, in milliseconds. */
function recoveries(tasks: TaskRig, ids: readonly string[]): number[] {
  return ids.flatMap((id) => {
    const runs = Map.groupBy(tasks.of(id), ({ run }) => run);
    const spans = [...runs.values()].map((said) => ({
      began: Math.min(...said.map(({ by }) => by.startedMs)),
      last: Math.max(...said.map(({ by }) => by.endedMs ?? by.startedMs)),
    }));
    const inOrder = spans.toSorted((a, b) => a.began - b.began);
    return inOrder.slice(1).map(({ began }, at) => began - (inOrder[at]?.last ?? began));
  });
}

export default defineBar<Scale>({
  id: "T1",
  title: "a task outlives the kill -9 of its process, watched or not, with each effect once",
  test: { tasks: 30, kills: 3, alone: 0, poisoned: 1, speed: 2 },
  full: { tasks: 1_200, kills: 120, alone: 20, poisoned: 3, speed: 1 },
  async run({ scale, random, progress }) {
    const { alone, poisoned, kills, speed } = scale;
    const tally = new Tally(progress, scale.tasks + alone + poisoned);
    await using tasks = await TaskRig.start(tally, { random, size: PROCESSES, speed, stepMs: STEP_MS });
    const { tasks: client } = tasks;
    const watched: string[] = [];
    const givenUp: string[] = [];
    const choices = random.fork("jobs");
    let over = false;
    const killer = killAndReplace(tasks, random.fork("kills"), kills, () => over);
    // What they throw is thrown where they are waited for.
    killer.catch(() => {});
    const create = async (job: string) => {
      const rounds = choices.chance(0.2) ? 1 : 0;
      const args = { job, session_id: sessionOf(job), steps: choices.int(1, 5), rounds };
      for (;;) {
        const id = await client.create("work", args, { key: job });
        if (id !== undefined) return id;
        await sleep(100);
      }
    };
    const poison = inParallel(poisoned, 1, async () => {
      let id: string | undefined;
      while (id === undefined) id = await client.create("poison", {});
      const { status, outcome = "{}" } = await client.settle(id);
      const given = status === "failed" && (JSON.parse(outcome) as { code?: number }).code === GIVEN_UP;
      tally.count();
      tally.expect(given, () => `a tool that ends its process was answered ${status}: ${outcome}`);
      if (given) givenUp.push(id);
    });
    poison.catch(() => {});
    await inParallel(scale.tasks, WIDTH, async (at) => {
      const id = await create(`job ${at}`);
      watched.push(id);
      const { status, outcome = "{}" } = await client.settle(id);
      tally.count();
      // Killed in each of its runs, it is given up.
      const saysSo = status === "failed" && (JSON.parse(outcome) as { code?: number }).code === GIVEN_UP;
      if (saysSo) givenUp.push(id);
      tally.expect(status === "completed" || saysSo, () => `${id} is ${status}: ${outcome}`);
    });
    const lonely: string[] = [];
    await inParallel(alone, WIDTH, async (at) => void lonely.push(await create(`job ${scale.tasks + at}`)));
    // Without questions, which none would answer.
    if (alone > 0) await tasks.fleet.replace(random.pick(tasks.fleet.live));
    const deadline = performance.now() + ALONE_MS;
    const done = (id: string) => tasks.of(id, "end").length > 0 || tasks.of(id, "asks").length > 0;
    while (!lonely.every(done) && performance.now() < deadline) await sleep(200);
    for (const id of lonely) {
      tally.count();
      tally.expect(done(id), () => `${id}, for which no client asked, was not run again`);
    }
    for (const id of lonely) await client.settle(id);
    await poison;
    over = true;
    const killed = await killer;
    await tasks.check();
    repeatedSteps(tasks, tally);
    await rightlyGivenUp(tasks, givenUp, tally);
    const cut = recoveries(tasks, watched).filter((ms) => ms > 2_000);
    const longest = Math.max(0, ...cut) / 1000;
    const figures = [
      `${givenUp.length - poisoned} tasks of tools that end no process were given up, each after three runs without a step`,
      `${cut.length} runs of watched tasks were cut off; the longest was followed by another after ${longest.toFixed(1)} s`,
    ];
    return { ...tally.outcome({ "kill -9": killed + ATTEMPTS_MAX * poisoned, "run cut off": cut.length }), figures };
  },
});
