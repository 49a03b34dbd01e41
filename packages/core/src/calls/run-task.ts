// One run of a task: the tool's function under the task's lease, and what becomes of it. A run may be made again, in any process, and
// only the one that still holds the lease is believed. Knows not when tasks are run.
import type {
  ClientCapabilities,
  InputRequiredResult,
  InputResponses,
  ProtocolError,
} from "@modelcontextprotocol/server";
import type { Running } from "../define/context.ts";
import type { Tool } from "../define/tool.ts";
import { AppError, StateUnavailable } from "../errors.ts";
import type { LogFields } from "../logger.ts";
import { INTERNAL_ERROR, INVALID_PARAMS, isInputRequiredResult, isProtocolError } from "../protocol.ts";
import { ownerOf } from "../state/caller.ts";
import { ClaimLost, type KeyedCall } from "../state/idempotency.ts";
import type { TaskCall, TaskHead, TaskOutcome } from "../state/task-head.ts";
import { pause } from "../waiting.ts";
import { callerOf, internalError } from "./run-call.ts";
import type { CallSource, Services } from "./services.ts";
import { missingCapability, questionsOf } from "./task-questions.ts";
import { checkStepName, finishedResult, loggedTask, parseInput, toolContext } from "./tool-io.ts";

/** How often a run shows itself alive. */
const BEAT_MS = 5_000;
/** Runs without progress after which a task is given up. */
const ATTEMPTS_MAX = 3;
/** Before the next run when one was refused for a passing reason. */
const AGAIN_AFTER_MS = [1_000, 5_000, 25_000] as const;
/** How long an end that the store does not take is tried again: as long as the lease lasts without a beat. */
const END_TRIES = 15;
const END_PAUSE_MS = 1_000;
const CLAIMS_MAX = 5;

/** How a run ended, for the log. */
export type TaskEnding =
  | "completed"
  | "failed"
  | "given_up"
  | "parked"
  | "released"
  | "cancelled"
  | "expired"
  | "overtaken";

export interface EndedRun {
  readonly ending: TaskEnding;
  /** The task is to be run again after so many milliseconds. */
  readonly againMs?: number;
}

/** The run must end, and its task go to another process. It counts as an attempt where its process had all the time there is. */
export class HandedOver extends Error {
  readonly counted: boolean;

  constructor({ counted }: { counted: boolean }) {
    super();
    this.counted = counted;
  }
}
class Overtaken extends Error {}

export interface RunOptions {
  /** Aborted with HandedOver when the process is about to end. */
  readonly leaving: AbortSignal;
  /** What the task was called with, where that is known without asking the store. */
  readonly call?: TaskCall | undefined;
}

/** A tool that this process does not know may be one of a newer version that is being deployed. */
const UNKNOWN_TOOL_MS = 600_000;

/** Whether a task is better left to a process that knows its tool. */
export const isToolToCome = ({ tools, state }: Services, { tool, untilMs, updatedMs }: TaskHead): boolean =>
  !tools.has(tool) && state.clock.now() - Math.max(untilMs, updatedMs) < UNKNOWN_TOOL_MS;

/** What one run is made of. */
interface RunParts extends Pick<RunOptions, "leaving"> {
  readonly call: TaskCall | Promise<TaskCall>;
  /** What the log says of it. */
  readonly fields: LogFields;
}

/** Runs a task whose lease this process holds, as a span of its own, and writes the line of this attempt into the log. */
export async function runAndLogTask(
  services: Services,
  head: TaskHead,
  { leaving, ...options }: RunOptions,
): Promise<EndedRun> {
  const { logger, state, telemetry, tools } = services;
  const begunMs = state.clock.now();
  const started = performance.now();
  const call = options.call ?? state.tasks.callOf(head);
  // Where it cannot be had, the run comes to that itself.
  const made = await Promise.resolve(call).catch(() => undefined);
  const { tool, attempts: attempt } = head;
  const task = loggedTask(head);
  const span = telemetry?.taskRun({ tool: tools.has(tool) ? tool : undefined, task, attempt, call: made?.trace });
  const trace = span?.trace ?? made?.trace;
  const traced = trace && { trace_id: trace.traceId, span_id: trace.spanId };
  const fields = { task_id: task, tool, attempt, ...traced };
  const run = () => runTask(services, head, { leaving, call, fields });
  let ending: TaskEnding | undefined;
  try {
    const ended = await (span ? span.run(run) : run());
    ending = ended.ending;
    const waited_ms = Math.max(0, begunMs - head.updatedMs);
    const duration_ms = Math.round(performance.now() - started);
    logger.info({ ...fields, principal: head.owner, outcome: ending, waited_ms, duration_ms }, "task");
    return ended;
  } finally {
    const outcome = ending ?? "internal";
    services.observer?.happened({ kind: "task_run", tool: tools.has(tool) ? tool : "", outcome });
    span?.tell({ outcome });
    span?.end(FAILED.has(outcome) ? { type: outcome } : undefined);
  }
}

const FAILED: ReadonlySet<string> = new Set(["failed", "given_up", "internal"]);

async function runTask(services: Services, head: TaskHead, parts: RunParts): Promise<EndedRun> {
  const tool = services.tools.get(head.tool);
  const run = new TaskRun(services, head, parts);
  if (!tool) return run.end("failed", protocolFault(INVALID_PARAMS, `There is no tool ${head.tool}.`));
  return head.attempts > ATTEMPTS_MAX ? run.giveUp(tool) : run.run(tool);
}

const protocolFault = (code: number, message: string, data?: unknown): TaskOutcome => ({
  protocolError: { code, message, ...(data !== undefined && { data }) },
});

class TaskRun {
  readonly #services: Services;
  readonly #head: TaskHead;
  readonly #parts: RunParts;
  readonly #ended = new AbortController();
  #message: string | undefined;
  /** Runs since the last progress, this one included. */
  #counted: number;
  /** The fence of the last run that has finished a step: this one's, or as the head was told; the next beat tells it. */
  #progressBy: number;
  #toldProgressBy: number;

  constructor(services: Services, head: TaskHead, parts: RunParts) {
    this.#services = services;
    this.#head = head;
    this.#counted = head.attempts;
    this.#progressBy = head.progressBy;
    this.#toldProgressBy = head.progressBy;
    this.#parts = parts;
  }

  /** Unless a run has finished a step and was killed before it could tell: then runs are counted from that one. */
  async giveUp(tool: Tool): Promise<EndedRun> {
    const { tasks } = this.#services.state;
    const head = this.#head;
    const { fence: progressBy, attempts } = await tasks.lastStep(head);
    const counted = progressBy > head.progressBy ? head.attempts - attempts + 1 : head.attempts;
    if (counted > ATTEMPTS_MAX) {
      const message = `The task was given up after ${ATTEMPTS_MAX} attempts: the process that ran it ended each time.`;
      return this.end("given_up", protocolFault(INTERNAL_ERROR, message));
    }
    const told = { progressBy, attempts: counted };
    if (!(await tasks.beat(head, told))) return this.#lost();
    return new TaskRun(this.#services, { ...head, ...told }, this.#parts).run(tool);
  }

  async run(tool: Tool): Promise<EndedRun> {
    const { leaving } = this.#parts;
    const leave = () => this.#ended.abort(leaving.reason);
    leaving.addEventListener("abort", leave, { once: true });
    if (leaving.aborted) leave();
    const beats = setInterval(() => void this.#beat(), BEAT_MS);
    beats.unref();
    const limitMs = (tool.task?.timeoutSeconds ?? 1) * 1000;
    const timer = setTimeout(() => this.#ended.abort(tookTooLong(limitMs)), limitMs);
    timer.unref();
    try {
      return await this.#attempts(tool);
    } finally {
      clearInterval(beats);
      clearTimeout(timer);
      leaving.removeEventListener("abort", leave);
    }
  }

  /** Again from the start where a run that was taken for dead has put the claim that this one was about to put. */
  async #attempts(tool: Tool): Promise<EndedRun> {
    const { state } = this.#services;
    const head = this.#head;
    let call: TaskCall;
    try {
      call = await this.#parts.call;
    } catch (error) {
      return this.#notBegun(error);
    }
    const principal = ownerOf(call.principal, call.session || head.id);
    for (let claims = 0; claims < CLAIMS_MAX; claims++) {
      let keyed: KeyedCall | undefined;
      try {
        const first = head.fence <= 1 && claims === 0;
        keyed = await state.idempotency.attempt({ principal, id: head.id, first, expiresAt: head.expiresAt });
        const ended = await this.#attempt(tool, call, keyed);
        if (ended.ending !== "released" && ended.ending !== "parked" && ended.ending !== "overtaken")
          state.background.run(keyed.close());
        return ended;
      } catch (error) {
        if (!(error instanceof ClaimLost)) {
          if (keyed) throw error;
          return this.#notBegun(error);
        }
        // The fence decides whose task it is, and a claim follows.
        if (!(await state.tasks.beat(head))) return this.#lost();
      }
    }
    return this.#release({ afterMs: AGAIN_AFTER_MS[0] });
  }

  async #attempt(tool: Tool, call: TaskCall, keyed: KeyedCall): Promise<EndedRun> {
    try {
      const result = await this.#untilEnded(this.#call(tool, call, keyed));
      if (!isInputRequiredResult(result)) return await this.end("completed", { result, blocks: !tool.output });
      return await this.#park(result, call);
    } catch (thrown) {
      if (thrown instanceof ClaimLost) throw thrown;
      return await this.#failed(thrown);
    }
  }

  async #call(tool: Tool, call: TaskCall, keyed: KeyedCall) {
    const { principal, client, session: sessionName, trace } = call;
    const head = this.#head;
    const source: CallSource = { principal, client, trace, signal: this.#ended.signal };
    const { session_id: _, idempotency_key: __, confirm, ...rest } = parseInput(tool, call.arguments);
    const input = tool.confirm || confirm === undefined ? rest : { ...rest, confirm };
    const { answers, state } = await this.#services.state.tasks.answeredRound(head);
    const inProgress = { signal: this.#ended.signal, fields: this.#parts.fields };
    const run = { source, caller: { ...callerOf(source), keyed }, sessionName, inProgress };
    const context = toolContext(this.#services, tool, run, {
      answers: (answers ?? call.answers) as InputResponses | undefined,
      requestState: state,
      capabilities: call.capabilities as ClientCapabilities,
      progress: (done, total, message) => {
        this.#message = message ?? (total === undefined ? String(done) : `${done} of ${total}`);
      },
      logToClient: () => {},
      ...this.#steps(),
    });
    const result = await tool.run(input, context);
    return isInputRequiredResult(result) ? result : finishedResult(tool, context, result);
  }

  /** A function that does not heed its signal is left behind; what it writes is written once or not at all. */
  #untilEnded<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#ended;
    return new Promise<T>((resolve, reject) => {
      const end = () => reject(signal.reason);
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
      work.then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
    });
  }

  #steps(): Running {
    const head = this.#head;
    const { tasks } = this.#services.state;
    const names = new Set<string>();
    const step = async <T>(name: string, run: () => T | Promise<T>): Promise<T> => {
      checkStepName(names, name);
      this.#ended.signal.throwIfAborted();
      // The very first run has no steps to find.
      const known = head.fence <= 1 ? undefined : await tasks.stepOf(head, name);
      if (known !== undefined) return JSON.parse(known) as T;
      const text = JSON.stringify((await run()) ?? null);
      if (text === undefined)
        throw new TypeError(`The step ${JSON.stringify(name)} resolves to what JSON cannot hold.`);
      const standing = await tasks.keepStep(head, name, text);
      this.#progressBy = head.fence;
      this.#counted = 1;
      return JSON.parse(standing) as T;
    };
    return { step, task: { id: head.id, attempt: head.attempts } };
  }

  async #beat(): Promise<void> {
    const message = this.#message;
    const progressBy = this.#progressBy;
    const told = progressBy > this.#toldProgressBy ? { progressBy, attempts: 1 } : {};
    try {
      const { tasks } = this.#services.state;
      const ours = await tasks.beat(this.#head, { message, ...told });
      if (!ours) return this.#ended.abort(new Overtaken());
      if (this.#message === message) this.#message = undefined;
      this.#toldProgressBy = progressBy;
    } catch {
      // A table that does not answer tells nothing: the lease ends by itself, and the fence decides.
    }
  }

  async #park(question: InputRequiredResult, call: TaskCall): Promise<EndedRun> {
    const missing = await missingCapability(question, call.capabilities as ClientCapabilities);
    if (missing) return this.end("failed", protocolFault(missing.code, missing.message, missing.data));
    const parked = await this.#ending(() => this.#services.state.tasks.park(this.#head, questionsOf(question)));
    return parked ? { ending: "parked" } : this.#lost();
  }

  async #failed(thrown: unknown): Promise<EndedRun> {
    if (thrown instanceof Overtaken) return this.#lost();
    if (thrown instanceof HandedOver) return this.#release({ uncounted: !thrown.counted });
    // A tool that stops because its signal ended stops for the signal's reason.
    const { signal } = this.#ended;
    if (signal.aborted && thrown !== signal.reason) return this.#failed(signal.reason);
    if (await isProtocolError(thrown)) {
      const { code, message, data } = thrown as ProtocolError;
      return this.end("failed", protocolFault(code, message, data));
    }
    const error =
      thrown instanceof AppError ? thrown : internalError(this.#services.logger, thrown, this.#parts.fields);
    if (error instanceof StateUnavailable && error.retryable) return this.#withoutState();
    const afterMs = AGAIN_AFTER_MS[this.#counted - 1];
    if (error.retryable && this.#counted < ATTEMPTS_MAX) return this.#release({ afterMs });
    const { code, message, retryable, retryAfterSeconds, details } = error;
    const facts = { code, message, retryable, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
    return this.end("completed", { error: { ...facts, ...(details && { details }) } });
  }

  /** Ends the task, if it is still this run's. */
  async end(ending: TaskEnding, outcome: TaskOutcome): Promise<EndedRun> {
    const ended = await this.#ending(() => this.#services.state.tasks.finish(this.#head, outcome));
    return ended ? { ending } : this.#lost();
  }

  async #release(options: { afterMs?: number | undefined; uncounted?: boolean }): Promise<EndedRun> {
    const { afterMs = 0, uncounted = false } = options;
    // What cannot be told to the store is told by the end of the lease.
    const head = { ...this.#head, attempts: this.#counted, progressBy: this.#progressBy };
    const released = await this.#services.state.tasks.release(head, { afterMs, uncounted }).catch(() => true);
    if (!released) return this.#lost();
    // One that is handed over is left to another process.
    return { ending: "released", ...((!uncounted || afterMs > 0) && { againMs: afterMs }) };
  }

  /** What a run needs before its tool begins could not be had. @throws what is no passing reason. */
  async #notBegun(error: unknown): Promise<EndedRun> {
    if (!(error instanceof AppError && error.code === "unavailable")) throw error;
    return this.#withoutState();
  }

  /** A run that the state was away for says nothing about its tool, so it was no attempt. */
  #withoutState(): Promise<EndedRun> {
    return this.#release({ afterMs: AGAIN_AFTER_MS[1], uncounted: true });
  }

  /** A change that ends the run, tried again while the store is away and the lease may still be this run's. */
  async #ending(change: () => Promise<boolean>): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        return await change();
      } catch (error) {
        if (!(error instanceof AppError && error.code === "unavailable") || tries === END_TRIES) throw error;
        await pause(END_PAUSE_MS);
      }
    }
  }

  /** Why the task is no longer this run's. */
  async #lost(): Promise<EndedRun> {
    const head = await this.#services.state.tasks.find(this.#head).catch(() => this.#head);
    return { ending: !head ? "expired" : head.status === "cancelled" ? "cancelled" : "overtaken" };
  }
}

const tookTooLong = (limitMs: number): AppError =>
  new AppError("unavailable", `The task ran longer than ${limitMs / 1000} s and was given up.`, { retryable: false });
