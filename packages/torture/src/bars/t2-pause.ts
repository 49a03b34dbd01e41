// T2: a process is paused, or blocked by its own tool, for longer than its tasks' leases last. Another one goes on with them; what the
// first one does when it wakes up changes nothing: no step, no question, no outcome, and no effect is there twice.
import { defineBar } from "../bars.ts";
import { Tally } from "./tally.ts";
import { type Said, sessionOf, TASK_LEASE_MS, TaskRig, until } from "./task-rig.ts";

interface Scale {
  /** Each holds so many tasks. */
  readonly pauses: number;
  readonly tasks: number;
  readonly blocked: number;
  /** How much faster than time the servers' clocks run. */
  readonly speed: number;
}

/** Where a run is when its process is paused, and what it is about to do. */
const MOMENTS = ["began", "in step", "step", "asks", "end"] as const;
export default defineBar<Scale>({
  id: "T2",
  title: "a run that was paused past its lease, or blocked its process, changes nothing when it wakes up",
  test: { pauses: 1, tasks: 10, blocked: 1, speed: 2 },
  full: { pauses: 20, tasks: 10, blocked: 5, speed: 1 },
  async run({ scale, progress, random }) {
    const tally = new Tally(progress, scale.pauses * scale.tasks + scale.blocked);
    /** Where the next run of each job is held that has not been held yet: the first one, and sometimes a second. */
    const heldAt = new Map<string, Said["phase"][]>();
    const heldRuns = new Set<string>();
    const isHeld = ({ job = "", phase, run }: Said) => {
      if (heldRuns.has(run) || heldAt.get(job)?.[0] !== phase) return false;
      heldAt.get(job)?.shift();
      heldRuns.add(run);
      return true;
    };
    await using tasks = await TaskRig.start(tally, { random, size: 2, speed: scale.speed, stepMs: 5, isHeld });
    const { tasks: client, fleet } = tasks;
    let aborted = 0;
    for (let pause = 0; pause < scale.pauses; pause++) {
      const [sleeper, other] = random.shuffle(fleet.live);
      if (!sleeper || !other) throw new Error("A process has ended by itself.");
      const jobs = Array.from({ length: scale.tasks }, (_, at) => `job ${pause * scale.tasks + at}`);
      const ids: string[] = [];
      for (const [at, job] of jobs.entries()) {
        const moment = MOMENTS[at % MOMENTS.length] ?? "end";
        const last = moment === "asks" ? "asks" : "end";
        // When the first run of these wakes up, another one is about to write; of the others the task has ended.
        heldAt.set(job, at % 2 === 0 ? [moment] : [moment, last]);
        const args = { job, session_id: sessionOf(job), steps: 2, rounds: moment === "asks" ? 1 : 0 };
        const id = await client.create("work", args, { address: sleeper.address });
        if (id === undefined) throw new Error(`${job} was refused.`);
        ids.push(id);
      }
      const held = (id: string, but?: string) => tasks.of(id).find(({ run }) => run !== but && heldRuns.has(run))?.run;
      await until("every run is where it is to be paused", () => ids.every((id) => held(id) !== undefined));
      const first = new Map(ids.map((id) => [id, held(id)]));
      sleeper.process.pause();
      const awake = { address: other.address };
      await Promise.all(
        ids.map((id, at) =>
          at % 2 === 0
            ? client.settle(id, awake)
            : until("another run is about to write", async () => {
                await client.get(id, awake);
                return held(id, first.get(id)) !== undefined;
              }),
        ),
      );
      sleeper.process.resume();
      // A third of the runs learn of it while they work, the others when they come to what they would write.
      for (const [at, id] of ids.entries()) if (at % 3 !== 0) tasks.release(id, first.get(id));
      const waiting = ids.filter((_, at) => at % 3 === 0);
      const told = (id: string) => tasks.of(id, "aborted").some(({ run }) => run === first.get(id));
      await until("a run that has lost its task is told so", () => waiting.every(told));
      aborted += waiting.length;
      for (const id of ids) {
        tasks.release(id);
        const { status, outcome, run } = await client.settle(id);
        tally.count();
        tally.expect(status === "completed", () => `${id} is ${status}: ${outcome}`);
        tally.expect(run !== first.get(id), () => `${id} has the outcome of the run that was paused`);
      }
    }
    for (let block = 0; block < scale.blocked; block++) {
      const [member, other] = fleet.live;
      const blocksMs = (1.5 * TASK_LEASE_MS) / scale.speed;
      const job = `job ${scale.pauses * scale.tasks + block}`;
      const args = { job, session_id: sessionOf(job), first: "blocks", blocksMs };
      const id = await client.create("work", args, { address: member?.address });
      if (id === undefined) throw new Error("The tool that blocks its process was refused.");
      const { status } = await client.settle(id, { address: other?.address });
      tally.count();
      tally.expect(status === "completed", () => `a tool that blocks its process is ${status}`);
      // Its own process answers again, and sees the same.
      await until("the blocked process answers", async () => {
        const read = await client.get(id, { address: member?.address });
        return read !== undefined;
      });
    }
    for (const { task } of client.created) await client.get(task);
    await tasks.check();
    const figures = [`${aborted} paused runs were told, with a sign of life, that their task is another's`];
    return { ...tally.outcome({ pause: scale.pauses * scale.tasks, "process blocked": scale.blocked }), figures };
  },
});
