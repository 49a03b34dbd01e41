// The tasks that this process runs: so many at a time, those it has made first, then those that no other process runs. Finds orphans by
// being told of them (a client asks for one) or by a slow look at the list of open tasks. Knows not how a task is run.
import { AsyncLocalStorage } from "node:async_hooks";
import { isEnded, isFree, type TaskCall, type TaskHead, type TaskRef } from "../state/task-head.ts";
import type { NewLease, TaskRuns } from "../state/task-runs.ts";
import { newRunner, TASK_LEASE_MS } from "../state/tasks.ts";
import { HandedOver, isToolToCome, runAndLogTask } from "./run-task.ts";
import type { Services } from "./services.ts";
import { loggedTask } from "./tool-io.ts";

/** Between two looks at the list of open tasks; one process looks for all. */
const LOOK_MS = 60_000;
/** So that processes started together do not look together. */
const LOOK_JITTER = 0.1;
/** An entry without a task is one that is being made, or whose making was cut short. */
const MAKING_MS = 60_000;
/** After so many empty looks a process without tasks stops looking: an idle server makes no requests. */
const EMPTY_LOOKS_MAX = 2;
const WAITING_MAX = 1_000;
/** This share of the slots one caller leaves to others: long tasks of one must not keep those of everybody waiting. */
const SLOTS_LEFT = 0.25;

/** A task to be run, and by what its caller is counted. */
interface Waiting {
  readonly ref: TaskRef;
  readonly caller: string;
}

export class TaskRunner implements TaskRuns {
  readonly #services: Services;
  readonly #slots: number;
  readonly #running = new Map<string, Promise<void>>();
  /** Met while every slot was taken. */
  readonly #waiting = new Map<string, Waiting>();
  /** How many slots each caller has taken. */
  readonly #taken = new Map<string, number>();
  readonly #leaving = new AbortController();
  /** Looks go on after the call that began them, and belong to no call. */
  readonly #outsideCalls = AsyncLocalStorage.snapshot();
  readonly #again = new Set<NodeJS.Timeout>();
  #draining = false;
  #look: NodeJS.Timeout | undefined;
  #emptyLooks = 0;

  /** Runs as many tasks at a time as there are slots. */
  constructor(services: Services, slots: number) {
    this.#services = services;
    this.#slots = slots;
    services.state.tasks.runs = this;
  }

  #hasSlotFor(caller: string): boolean {
    const share = this.#slots - Math.floor(this.#slots * SLOTS_LEFT);
    return this.#running.size < this.#slots && (this.#taken.get(caller) ?? 0) < share;
  }

  leaseForNew(caller: string): NewLease | undefined {
    if (this.#draining || !this.#hasSlotFor(caller)) return undefined;
    return { runner: newRunner(), fence: 1, attempts: 1, untilMs: this.#services.state.clock.now() + TASK_LEASE_MS };
  }

  async created(head: TaskHead, call: TaskCall, caller: string): Promise<void> {
    if (this.#draining) return;
    this.lookNowAndThen();
    if (head.runner === "") this.free(head, caller);
    else if (!this.#hasSlotFor(caller)) await this.#putBack(head, caller);
    else if (!this.#running.has(head.id)) this.#start({ ref: head, caller }, async () => head, call);
  }

  /** Without a caller that is known, a task counts as its owner's. */
  free(head: TaskHead, caller = this.#waiting.get(head.id)?.caller ?? head.owner): void {
    if (this.#draining || this.#running.has(head.id) || isToolToCome(this.#services, head)) return;
    if (!this.#hasSlotFor(caller)) {
      if (this.#waiting.size < WAITING_MAX) this.#waiting.set(head.id, { ref: head, caller });
      return;
    }
    this.#start({ ref: head, caller }, () => this.#services.state.tasks.take(head));
  }

  /** From now on this process looks for tasks that none runs, until there are none. */
  lookNowAndThen(): void {
    this.#emptyLooks = 0;
    if (this.#look || this.#draining) return;
    this.#lookAfter(0);
  }

  /** Takes no further task. */
  drain(): void {
    this.#draining = true;
    clearTimeout(this.#look);
    for (const timer of this.#again) clearTimeout(timer);
    this.#waiting.clear();
  }

  /** Hands over what still runs, so that another process goes on with it at once. */
  async close(): Promise<void> {
    this.drain();
    this.#leaving.abort(new HandedOver({ counted: false }));
    await Promise.all(this.#running.values());
  }

  /** Its slot is taken before anything is awaited, so that one process never runs a task twice. */
  #start({ ref, caller }: Waiting, take: () => Promise<TaskHead | undefined>, call?: TaskCall): void {
    const { id } = ref;
    const run = async () => {
      const services = this.#services;
      try {
        const head = await take();
        if (!head) return;
        const ended = await runAndLogTask(services, head, { leaving: this.#leaving.signal, call });
        if (ended.againMs !== undefined) this.#startAgain({ ref: head, caller }, ended.againMs);
      } catch (error) {
        services.logger.warn(
          { task_id: loggedTask(ref), err: error },
          "A task could not be run; it is taken up again when its lease is over",
        );
      }
    };
    const done = run().finally(() => {
      this.#running.delete(id);
      const left = (this.#taken.get(caller) ?? 1) - 1;
      if (left > 0) this.#taken.set(caller, left);
      else this.#taken.delete(caller);
      this.#next();
    });
    this.#running.set(id, done);
    this.#taken.set(caller, (this.#taken.get(caller) ?? 0) + 1);
  }

  /** Others were made at the same time and have taken the slots. */
  async #putBack(head: TaskHead, caller: string): Promise<void> {
    await this.#services.state.tasks.release(head, { uncounted: true });
    await this.#meet({ ref: head, caller });
  }

  #startAgain(task: Waiting, afterMs: number): void {
    if (this.#draining) return;
    const timer = setTimeout(() => {
      this.#again.delete(timer);
      void this.#meet(task);
    }, afterMs);
    timer.unref();
    this.#again.add(timer);
  }

  #next(): void {
    if (this.#draining) return;
    for (const [id, task] of this.#waiting) {
      if (!this.#hasSlotFor(task.caller)) continue;
      this.#waiting.delete(id);
      // One that has ended meanwhile, or has been cancelled, leaves the slot to the next.
      void this.#meet(task).then(() => this.#running.has(id) || this.#next());
      return;
    }
  }

  /** Runs a task if it is free. Resolves to its head; a table that does not answer is asked again by the next look. */
  async #meet({ ref, caller }: Waiting): Promise<TaskHead | undefined> {
    const { tasks, clock } = this.#services.state;
    const head = await tasks.find(ref).catch(() => undefined);
    if (head && isFree(head, clock.now())) this.free(head, caller);
    return head;
  }

  #lookAfter(ms: number): void {
    const look = async () => {
      const open = await this.#lookOnce().catch(() => undefined);
      if (this.#draining) return;
      if (open === 0 && this.#running.size === 0) this.#emptyLooks += 1;
      else this.#emptyLooks = 0;
      if (this.#emptyLooks < EMPTY_LOOKS_MAX) return this.#lookAfter(jittered(LOOK_MS));
      this.#look = undefined;
    };
    this.#look = this.#outsideCalls(() => setTimeout(() => void look(), ms));
    this.#look.unref();
  }

  /** How many tasks are open, as this look or that of another process found. */
  async #lookOnce(): Promise<number> {
    const { tasks, clock } = this.#services.state;
    const last = await tasks.openList.beginLook(LOOK_MS * (1 - 2 * LOOK_JITTER));
    if (last !== undefined) return last;
    let open = 0;
    for await (const { entry, head } of tasks.eachOpen()) {
      if (this.#draining) return open;
      open += 1;
      const over = head ? isEnded(head) : clock.now() - entry.createdMs > MAKING_MS;
      if (over) await tasks.openList.remove(entry);
      else if (head && isFree(head, clock.now())) this.free(head);
    }
    await tasks.openList.endLook(open);
    return open;
  }
}

const jittered = (ms: number): number => ms * (1 + LOOK_JITTER * (2 * Math.random() - 1));
