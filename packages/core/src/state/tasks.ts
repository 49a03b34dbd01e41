// Tasks: tool calls that the server finishes by itself, in whichever process. One head entry decides everything about a task; each
// change of it is one conditional write, so that of two runs of one task only the one that holds its fence is ever believed. Knows
// heads and what stands beside them, not how a tool is run. The rules were searched for gaps by torture/models/tasks.mjs.
//
//   create ──▶ working ──park──▶ input_required ──answer──▶ working ──finish──▶ completed, failed
//                 └──────────────────┴──cancel──▶ cancelled           (take, beat and release move the lease alone)
import { randomBytes } from "node:crypto";
import { type Clock, epochSeconds } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Entry, StateStore } from "../stores/state-store.ts";
import { byteLength, cutText } from "../text.ts";
import type { Blobs } from "./blobs.ts";
import {
  OPEN_TASK_SHARDS,
  principalPartition,
  TASK_PREFIX,
  taskAnswerKey,
  taskCallKey,
  taskKey,
  taskOutcomeKey,
  taskQuestionsKey,
  taskStepKey,
} from "./keys.ts";
import { type OpenTask, OpenTasks } from "./open-tasks.ts";
import {
  ASK,
  headOf,
  isEnded,
  isFree,
  type TaskCall,
  type TaskHead,
  type TaskLease,
  type TaskOutcome,
  type TaskRef,
} from "./task-head.ts";
import { type StepMaker, TaskParts } from "./task-parts.ts";
import { type NewLease, noRuns, type TaskRuns } from "./task-runs.ts";

/** How long a run that says nothing is believed to be alive, in milliseconds. */
export const TASK_LEASE_MS = 20_000;
/** A result can be fetched for so long after it is there, in seconds, also when the task's time ends before. */
const RESULT_KEPT_SECONDS = 3_600;
/** A larger outcome stands beside the head, which is read at every poll and written at every beat. */
const OUTCOME_IN_HEAD_MAX_BYTES = 3_000;
const MESSAGE_MAX_BYTES = 256;
const PAGE = 100;
/** Changes of one head that may get in the way of another. */
const ROUNDS_MAX = 20;

/** What a run asks for. */
export interface TaskQuestions {
  /** By the names that the tool gave them. */
  readonly requests: Readonly<Record<string, unknown>>;
  readonly state?: string | undefined;
}

/** What a run tells with a sign of life: what it reports, and that it, or one before it, has finished a step. */
export interface TaskNews extends Partial<Pick<TaskHead, "attempts" | "progressBy">> {
  readonly message?: string | undefined;
}

/** What the run before has asked for, and what it was answered. */
export interface AnsweredRound {
  readonly answers: Record<string, unknown> | undefined;
  readonly state: string | undefined;
}

/** Throws when the caller may not change this task. */
export type Admit = (task: { readonly tool: string }) => void;

export interface TasksOptions {
  store: StateStore;
  blobs: Blobs;
  clock: Clock;
  limits: Limits;
}

export class Tasks {
  readonly clock: Clock;
  /** Tasks that have not ended. */
  readonly openList: OpenTasks;
  /** Set by the part of the process that runs tasks. */
  runs: TaskRuns = noRuns;
  readonly #store: StateStore;
  readonly #parts: TaskParts;

  constructor({ store, blobs, clock, limits }: TasksOptions) {
    this.clock = clock;
    this.#store = store;
    this.#parts = new TaskParts(store, blobs);
    this.openList = new OpenTasks(store, clock, limits.tasksPerPrincipal);
  }

  /** The live head, read strongly. */
  async find(ref: TaskRef): Promise<TaskHead | undefined> {
    const entry = await this.#store.get(taskKey(ref.owner, ref.id));
    return entry && headOf(ref, entry);
  }

  /**
   * Makes a task. The same id again finds what the first attempt has made. The head comes last, so that a task can be seen only
   * when all that its run needs is there. With a lease its maker runs it; without one it is free.
   * @throws AppError `conflict` when the owner has its limit of open tasks, `too_large`.
   */
  async create(
    ref: TaskRef,
    given: { tool: string; call: TaskCall; ttlMs: number; lease?: NewLease | undefined },
  ): Promise<TaskHead> {
    const { tool, call, ttlMs, lease } = given;
    if (call.principal.kind !== "anonymous") await this.openList.checkRoom(ref);
    const now = this.clock.now();
    const expiresAt = Math.ceil((now + ttlMs) / 1000);
    await this.#parts.put(taskCallKey(ref.owner, ref.id), "call", JSON.stringify(call), { id: ref.id, expiresAt });
    await this.openList.add(ref, { tool, createdMs: now, expiresAt });
    const attributes = {
      tool,
      status: "working",
      runner: lease?.runner ?? "",
      fence: lease?.fence ?? 0,
      until: lease?.untilMs ?? 0,
      attempts: lease?.attempts ?? 0,
      created: now,
      updated: now,
      ttl: ttlMs,
      round: 0,
    };
    const made = await this.#store.create(taskKey(ref.owner, ref.id), attributes, { id: ref.id, expiresAt });
    if (!made.written) throw new AppError("internal", "A task's id was given twice.");
    return headOf(ref, made.entry);
  }

  /** What it was called with. @throws AppError `internal` when that is gone although the task is not. */
  async callOf(head: TaskHead): Promise<TaskCall> {
    const text = await this.#parts.read(taskCallKey(head.owner, head.id), "call");
    if (text === undefined) throw new AppError("internal", "What the task was called with is gone.");
    return JSON.parse(text) as TaskCall;
  }

  /** Takes a free task to run it. Undefined when another process was faster, or the task has changed since it was seen. */
  async take(seen: TaskHead): Promise<TaskHead | undefined> {
    const lease = { runner: newRunner(), fence: seen.fence + 1, until: this.clock.now() + TASK_LEASE_MS };
    // Exactly what was seen, the end of the lease included: a run that has shown itself alive since keeps it.
    const match = { status: "working", runner: seen.runner, fence: seen.fence, until: seen.untilMs };
    const change = { set: { ...lease, attempts: seen.attempts + 1 }, versions: 0 };
    const { standing } = await this.#change(seen, change, { match });
    return standing && standing.status === "working" && isHolder(standing, lease) ? standing : undefined;
  }

  /**
   * Keeps a free task, for so many milliseconds, for the worker that is sent for. Undefined when another process was faster, or the task has changed
   * since it was seen. Its fence tells this sending from those before.
   */
  async reserve(seen: TaskHead, runner: string, ms: number): Promise<TaskHead | undefined> {
    const set = { runner, fence: seen.fence + 1, until: this.clock.now() + ms };
    const match = { status: "working", runner: seen.runner, fence: seen.fence, until: seen.untilMs };
    const { standing } = await this.#change(seen, { set, versions: 0 }, { match });
    return standing && isHolder(standing, set) ? standing : undefined;
  }

  /** Says that the run is alive, and what it last reported. False when the task is no longer its own. */
  async beat(head: TaskHead, news: TaskNews = {}): Promise<boolean> {
    const { message, ...progress } = news;
    const now = this.clock.now();
    const set = {
      until: now + TASK_LEASE_MS,
      ...(message !== undefined && { message: shortMessage(message), updated: now }),
      ...progress,
    };
    const change = { set, versions: message === undefined ? 0 : 1 };
    return (await this.#change(head, change, { match: holding(head) })).applied;
  }

  /** Ends the run with questions. Another one begins when they have been answered. False when the task is no longer this run's. */
  async park(head: TaskHead, { requests, state }: TaskQuestions): Promise<boolean> {
    const round = head.round + 1;
    const named = Object.fromEntries(
      Object.entries(requests).map(([name, request]) => [wireKey(round, name), request]),
    );
    const key = taskQuestionsKey(head.owner, head.id, round, head.fence);
    const { expiresAt } = head;
    await this.#parts.put(key, "asked", JSON.stringify({ requests: named, state }), { id: head.runner, expiresAt });
    const asks = Object.fromEntries(Object.keys(named).map((name) => [ASK + name, true]));
    const set = {
      status: "input_required",
      round,
      askedBy: head.fence,
      until: 0,
      updated: this.clock.now(),
      ...asks,
    };
    const { applied, standing } = await this.#change(head, { set }, { match: holding(head) });
    // A lost reply makes the second attempt fail although the first has parked it.
    return applied || (standing?.status === "input_required" && isHolder(standing, head) && standing.round === round);
  }

  /** The questions that are still open, by their keys on the wire. */
  async questionsOf(head: TaskHead): Promise<Record<string, unknown>> {
    const { requests } = await this.#asked(head);
    return Object.fromEntries(Object.entries(requests).filter(([name]) => head.open.includes(name)));
  }

  /** What the run that begins now is told of the questions of the one before. */
  async answeredRound(head: TaskHead): Promise<AnsweredRound> {
    if (head.round === 0) return { answers: undefined, state: undefined };
    const { requests, state } = await this.#asked(head);
    const answers = Object.keys(requests).map(async (name) => {
      const text = await this.#parts.read(taskAnswerKey(head.owner, head.id, name), "answer");
      return [name.slice(name.indexOf(".") + 1), JSON.parse(text ?? "null")] as const;
    });
    return { answers: Object.fromEntries(await Promise.all(answers)), state };
  }

  /**
   * Takes answers to open questions; others are ignored, and of two answers to one question the first stands. With the last one the
   * task is free to be run. Undefined when there is no such task.
   */
  async answer(
    ref: TaskRef,
    given: Readonly<Record<string, unknown>>,
    admit: Admit = () => {},
  ): Promise<TaskHead | undefined> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const head = await this.find(ref);
      if (head) admit(head);
      const answered = head?.status === "input_required" ? head.open.filter((name) => Object.hasOwn(given, name)) : [];
      if (head && isFree(head, this.clock.now())) this.runs.free(head);
      if (!head || answered.length === 0) return head;
      const { expiresAt } = head;
      for (const name of answered)
        await this.#parts.put(taskAnswerKey(ref.owner, ref.id, name), "answer", JSON.stringify(given[name]), {
          id: newRunner(),
          expiresAt,
        });
      const last = answered.length === head.open.length;
      // A fence of its own: a run that asked, and was taken for dead, cannot ask again what has been answered.
      const freed = last && { status: "working", until: 0, attempts: 0, fence: head.fence + 1, progressBy: head.fence };
      const change = {
        set: { updated: this.clock.now(), ...freed },
        remove: answered.map((name) => ASK + name),
      };
      const { applied, standing } = await this.#change(head, change, {
        version: head.version,
        match: { status: "input_required" },
      });
      if (!applied) continue;
      if (last && standing) this.runs.free(standing);
      return standing;
    }
    throw tooBusy();
  }

  /** Ends the task with what its run came to. False when the task is no longer this run's: what it says stands. */
  async finish(head: TaskHead, outcome: TaskOutcome): Promise<boolean> {
    const expiresAt = Math.max(head.expiresAt, epochSeconds(this.clock) + RESULT_KEPT_SECONDS);
    const { text, beside } = await this.#placeOutcome(head, outcome, expiresAt);
    const set = {
      status: "protocolError" in outcome ? "failed" : "completed",
      until: 0,
      updated: this.clock.now(),
      ttl: expiresAt > head.expiresAt ? expiresAt * 1000 - head.createdMs : head.ttlMs,
      ...(beside ? { outcomeBeside: true } : { outcome: text }),
      ...("protocolError" in outcome && { message: shortMessage(outcome.protocolError.message) }),
    };
    const { applied, standing } = await this.#change(head, { set, expiresAt }, { match: holding(head) });
    const ended = applied || (standing !== undefined && isHolder(standing, head) && isFinished(standing));
    if (ended) await this.openList.remove(head);
    return ended;
  }

  /** How an ended task came out; undefined for one that was cancelled or has not ended. */
  async outcomeOf(head: TaskHead): Promise<TaskOutcome | undefined> {
    if (!isFinished(head)) return undefined;
    const text = head.outcomeBeside
      ? await this.#parts.read(taskOutcomeKey(head.owner, head.id, head.fence), "outcome")
      : head.outcome;
    if (text === undefined) throw new AppError("internal", "The task's result is gone.");
    return JSON.parse(text) as TaskOutcome;
  }

  /** Cancels a task that has not ended, at once and for good; its run learns of it with its next beat. Undefined: no such task. */
  async cancel(ref: TaskRef, admit: Admit = () => {}): Promise<TaskHead | undefined> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const head = await this.find(ref);
      if (head) admit(head);
      if (!head || isEnded(head)) return head;
      const set = { status: "cancelled", until: 0, updated: this.clock.now() };
      const { applied, standing } = await this.#change(head, { set }, { match: { status: head.status } });
      if (!applied) continue;
      await this.openList.remove(ref);
      return standing;
    }
    throw tooBusy();
  }

  /** Gives a task back to be run again, after a pause in milliseconds. `uncounted`: this run is no attempt. */
  async release(head: TaskHead, { afterMs = 0, uncounted = false } = {}): Promise<boolean> {
    const until = afterMs === 0 ? 0 : this.clock.now() + afterMs;
    const { attempts, progressBy } = head;
    const set = { until, attempts: uncounted ? Math.max(0, attempts - 1) : attempts, progressBy };
    return (await this.#change(head, { set, versions: 0 }, { match: holding(head) })).applied;
  }

  /** JSON text that a step of this name has come to in an earlier run; undefined when none has. */
  stepOf(head: TaskHead, name: string): Promise<string | undefined> {
    return this.#parts.read(taskStepKey(head.owner, head.id, name), "step");
  }

  /** Keeps what a step came to; resolves to what stands, which is another run's if that came first. */
  keepStep(head: TaskHead, name: string, text: string): Promise<string> {
    const { expiresAt, fence, attempts } = head;
    const options = { id: newRunner(), expiresAt, beside: { fence, attempts } satisfies StepMaker };
    return this.#parts.put(taskStepKey(head.owner, head.id, name), "step", text, options);
  }

  /** The last run that kept a step. Reads every step. */
  lastStep(head: TaskHead): Promise<StepMaker> {
    return this.#parts.lastStep(taskStepKey(head.owner, head.id, ""));
  }

  /** Everybody's entries in the list of open tasks, each with its head; without one the task is being made, or its making was cut short. */
  async *eachOpen(): AsyncGenerator<{ entry: OpenTask; head: TaskHead | undefined }> {
    for (let shard = 0; shard < OPEN_TASK_SHARDS; shard++) {
      let after: string | undefined;
      do {
        const page = await this.openList.list(shard, { after, limit: PAGE });
        for (const entry of page.open) yield { entry, head: await this.find(entry) };
        after = page.next;
      } while (after);
    }
  }

  /** A page of an owner's tasks that have not expired, by id. */
  async list(owner: string, options: { after?: string | undefined; limit: number }) {
    const { after, limit } = options;
    const page = await this.#store.list(principalPartition(owner), {
      prefix: TASK_PREFIX,
      limit,
      ...(after !== undefined && { after: TASK_PREFIX + after }),
    });
    const idOf = (sk: string) => sk.slice(TASK_PREFIX.length);
    const tasks = page.entries.map((entry) => headOf({ owner, id: idOf(entry.key.sk) }, entry));
    return { tasks, next: page.next === undefined ? undefined : idOf(page.next) };
  }

  async #asked(head: TaskHead): Promise<{ requests: Record<string, unknown>; state?: string }> {
    const text = await this.#parts.read(taskQuestionsKey(head.owner, head.id, head.round, head.askedBy), "asked");
    return JSON.parse(text ?? '{"requests":{}}') as { requests: Record<string, unknown>; state?: string };
  }

  async #placeOutcome(head: TaskHead, outcome: TaskOutcome, expiresAt: number) {
    const text = JSON.stringify(outcome);
    if (byteLength(text) <= OUTCOME_IN_HEAD_MAX_BYTES) return { text, beside: false };
    const key = taskOutcomeKey(head.owner, head.id, head.fence);
    try {
      await this.#parts.put(key, "outcome", text, { id: head.runner, expiresAt });
      return { text, beside: true };
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "too_large") throw error;
      const { code, message, retryable } = error;
      return { text: JSON.stringify({ error: { code, message: `The result: ${message}`, retryable } }), beside: false };
    }
  }

  /** One conditional write of a head, and what stands there after it; undefined when that has gone. */
  async #change(
    { owner, id }: TaskRef,
    change: Parameters<StateStore["update"]>[1],
    options: Omit<Parameters<StateStore["update"]>[2], "on">,
  ): Promise<{ applied: boolean; standing: TaskHead | undefined }> {
    const result = await this.#store.update(taskKey(owner, id), change, { on: "live", ...options });
    const entry: Entry | undefined = result.applied ? result.entry : result.current;
    return { applied: result.applied, standing: entry && !entry.dead ? headOf({ owner, id }, entry) : undefined };
  }
}

export const newRunner = (): string => randomBytes(9).toString("base64url");

const tooBusy = (): AppError =>
  new AppError("unavailable", "The task is being changed too often. Try again.", { retryAfterSeconds: 1 });

const wireKey = (round: number, name: string): string => `${round}.${name}`;
const isFinished = ({ status }: TaskHead): boolean => status === "completed" || status === "failed";
const isHolder = (standing: TaskLease, { runner, fence }: TaskLease): boolean =>
  standing.runner === runner && standing.fence === fence;
const holding = ({ runner, fence }: TaskLease) => ({ status: "working", runner, fence });

function shortMessage(message: string): string {
  let text = cutText(message.toWellFormed(), MESSAGE_MAX_BYTES);
  while (byteLength(text) > MESSAGE_MAX_BYTES) text = cutText(text, text.length - 1);
  return text;
}
