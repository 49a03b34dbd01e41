// What the bars of tasks run on: server processes whose tools say where they are, a client of the tasks extension that writes down what
// it is told, and the history that comes of both. Knows no bar.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { App } from "@stateful-mcp/core";
import type { Fleet, Member, Random } from "@stateful-mcp/rig";
import {
  type Acknowledged,
  type Created,
  checkTasks,
  type Effect,
  type SeenStatus,
  type TaskAnswer,
  type TaskHistory,
  type TaskRead,
  type TaskRun,
  type TaskTable,
  type Told,
} from "../checkers/tasks.ts";
import { type Client, messageOf } from "../client.ts";
import { type Run, RunCounter } from "../run-counter.ts";
import { type Rig, type StoredItem, startRig } from "./rig.ts";
import type { Tally } from "./tally.ts";

const SERVER = fileURLToPath(new URL("../servers/working.ts", import.meta.url));
const MODERN = "2026-07-28";
const EXTENSION = "io.modelcontextprotocol/tasks";
const IDEMPOTENCY_KEY = "io.github.stateful-mcp/idempotency-key";
const ERROR_KEY = "io.github.stateful-mcp/error";
const CAPABILITIES = { elicitation: { form: {} }, extensions: { [EXTENSION]: {} } };
const POLL_MS = 250;
const SETTLED_MS = 240_000;
const ENDED: ReadonlySet<SeenStatus> = new Set(["completed", "failed", "cancelled", "unknown"]);

/** How long a run that says nothing is believed to be alive, as the product documents it. */
export const TASK_LEASE_MS = 20_000;

/** What is waited for on a machine that does other things as well. */
const PATIENCE_MS = 120_000;
const LOOK_MS = 100;

/** @throws Error when it is waited for in vain. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`It was waited in vain until ${what}.`);
    await sleep(LOOK_MS);
  }
}

export interface WireAnswer {
  readonly http: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

export interface Asking {
  /** Default: the next member. */
  readonly address?: string | undefined;
  readonly token?: string | undefined;
  readonly key?: string | undefined;
  /** Default: those of a client that takes tasks. */
  readonly capabilities?: object;
}

/** What a run of the server's tools has said of itself. */
export interface Said {
  readonly task: string;
  readonly run: string;
  readonly job?: string;
  readonly phase: "began" | "in step" | "step" | "answer" | "asks" | "end" | "aborted";
  readonly attempt?: number;
  readonly what?: string;
  readonly value?: string;
}

/** A client of the extension, which writes down what it is told. */
export class TaskClient {
  readonly created: Created[] = [];
  readonly reads: TaskRead[] = [];
  readonly answers: TaskAnswer[] = [];
  readonly cancels: Acknowledged[] = [];
  /** Calls that did not become tasks and were answered, by the code of the error. */
  readonly refused: { readonly code: string; readonly text: string }[] = [];
  readonly #client: Pick<Client, "next" | "send">;
  #serial = 0;

  constructor(client: Pick<Client, "next" | "send">) {
    this.#client = client;
  }

  /** One request; undefined when its answer was lost. */
  async send(method: string, params: Record<string, unknown>, asking: Asking = {}): Promise<WireAnswer | undefined> {
    const { token, key, capabilities = CAPABILITIES } = asking;
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": MODERN,
      "io.modelcontextprotocol/clientInfo": { name: "torture", version: "0.1.0" },
      "io.modelcontextprotocol/clientCapabilities": capabilities,
      ...(key !== undefined && { [IDEMPOTENCY_KEY]: key }),
    };
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": MODERN,
      "mcp-method": method,
      "mcp-name": String(params.taskId ?? params.name),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id: ++this.#serial, method, params: { ...params, _meta } });
    try {
      // None may be running at this moment.
      const address = asking.address ?? this.#client.next();
      const answer = await this.#client.send(new URL("/mcp", address), { method: "POST", headers, body });
      const { result, error } = messageOf(answer.body) as Omit<WireAnswer, "http">;
      return { http: answer.status, ...(result && { result }), ...(error && { error }) };
    } catch {
      return undefined;
    }
  }

  /** Calls a tool that becomes a task. Undefined when it is not known whether it did, or when it was refused. */
  async create(name: string, args: object, asking: Asking = {}): Promise<string | undefined> {
    const answer = await this.send("tools/call", { name, arguments: args }, asking);
    if (answer?.result?.resultType !== "task") {
      const facts = (answer?.result?._meta as Record<string, { code?: string }> | undefined)?.[ERROR_KEY];
      if (answer) this.refused.push({ code: facts?.code ?? "", text: JSON.stringify(answer).slice(0, 300) });
      return undefined;
    }
    const task = String(answer.result.taskId);
    if (!this.created.some((one) => one.task === task)) this.created.push({ task });
    return task;
  }

  /** How a task stands. Undefined when that was not answered. */
  async get(task: string, asking: Asking = {}): Promise<TaskRead | undefined> {
    const from = performance.now();
    const answer = await this.send("tasks/get", { taskId: task }, asking);
    if (answer?.error?.code === -32_602) return this.#note({ task, from, to: performance.now(), status: "unknown" });
    if (!answer?.result) return undefined;
    const { status, inputRequests, result, error } = answer.result as {
      status: SeenStatus;
      inputRequests?: Record<string, unknown>;
      result?: Record<string, unknown>;
      error?: unknown;
    };
    const texts = Object.entries(inputRequests ?? {}).map(([name, request]) => [name, JSON.stringify(request)]);
    const run = (result?.structuredContent as { run?: string } | undefined)?.run;
    const facts = (result?._meta as Record<string, { retryable?: boolean }> | undefined)?.[ERROR_KEY];
    return this.#note({
      task,
      from,
      to: performance.now(),
      status,
      ...(status === "input_required" && { asks: Object.fromEntries(texts) }),
      ...((result ?? error) !== undefined && { outcome: JSON.stringify(result ?? error) }),
      ...(run !== undefined && { run }),
      malformed: status === "completed" && result?.resultType !== "complete",
      later: result?.isError === true && facts?.retryable === true,
    });
  }

  /** Answers questions by their keys, each with its own text. True when that was acknowledged. */
  async answer(task: string, values: Readonly<Record<string, string>>, asking: Asking = {}): Promise<boolean> {
    const from = performance.now();
    const content = (value: string) => ({ action: "accept", content: { value } });
    const inputResponses = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, content(value)]));
    const answer = await this.send("tasks/update", { taskId: task, inputResponses }, asking);
    const acknowledged = answer?.result !== undefined;
    // Without an answer it may have counted all the same.
    const to = acknowledged ? performance.now() : Number.POSITIVE_INFINITY;
    for (const [key, value] of Object.entries(values)) this.answers.push({ task, key, value, from, to });
    return acknowledged;
  }

  /** True when it was acknowledged. */
  async cancel(task: string, asking: Asking = {}): Promise<boolean> {
    const from = performance.now();
    const answer = await this.send("tasks/cancel", { taskId: task }, asking);
    if (answer?.result) this.cancels.push({ task, from, to: performance.now() });
    return answer?.result !== undefined;
  }

  /** Asks one member after the other, and answers questions, until the task has ended. @throws Error when it does not. */
  async settle(task: string, asking: Asking = {}): Promise<TaskRead> {
    const deadline = performance.now() + SETTLED_MS;
    for (let look = 0; ; look++) {
      const read = await this.get(task, asking);
      if (read && ENDED.has(read.status)) return read;
      if (performance.now() > deadline) throw new Error(`${task} does not end: ${JSON.stringify(read)}`);
      const keys = Object.keys(read?.asks ?? {});
      if (keys.length > 0)
        await this.answer(task, Object.fromEntries(keys.map((key) => [key, `${key} at look ${look}`])), asking);
      else await sleep(POLL_MS);
    }
  }

  #note(read: TaskRead): TaskRead {
    this.reads.push(read);
    return read;
  }
}

/** A client of an app in this process. */
export const inProcess = ({ fetch }: Pick<App, "fetch">): TaskClient =>
  new TaskClient({
    next: () => "http://localhost",
    send: async (url, { method = "POST", headers, body = "" } = {}) => {
      const answer = await fetch(
        new Request(url, { method, headers: { ...(headers as Record<string, string>), host: "localhost" }, body }),
      );
      return { status: answer.status, headers: {}, body: await answer.text() };
    },
  });

export interface TaskRigOptions {
  readonly random: Random;
  readonly size: number;
  /** How much faster than time the servers' clocks run: leases end so much sooner. */
  readonly speed?: number;
  /** How long each thing takes that a run tells of, in milliseconds. */
  readonly stepMs?: number;
  /** What is held until the bar lets it go on. */
  readonly isHeld?: (said: Said) => boolean;
  readonly env?: Readonly<Record<string, string>>;
}

export class TaskRig implements AsyncDisposable {
  readonly rig: Rig;
  readonly tasks: TaskClient;
  readonly #counter: RunCounter;
  readonly #tally: Tally;

  private constructor(rig: Rig, counter: RunCounter, tally: Tally) {
    this.rig = rig;
    this.tasks = new TaskClient(rig.client);
    this.#counter = counter;
    this.#tally = tally;
  }

  static async start(tally: Tally, options: TaskRigOptions): Promise<TaskRig> {
    const { random, size, speed = 1, stepMs = 20, isHeld = () => false, env } = options;
    const counter = await RunCounter.start(stepMs, (id) => isHeld(JSON.parse(id) as Said));
    try {
      const serve = (port: number) => ({
        command: process.execPath,
        args: ["--import", "tsx", SERVER, String(port)],
      });
      const clock = { CLOCK_SPEED: String(speed), CLOCK_FROM: String(Date.now()) };
      const rig = await startRig({ random, size, serve, env: { COUNTER_URL: counter.url, ...clock, ...env } });
      return new TaskRig(rig, counter, tally);
    } catch (error) {
      await counter[Symbol.asyncDispose]();
      throw error;
    }
  }

  get fleet(): Fleet {
    return this.rig.fleet;
  }

  /** Everything that runs have said so far. */
  *said(): Generator<Said & { readonly by: Run }> {
    for (const [id, runs] of this.#counter.runs) for (const by of runs) yield { ...(JSON.parse(id) as Said), by };
  }

  /** Of one task. */
  of(task: string, phase?: Said["phase"]): (Said & { readonly by: Run })[] {
    return [...this.said()].filter((said) => said.task === task && (phase ?? said.phase) === said.phase);
  }

  /** Lets everything go on that runs of this task are held at. */
  release(task: string, run?: string): void {
    for (const said of this.of(task)) if ((run ?? said.run) === said.run) said.by.release();
  }

  memberOf(pid: number): Member | undefined {
    return this.fleet.live.find(({ process }) => process.pid === pid);
  }

  /** What was seen of all tasks, and how the table stands. */
  async history(): Promise<TaskHistory> {
    const { created, reads, answers, cancels } = this.tasks;
    const runs: TaskRun[] = [];
    const steps: Told[] = [];
    const answersTold: Told[] = [];
    const all = [...this.said()];
    const ends = new Map(all.filter(({ phase }) => phase === "end").map(({ run, by }) => [run, by.startedMs]));
    for (const { task, run, phase, what = "", value = "", by } of all) {
      const ended = ends.get(run);
      if (phase === "began") runs.push({ task, run, began: by.startedMs, ...(ended !== undefined && { ended }) });
      if (phase === "step") steps.push({ task, what, value });
      if (phase === "answer") answersTold.push({ task, what, value });
    }
    const table = tableOf(await this.rig.items());
    return { created, reads, runs, steps, answers, answersTold, cancels, effects: await this.#effects(), table };
  }

  /** The notes of every task that has ended with a result: each of them once. */
  async #effects(): Promise<Effect[]> {
    const jobs = new Map(
      [...this.said()].flatMap(({ task, job }) => (job === undefined ? [] : [[task, job] as const])),
    );
    const written = new Map<string, number>();
    for (const session_id of new Set([...jobs.values()].map(sessionOf))) {
      let cursor: unknown;
      do {
        const input = { session_id, limit: 1000, ...(cursor !== undefined && { cursor }) };
        const page = await this.rig.client.must("get_notes", input);
        for (const note of page.notes as string[]) written.set(note, (written.get(note) ?? 0) + 1);
        cursor = page.next_cursor;
      } while (cursor !== undefined);
    }
    const ofResults = new Set(this.tasks.reads.flatMap(({ task, run }) => (run === undefined ? [] : [task])));
    return [...jobs].flatMap(([task, job]) =>
      ["begun", "ended"].flatMap((effect) => {
        const times = written.get(`${job} ${effect}`) ?? 0;
        return ofResults.has(task) || times > 1 ? [{ task, effect, times }] : [];
      }),
    );
  }

  /** Judges what was seen. */
  async check(): Promise<void> {
    for (const sentence of checkTasks(await this.history())) this.#tally.expect(false, () => sentence);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rig[Symbol.asyncDispose]();
    await this.#counter[Symbol.asyncDispose]();
  }
}

const SESSIONS = 40;
/** The session in which a job writes. */
export const sessionOf = (job: string): string => `session ${Number(/\d+$/.exec(job)?.[0] ?? 0) % SESSIONS}`;

/** How often each task was taken to be run. */
export const takingsOf = (items: readonly StoredItem[]): Map<string, number> =>
  new Map(
    items.flatMap(({ sk, "a.fence": fence, "a.round": round }) =>
      sk?.S?.startsWith("K#") ? [[sk.S.slice(2), Number(fence?.N) - Number(round?.N)] as const] : [],
    ),
  );

export function tableOf(items: readonly StoredItem[]): TaskTable {
  const heads: { task: string; status: string; hasOutcome: boolean }[] = [];
  const open: { task: string; old: boolean }[] = [];
  for (const item of items) {
    const sk = item.sk?.S ?? "";
    const task = /tsk_[0-9a-z]+$/.exec(sk)?.[0] ?? "";
    const hasOutcome = (item["a.outcome"] ?? item["a.outcomeBeside"]) !== undefined;
    if (sk.startsWith("K#")) heads.push({ task, status: item["a.status"]?.S ?? "", hasOutcome });
    if (/^T#\d/.test(item.pk?.S ?? "") && item["a.createdMs"])
      open.push({ task, old: Date.now() - Number(item["a.createdMs"].N) > 60_000 });
  }
  return { heads, open };
}
