// The seam between tasks as they are kept and the part of a process that runs them. Types, and a process that runs none.
import type { TaskCall, TaskHead, TaskLease } from "./task-head.ts";

/** The lease that a task is made with: that of its first run, or of the worker that is sent for. */
export type NewLease = TaskLease & {
  readonly untilMs: number;
  /** Runs begun by making it. */
  readonly attempts: 0 | 1;
};

/** How tasks come to be run: by this process, or by another that is sent for. */
export interface TaskRuns {
  /** What a new task is made with when it is to be run at once; undefined: it is made free. `caller`: by what its caller is counted. */
  leaseForNew(caller: string): NewLease | undefined;
  /** Told of a task that was made just now. @throws AppError `unavailable` when it cannot be handed to the process that would run it. */
  created(head: TaskHead, call: TaskCall, caller: string): Promise<void>;
  /** Told of a task that is to be run, and that no process runs. */
  free(head: TaskHead): void;
}

/** For an app that makes no tasks. */
export const noRuns: TaskRuns = { leaseForNew: () => undefined, created: async () => {}, free: () => {} };
