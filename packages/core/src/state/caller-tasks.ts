// The tasks of one caller: what it may see of them and do with them. A task of another caller does not exist here.
import { AppError } from "../errors.ts";
import { backoff, pause } from "../waiting.ts";
import { type Caller, ownerOf } from "./caller.ts";
import { badCursor, decodeCursor, encodeCursor } from "./cursor.ts";
import {
  isEnded,
  isFree,
  isTaskId,
  pollAfterMs,
  type TaskHead,
  type TaskOutcome,
  type TaskStatus,
} from "./task-head.ts";
import type { Admit, Tasks } from "./tasks.ts";

/** What a caller sees of a task. */
export interface TaskView {
  readonly id: string;
  readonly tool: string;
  readonly status: TaskStatus;
  readonly message: string | undefined;
  readonly createdMs: number;
  readonly updatedMs: number;
  /** From creation. */
  readonly ttlMs: number;
  readonly pollAfterMs: number;
}

/** And what it waits for, or what came of it. */
export interface DetailedTaskView extends TaskView {
  /** Open questions, by their keys on the wire. */
  readonly questions?: Readonly<Record<string, unknown>>;
  readonly outcome?: TaskOutcome;
}

const WAIT_FIRST_MS = 50;
const WAIT_MAX_MS = 1_000;

/** The tasks of one caller: tool calls that the server finishes by itself. */
export class CallerTasks {
  readonly #tasks: Tasks;
  readonly #caller: Caller;

  constructor(tasks: Tasks, caller: Caller) {
    this.#tasks = tasks;
    this.#caller = caller;
  }

  /** How a task stands; undefined when there is none, or when it is another caller's. */
  async get(id: string): Promise<DetailedTaskView | undefined> {
    const head = await this.#find(id);
    return head && this.#detailed(head);
  }

  /** As `get`, once the task has ended or asks, or when the time in milliseconds is over. `tell` hears how it stands meanwhile. */
  async wait(
    id: string,
    options: { ms: number; signal: AbortSignal; tell?: ((view: TaskView) => void) | undefined },
  ): Promise<DetailedTaskView | undefined> {
    const deadline = performance.now() + options.ms;
    const pauseMs = backoff(WAIT_FIRST_MS, WAIT_MAX_MS, 1.5);
    for (;;) {
      const head = await this.#find(id);
      if (!head) return undefined;
      const leftMs = deadline - performance.now();
      if (head.status !== "working" || leftMs <= 0 || options.signal.aborted) return this.#detailed(head);
      options.tell?.(this.view(head));
      await pause(Math.min(pauseMs(), leftMs), options.signal);
    }
  }

  /** Takes answers to open questions, by their keys on the wire; others are ignored. Undefined when there is no such task. */
  async answer(id: string, answers: Readonly<Record<string, unknown>>, admit?: Admit): Promise<TaskView | undefined> {
    const ref = this.#refOf(id);
    const head = ref && (await this.#tasks.answer(ref, answers, admit));
    return head && this.view(head);
  }

  /** Cancels a task unless it has ended. Undefined when there is no such task. */
  async cancel(id: string, admit?: Admit): Promise<TaskView | undefined> {
    const ref = this.#refOf(id);
    const head = ref && (await this.#tasks.cancel(ref, admit));
    return head && this.view(head);
  }

  /** The caller's tasks until they expire. @throws AppError `forbidden` for anonymous callers, `invalid_input` for a cursor that is none. */
  async list(options: { cursor?: string | undefined; limit: number }): Promise<{
    tasks: TaskView[];
    nextCursor?: string;
  }> {
    const { principal } = this.#caller;
    if (principal.kind === "anonymous")
      throw new AppError("forbidden", "Tasks of an open server cannot be listed. Keep the id that the call gave.");
    const [after] = options.cursor === undefined ? [] : decodeCursor(options.cursor, ["string"]);
    if (after !== undefined && !isTaskId(after)) throw badCursor();
    const { tasks, next } = await this.#tasks.list(principal.id, { after, limit: options.limit });
    return {
      tasks: tasks.map((head) => this.view(head)),
      ...(next !== undefined && { nextCursor: encodeCursor([next]) }),
    };
  }

  view(head: TaskHead): TaskView {
    const { id, tool, status, message, createdMs, updatedMs, ttlMs } = head;
    const pollMs = pollAfterMs(head, this.#tasks.clock.now());
    return { id, tool, status, message, createdMs, updatedMs, ttlMs, pollAfterMs: pollMs };
  }

  async #detailed(head: TaskHead): Promise<DetailedTaskView> {
    const view = this.view(head);
    if (head.status === "input_required") return { ...view, questions: await this.#tasks.questionsOf(head) };
    const outcome = isEnded(head) ? await this.#tasks.outcomeOf(head) : undefined;
    return { ...view, ...(outcome && { outcome }) };
  }

  async #find(id: string): Promise<TaskHead | undefined> {
    const ref = this.#refOf(id);
    const head = ref && (await this.#tasks.find(ref));
    // A process that meets a task that none runs sees to it that it is run.
    if (head && isFree(head, this.#tasks.clock.now())) this.#tasks.runs.free(head);
    return head;
  }

  #refOf(id: string) {
    return isTaskId(id) ? { owner: ownerOf(this.#caller.principal, id), id } : undefined;
  }
}
