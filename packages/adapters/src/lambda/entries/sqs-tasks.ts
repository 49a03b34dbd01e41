// The queue for tasks, in the bundle only of functions that have one.
export { openSqsTasks as openTaskQueue } from "../task-queue.ts";
