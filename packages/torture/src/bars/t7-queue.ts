// T7: tasks that a queue brings to workers, as on Lambda. Messages come twice, late by a day or never; the queue refuses some; workers are
// killed, throttled, or their time is over. Each task is run as often as its runs were cut off and no more, has one outcome, and each effect once.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type App,
  AppError,
  acceptedContent,
  builtinTools,
  defineTool,
  inputRequired,
  type TaskMessage,
  type TaskQueue,
} from "@stateful-mcp/core";
import type { Random } from "@stateful-mcp/rig";
import * as z from "zod";
import { defineBar } from "../bars.ts";
import { checkTasks, type Effect, type TaskRun, type Told } from "../checkers/tasks.ts";
import { callApp } from "./calls.ts";
import { Cluster, MovedClock, type TableInstance } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";
import { inProcess, TASK_LEASE_MS, type TaskClient, tableOf } from "./task-rig.ts";

interface Scale {
  readonly batches: number;
  /** Each waits for its slowest task, so that time moves on only where nothing runs. */
  readonly tasks: number;
}

const WORKERS = 3;
const KINDS = ["plain", "asks", "refused", "parts", "endless"] as const;
type Kind = (typeof KINDS)[number];
const PARTS = 4;
/** Of a worker that does a part of a task that needs several. */
const SHORT_MS = 1_500;
const LONG_MS = 600_000;
/** As the queue is set up: what no worker has taken so often is a dead letter. */
const RECEIVES_MAX = 5;
const HOUR_SECONDS = 3_600;
const DAY_SECONDS = 24 * HOUR_SECONDS;
const TURNS_MAX = 200;
const THROTTLED = 0.03;
/** One of the workers, so often, at some moment of its work. */
const KILLED = 0.5;
const KILL_AFTER_MAX_MS = 60;
const LOOK_MS = 5;
const WIDTH = 8;
const GIVEN_UP = -32_603;
const ATTEMPTS_MAX = 3;
const form = z.object({ value: z.string() });

interface Message extends TaskMessage {
  receives: number;
  /** When it was last brought to a worker. */
  broughtMs: number;
}

/** Loses, doubles and refuses what it is sent. */
class BadQueue implements TaskQueue {
  waiting: Message[] = [];
  readonly sent: TaskMessage[] = [];
  readonly faults: Record<string, number> = {};
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  async send({ owner, id, fence }: TaskMessage): Promise<void> {
    const message = { owner, id, fence };
    const luck = this.#random.int(0, 9);
    if (luck === 0) {
      this.count("message refused");
      throw new AppError("unavailable", "The queue does not answer.");
    }
    this.sent.push(message);
    if (luck === 1) return this.count("message lost");
    this.waiting.push({ ...message, receives: 0, broughtMs: 0 });
    if (luck > 3) return;
    this.count("message doubled");
    this.waiting.push({ ...message, receives: 0, broughtMs: 0 });
  }

  count(fault: string): void {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
  }
}

/** A process that may be killed, and what it works on. */
interface Worker {
  dead: boolean;
  readonly at: Set<Message>;
}

/** A run of the tool, as it tells of itself. */
interface SeenRun extends TaskRun {
  readonly by: Worker;
  /** It came to no end: its worker was killed, its time was over, or it was refused for a passing reason. */
  cut: boolean;
  /** Its delivery was cut off. */
  lost: boolean;
  ended?: number;
}

/** What all processes share: this process remembers it. */
class Scene {
  readonly runs: SeenRun[] = [];
  readonly steps: Told[] = [];
  readonly answersTold: Told[] = [];

  toolsOf(by: Worker) {
    const work = defineTool({
      name: "work",
      description: "Works.",
      task: "allowed",
      input: z.object({ job: z.string(), kind: z.enum(KINDS) }),
      output: z.object({ run: z.string() }),
      run: async ({ job, kind }, { session, step, task, signal, answers }) => {
        const id = task?.id ?? "";
        const run = `run ${this.runs.length}`;
        const seen: SeenRun = { task: id, run, by, began: performance.now(), cut: true, lost: false };
        this.runs.push(seen);
        const isOver = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        isOver.catch(() => {});
        await session.notes.add(`${job} begun`);
        if (kind === "endless") return isOver;
        for (let part = 1; part <= (kind === "parts" ? PARTS : 1); part++) {
          const what = `part ${part}`;
          const value = await step(what, () => run);
          this.steps.push({ task: id, what, value });
          // One part in each run; then its time is over.
          if (kind === "parts" && value === run && part < PARTS) return isOver;
        }
        if (kind === "refused" && task?.attempt === 1) throw new AppError("unavailable", "Not now.");
        const ask = () => inputRequired.elicit({ message: `asked by ${run}`, requestedSchema: form });
        if (kind === "asks" && !answers) {
          seen.cut = seen.lost;
          return inputRequired({ inputRequests: { p: ask(), q: ask() } }) as never;
        }
        for (const q of kind === "asks" ? ["p", "q"] : []) {
          const value = acceptedContent(answers, q, form)?.value ?? "nothing";
          this.answersTold.push({ task: id, what: `1.${q}`, value });
        }
        await session.notes.add(`${job} ended`);
        seen.ended = performance.now();
        seen.cut = seen.lost;
        return { run };
      },
    });
    return [...builtinTools({ backend: "dynamodb", anonymous: false, ttlSeconds: 0 }), work];
  }
}

/** The server's function, its workers, and the queue between them. */
class Deployed {
  readonly queue: BadQueue;
  readonly clock = new MovedClock();
  readonly scene = new Scene();
  readonly kinds = new Map<string, Kind>();
  /** Of each task: deliveries that came to no end. Some were cut off before the tool could tell of its run. */
  readonly cuts = new Map<string, number>();
  killed = 0;
  readonly #cluster: Cluster;
  readonly #random: Random;
  #workers: (Worker & { readonly instance: TableInstance })[] = [];

  constructor(cluster: Cluster, random: Random) {
    this.#cluster = cluster;
    this.#random = random;
    this.queue = new BadQueue(random.fork("queue"));
  }

  async join(): Promise<Worker & { readonly instance: TableInstance }> {
    const worker: Worker = { dead: false, at: new Set() };
    const { clock, queue: taskQueue } = this;
    const limits = { tasksPerPrincipal: 100_000 };
    const tools = this.scene.toolsOf(worker);
    return Object.assign(worker, { instance: await this.#cluster.join({ clock, tools, taskQueue, limits }) });
  }

  /** Brings all messages that wait to workers at once; one of these is killed now and then. */
  async bring(): Promise<void> {
    while (this.#workers.length < WORKERS) {
      const worker = await this.join();
      worker.instance.proxy.rules = [{ fault: { kind: "throttle" }, chance: THROTTLED }];
      this.#workers.push(worker);
    }
    for (const message of this.queue.waiting.splice(0)) void this.#deliver(message, this.#random.pick(this.#workers));
    if (this.#random.chance(KILLED)) {
      await sleep(this.#random.int(0, KILL_AFTER_MAX_MS));
      this.#kill(this.#random.pick(this.#workers));
    }
    while (this.#workers.some(({ at }) => at.size > 0)) await sleep(LOOK_MS);
  }

  /** Every message that was ever sent, to a worker. Resolves to how many were not taken for done. */
  async bringAgain(): Promise<number> {
    let undone = 0;
    const { app } = (await this.join()).instance;
    await inParallel(this.queue.sent, WIDTH, async (message) => {
      if ((await app.runTask(message, { timeLimitMs: LONG_MS })) !== "done") undone += 1;
    });
    return undone;
  }

  async #deliver(message: Message, worker: Worker & { readonly instance: TableInstance }): Promise<void> {
    worker.at.add(message);
    message.broughtMs = performance.now();
    const kind = this.kinds.get(message.id);
    const timeLimitMs = kind === "parts" || kind === "endless" ? SHORT_MS : LONG_MS;
    try {
      const delivery = await worker.instance.app.runTask(message, { timeLimitMs });
      if (delivery === "later" && !worker.dead) this.#again(message);
    } catch {
      // The table or the queue could not be had: the message comes again.
      if (!worker.dead) this.#cut(message, worker);
    } finally {
      worker.at.delete(message);
    }
  }

  #kill(worker: Worker & { readonly instance: TableInstance }): void {
    worker.dead = true;
    this.killed += 1;
    this.#workers = this.#workers.filter((one) => one !== worker);
    for (const message of worker.at) this.#cut(message, worker);
    void this.#cluster.kill(worker.instance);
  }

  #cut(message: Message, by: Worker): void {
    this.cuts.set(message.id, (this.cuts.get(message.id) ?? 0) + 1);
    const own = this.scene.runs.findLast((run) => run.by === by && run.task === message.id);
    // One that was cut off before is not this one.
    if (own && own.began >= message.broughtMs) Object.assign(own, { cut: true, lost: true });
    this.#again(message);
  }

  #again(message: Message): void {
    message.receives += 1;
    if (message.receives < RECEIVES_MAX) this.queue.waiting.push(message);
    else this.queue.count("dead letter");
  }
}

interface Job {
  readonly id: string;
  readonly kind: Kind;
  readonly job: string;
  readonly session: string;
}

/** One call. It is refused if, and only if, the queue has refused its message. Undefined: it was. */
async function call(
  deployed: Deployed,
  client: TaskClient,
  job: Omit<Job, "id">,
  key: string | undefined,
  tally: Tally,
) {
  const refused = () => deployed.queue.faults["message refused"] ?? 0;
  const before = refused();
  const { kind, job: name, session: session_id } = job;
  const id = await client.create("work", { job: name, kind, session_id }, { key });
  const isRefused = refused() > before;
  tally.count();
  tally.expect(
    isRefused === (id === undefined),
    () => `the queue refused ${isRefused}, and the call became task ${id}`,
  );
  if (id !== undefined) deployed.kinds.set(id, kind);
  return id;
}

/** Tasks that are made, run and ended together; time moves on only while none of them runs. */
async function batch(
  deployed: Deployed,
  clients: readonly [TaskClient, App],
  random: Random,
  size: number,
  at: number,
  tally: Tally,
) {
  const [client, app] = clients;
  const jobs: Job[] = [];
  for (let n = 0; n < size; n++) {
    const name = `job ${at * size + n}`;
    const kind = KINDS[n % KINDS.length] ?? "plain";
    const job = { job: name, kind, session: `batch ${at}` };
    const key = random.chance(0.5) ? name : undefined;
    let id = await call(deployed, client, job, key, tally);
    // Under a key the same call made again is the same task.
    while (id === undefined && key !== undefined) id = await call(deployed, client, job, key, tally);
    if (id !== undefined) jobs.push({ ...job, id });
  }
  const open = new Set(jobs);
  for (let turn = 0; open.size > 0 && turn < TURNS_MAX; turn++) {
    await deployed.bring();
    deployed.clock.advance(TASK_LEASE_MS / 1000 + 1);
    for (const job of open) {
      const read = await client.get(job.id);
      const asked = Object.keys(read?.asks ?? {});
      if (asked.length > 0)
        await client.answer(job.id, Object.fromEntries(asked.map((one) => [one, `${one} in turn ${turn}`])));
      else if (read && read.status !== "working") open.delete(job);
    }
    // Those that were met free have been sent for.
    await app.settle();
  }
  for (const { id, kind } of open) tally.expect(false, () => `${id}, ${kind}, does not end`);
  return jobs;
}

/** How it ended, by what its tool does, and how often it was run. True when it has a result. */
async function judge(deployed: Deployed, client: TaskClient, { id, kind }: Job, tally: Tally): Promise<boolean> {
  const { status, outcome = "{}" } = (await client.get(id)) ?? {};
  const { scene } = deployed;
  const runs = scene.runs.filter(({ task }) => task === id);
  const whole = runs.filter(({ cut }) => !cut).length;
  const isGivenUp = status === "failed" && (JSON.parse(outcome) as { code?: number }).code === GIVEN_UP;
  tally.count();
  if (isGivenUp) {
    const stepped = runs.findLastIndex(({ run }) =>
      scene.steps.some(({ task, value }) => task === id && value === run),
    );
    const untold = Math.max(0, (deployed.cuts.get(id) ?? 0) - runs.filter(({ lost }) => lost).length);
    const without = runs.length - Math.max(0, stepped) + untold;
    tally.expect(without >= ATTEMPTS_MAX, () => `${id}, ${kind}, was given up ${without} runs after its last step`);
    tally.expect(whole === 0 || kind === "asks", () => `${id}, ${kind}, was given up although it was run to its end`);
    return false;
  }
  if (kind === "endless") {
    tally.expect(false, () => `a task that makes no step is ${status}: ${outcome}`);
    return false;
  }
  const right = status === "completed" && !outcome.includes('"isError":true');
  tally.expect(right, () => `${id}, ${kind}, is ${status}: ${outcome}`);
  const rounds = kind === "asks" ? 2 : 1;
  tally.expect(whole <= rounds && runs.length >= rounds, () => `${id}, ${kind}, was run ${whole} times to an end`);
  return right;
}

/** The notes of each task that has a result. */
async function effectsOf({ instance: { app } }: { instance: TableInstance }, jobs: readonly Job[]): Promise<Effect[]> {
  const effects: Effect[] = [];
  for (const [session_id, own] of Map.groupBy(jobs, ({ session }) => session)) {
    const noted = await callApp(app, "get_notes", { session_id, limit: 1000 });
    const notes = ("result" in noted ? noted.result.notes : []) as string[];
    for (const { id: task, job } of own)
      for (const effect of ["begun", "ended"])
        effects.push({ task, effect, times: notes.filter((note) => note === `${job} ${effect}`).length });
  }
  return effects;
}

export default defineBar<Scale>({
  id: "T7",
  title:
    "a queue that loses, doubles and refuses messages, and workers that die, change no task's outcome and no effect",
  test: { batches: 2, tasks: 15 },
  full: { batches: 40, tasks: 30 },
  async run({ scale, random, progress }) {
    const tally = new Tally(progress, 2 * scale.batches * scale.tasks);
    await using cluster = await Cluster.start(random);
    const deployed = new Deployed(cluster, random);
    const api = await deployed.join();
    const client = inProcess(api.instance.app);
    const jobs: Job[] = [];
    for (let at = 0; at < scale.batches; at++)
      jobs.push(...(await batch(deployed, [client, api.instance.app], random, scale.tasks, at, tally)));
    const finished: Job[] = [];
    for (const job of jobs) if (await judge(deployed, client, job, tally)) finished.push(job);
    const { scene, queue, clock } = deployed;
    const { created, reads, answers, cancels } = client;
    const table = tableOf(await cluster.items());
    const effects = await effectsOf(api, finished);
    const history = { created, reads, answers, cancels, ...scene, effects, table };
    for (const sentence of checkTasks(history)) tally.expect(false, () => sentence);
    // A call that was refused has left no task to be run.
    const made = new Set(jobs.map(({ id }) => id));
    for (const { task, status } of table.heads)
      tally.expect(made.has(task) || status === "cancelled", () => `${task}, whose call was refused, is ${status}`);
    tally.expect(
      scene.runs.every(({ task }) => made.has(task)),
      () => "a task whose call was refused was run",
    );
    // Nearly a day late, when results are still kept, and later.
    const runs = scene.runs.length;
    for (const seconds of [DAY_SECONDS - HOUR_SECONDS, 2 * HOUR_SECONDS]) {
      clock.advance(seconds);
      const undone = await deployed.bringAgain();
      tally.expect(undone === 0, () => `${undone} messages that came a day late were not taken for done`);
    }
    tally.expect(scene.runs.length === runs, () => "a message that came a day late began a run");
    const late = { "message late by a day": 2 * queue.sent.length };
    return tally.outcome({ ...queue.faults, ...late, "worker killed": deployed.killed, ...cluster.faults });
  },
});
