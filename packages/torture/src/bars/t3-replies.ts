// T3: the table's replies are lost after it has committed, each write's first one; requests are throttled; the table is away while tasks
// run. Every task has the one outcome it would have had: no run takes itself for overtaken, no question comes twice, no end is false.
import { setTimeout as sleep } from "node:timers/promises";
import { WRITES } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { inParallel, Tally } from "./tally.ts";
import { sessionOf, TASK_LEASE_MS, TaskRig } from "./task-rig.ts";

interface Scale {
  /** Of each kind, in each kind of weather. */
  readonly tasks: number;
  readonly outageSeconds: number;
  readonly speed: number;
}

const PROCESSES = 2;
const WIDTH = 10;
const THROTTLED = 0.3;
/** More than stands in the head. */
const LARGE_BYTES = 5_000;
const AGAIN_MS = 200;

interface Kind {
  readonly name: string;
  readonly args: { steps: number; rounds?: number; refusals?: number; resultBytes?: number };
}

/** What a task does on the way to its end. */
const KINDS: readonly [Kind, ...Kind[]] = [
  { name: "short", args: { steps: 0 } },
  { name: "in steps", args: { steps: 3 } },
  { name: "asks", args: { steps: 1, rounds: 2 } },
  { name: "refused at first", args: { steps: 1, refusals: 1 } },
  { name: "large", args: { steps: 1, resultBytes: LARGE_BYTES } },
];

export default defineBar<Scale>({
  id: "T3",
  title: "lost replies, throttling and a table that is away change no task's outcome, question or effect",
  test: { tasks: 4, outageSeconds: 3, speed: 2 },
  full: { tasks: 200, outageSeconds: 10, speed: 1 },
  async run({ scale, random, progress }) {
    const weathers = [
      {
        name: "lost replies",
        rules: [{ fault: { kind: "commit-then-drop" }, operations: WRITES, firstAttemptOnly: true }],
      },
      { name: "throttling", rules: [{ fault: { kind: "throttle" }, chance: THROTTLED }] },
    ] as const;
    const tally = new Tally(progress, 2 * (KINDS.length + 1) * scale.tasks + 4 * KINDS.length);
    await using tasks = await TaskRig.start(tally, { random, size: PROCESSES, speed: scale.speed, stepMs: 10 });
    const { tasks: client, rig } = tasks;
    let serial = 0;
    const create = async (args: object): Promise<string> => {
      const job = `job ${serial++}`;
      for (;;) {
        // Under a key: what was not answered is sent again.
        const id = await client.create("work", { job, session_id: sessionOf(job), ...args }, { key: job });
        if (id !== undefined) return id;
        await sleep(AGAIN_MS);
      }
    };
    const settle = async (id: string, what: string, runsMin: number, exactly: boolean) => {
      const { status, outcome = "" } = await client.settle(id);
      tally.count();
      tally.expect(status === "completed", () => `${what}: ${id} is ${status}: ${outcome.slice(0, 300)}`);
      const refused = outcome.includes('"isError":true');
      tally.expect(!refused, () => `${what}: ${id} came to a refusal: ${outcome.slice(0, 300)}`);
      const runs = tasks.of(id, "began").length;
      const right = exactly ? runs === runsMin : runs >= runsMin;
      tally.expect(right, () => `${what}: ${id} was run ${runs} times instead of ${runsMin}`);
    };
    const runsOf = (args: Kind["args"]) => 1 + (args.rounds ?? 0) + (args.refusals ?? 0);
    for (const { name, rules } of weathers) {
      rig.proxy.rules = rules;
      await inParallel(KINDS.length * scale.tasks, WIDTH, async (at) => {
        const { name: kind, args } = KINDS[at % KINDS.length] ?? KINDS[0];
        const id = await create(args);
        // A reply that was lost is no reason to run anything twice.
        await settle(id, `${kind} with ${name}`, runsOf(args), name === "lost replies");
      });
      // Cancellations count as well.
      await inParallel(scale.tasks, WIDTH, async () => {
        const id = await create({ rounds: 1 });
        while (!(await client.cancel(id))) await sleep(AGAIN_MS);
        // A look that is throttled tells nothing, and the next one does.
        let read = await client.get(id);
        for (; read === undefined; read = await client.get(id)) await sleep(AGAIN_MS);
        tally.count();
        const { status } = read;
        const right = status === "cancelled" || status === "completed";
        tally.expect(right, () => `with ${name}, ${id} is ${status} after it was cancelled`);
      });
      rig.proxy.rules = [];
    }
    // Runs begin before the outage, work in it, and come to their ends in it or afterwards.
    for (const kind of ["reset", "black-hole"] as const) {
      const ids: string[] = [];
      await inParallel(KINDS.length * 2, KINDS.length * 2, async (at) => {
        ids.push(await create((KINDS[at % KINDS.length] ?? KINDS[0]).args));
      });
      rig.proxy.beginOutage(kind);
      await sleep(scale.outageSeconds * 1000);
      rig.proxy.endOutage();
      await Promise.all(ids.map((id) => settle(id, `an outage by ${kind}`, 1, false)));
    }
    await tasks.check();
    const lease = TASK_LEASE_MS / scale.speed / 1000;
    const figures = [`the table was away for ${scale.outageSeconds} s at a time; a lease lasts ${lease} s`];
    return { ...tally.outcome({ ...rig.proxy.faults }), figures };
  },
});
