// Tasks of an app whose processes do not live on between requests, as on AWS Lambda: a worker is sent for through a queue. The queue
// only wakes; the table stays the truth. A message that is lost costs one poll, and one that comes twice finds nothing to do. Knows no
// particular queue.
import { AppError } from "../errors.ts";
import { isEnded, isFree, type TaskHead, type TaskRef } from "../state/task-head.ts";
import type { NewLease, TaskRuns } from "../state/task-runs.ts";
import { newRunner } from "../state/tasks.ts";
import { HandedOver, isToolToCome, runAndLogTask } from "./run-task.ts";
import type { Services } from "./services.ts";
import { loggedTask } from "./tool-io.ts";

/** What is sent for a worker: which task, and in which state of it. It tells nothing of what the task is. */
export interface TaskMessage extends TaskRef {
  /** A message of an older fence is about a run that others have followed. */
  readonly fence: number;
}

/** Brings messages to a worker, at least once each. */
export interface TaskQueue {
  /** Resolves when the message is kept. It is delivered after a pause in milliseconds. */
  send(message: TaskMessage, options?: { readonly afterMs?: number }): Promise<void>;
}

/** What a worker is to do with a message: `done`, it can go; `later`, it is to be delivered again. */
export type TaskDelivery = "done" | "later";

/** Begins the name of the runner of a task for which a worker was sent; what follows tells a later sending from those of others. */
const SENT_FOR = "queue.";
/** How long a worker may take to come before another one is sent for. */
const SENT_FOR_MS = 60_000;

export class QueuedTasks implements TaskRuns {
  readonly #services: Services;
  readonly #queue: TaskQueue;

  constructor(services: Services, queue: TaskQueue) {
    this.#services = services;
    this.#queue = queue;
    services.state.tasks.runs = this;
  }

  leaseForNew(): NewLease {
    return { runner: SENT_FOR, fence: 1, attempts: 0, untilMs: this.#services.state.clock.now() + SENT_FOR_MS };
  }

  async created(head: TaskHead): Promise<void> {
    if (isEnded(head)) return;
    try {
      await this.#queue.send(messageOf(head));
    } catch (error) {
      const message = "The task could not be handed to a worker. Call again.";
      throw new AppError("unavailable", message, { cause: error, retryAfterSeconds: 1 });
    }
  }

  /** One of those that meet a free task sends for a worker, which the write decides. */
  free(seen: TaskHead): void {
    const send = async () => {
      const held = await this.#services.state.tasks.reserve(seen, SENT_FOR + newRunner(), SENT_FOR_MS);
      if (held) await this.#queue.send(messageOf(held));
    };
    const failed = (error: unknown) =>
      this.#services.logger.warn(
        { task_id: loggedTask(seen), err: error },
        "No worker could be sent for; the next look at the task tries again",
      );
    this.#services.state.background.run(send().catch(failed));
  }

  /**
   * Runs a task that was sent for, to its end or for so many milliseconds. A run that is cut short keeps its steps, and a worker is sent
   * for again. @throws AppError `unavailable` when the store or the queue cannot be had: the message is to be delivered again.
   */
  async deliver({ owner, id, fence }: TaskMessage, options: { timeLimitMs: number }): Promise<TaskDelivery> {
    const { tasks, clock } = this.#services.state;
    const seen = await tasks.find({ owner, id });
    if (seen?.status !== "working") return "done";
    const isSentFor = seen.runner.startsWith(SENT_FOR);
    // Its run may be that of this very message, delivered twice, which brings it back if that run dies. Another message follows its own run.
    if (!isFree(seen, clock.now()) && !(isSentFor && seen.fence === fence)) return isSentFor ? "done" : "later";
    if (isToolToCome(this.#services, seen)) return "later";
    const head = await tasks.take(seen);
    if (!head) return "later";
    const leaving = new AbortController();
    const timer = setTimeout(() => leaving.abort(new HandedOver({ counted: true })), options.timeLimitMs);
    try {
      const ended = await runAndLogTask(this.#services, head, { leaving: leaving.signal });
      if (ended.ending === "released") await this.#queue.send(messageOf(head), { afterMs: ended.againMs ?? 0 });
      return "done";
    } finally {
      clearTimeout(timer);
    }
  }
}

const messageOf = ({ owner, id, fence }: TaskHead): TaskMessage => ({ owner, id, fence });
