// No queue for tasks. A bundler that gives this module sqs-tasks.ts instead adds the client for one.
import type { OpenTaskQueue } from "../bind.ts";

/** Nothing to open. */
export const openTaskQueue: OpenTaskQueue | undefined = undefined;
