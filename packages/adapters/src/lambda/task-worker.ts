// Runs tasks on AWS Lambda: messages of a queue in, which of them are to be delivered again out. A message that was taken guards its
// run: if this environment dies, it is delivered to another one within a minute. Knows no rules of tasks.
import { type App, AppError, type Logger, silentLogger, type TaskMessage } from "@stateful-mcp/core/runtime";
import type { LambdaContext } from "./handler.ts";
import type { SqsTasks } from "./task-queue.ts";

/** What is used of an event of an SQS queue. https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
export interface QueueEvent {
  readonly Records: readonly { readonly messageId: string; readonly receiptHandle: string; readonly body: string }[];
}

/** https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html */
export interface QueueResult {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** A Lambda function that an SQS queue calls, with ReportBatchItemFailures. */
export type QueueHandler = (event: QueueEvent, context: LambdaContext) => Promise<QueueResult>;

type Worker = Pick<App, "runTask" | "settle" | "options">;

/** For how long a message is kept from others, in seconds, and how often that is said again. */
const KEPT_SECONDS = 60;
const KEEP_EVERY_MS = 20_000;
/**
 * A message whose task another environment runs comes back after so long: with five deliveries it outlives the 15 minutes that a run
 * can take, and so still guards that run.
 */
const LATER_SECONDS = 300;
/** Before the end of the function's time a run is ended, and its task handed on; in proportion where the whole time is short. */
const LEAVE_MS = 20_000;
const LARGEST_PART = 1 / 3;

/** A handler for the queue through which `app` sends for workers. */
export function taskWorker(app: Worker, queue: Pick<SqsTasks, "keep">): QueueHandler {
  const logger = app.options.logger ?? silentLogger;
  return async ({ Records }, context) => {
    const failed: { itemIdentifier: string }[] = [];
    for (const { messageId, receiptHandle, body } of Records) {
      const keep = keeper(queue, receiptHandle, logger);
      try {
        const left = context.getRemainingTimeInMillis();
        const timeLimitMs = Math.max(0, left - Math.min(LEAVE_MS, left * LARGEST_PART));
        const delivery = await keep.during(() => app.runTask(messageOf(body), { timeLimitMs }));
        if (delivery === "done") continue;
        await keep.for(LATER_SECONDS);
      } catch (error) {
        logger.warn({ message_id: messageId, err: error }, "A task's message is to be delivered again");
      }
      failed.push({ itemIdentifier: messageId });
    }
    await app.settle();
    return { batchItemFailures: failed };
  };
}

function keeper(queue: Pick<SqsTasks, "keep">, receiptHandle: string, logger: Logger) {
  // Without it the message only comes back at another time than is best.
  const forSeconds = (seconds: number) =>
    queue
      .keep(receiptHandle, seconds)
      .catch((error: unknown) => logger.debug({ err: error }, "A message's visibility could not be changed"));
  return {
    for: forSeconds,
    during: async <T>(work: () => Promise<T>): Promise<T> => {
      await forSeconds(KEPT_SECONDS);
      const timer = setInterval(() => void forSeconds(KEPT_SECONDS), KEEP_EVERY_MS);
      try {
        return await work();
      } finally {
        clearInterval(timer);
      }
    },
  };
}

/** @throws AppError or SyntaxError for what this server did not send. It ends among the dead letters, where an alarm tells of it. */
function messageOf(body: string): TaskMessage {
  const { owner, id, fence } = Object(JSON.parse(body)) as Record<string, unknown>;
  if (typeof owner === "string" && typeof id === "string" && typeof fence === "number") return { owner, id, fence };
  throw new AppError("invalid_input", "The message names no task: expected owner, id and fence");
}
