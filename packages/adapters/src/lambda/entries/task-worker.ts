// The worker of tasks as a Lambda function: bound as the server is, and called by the queue instead of an API.
import { app } from "@stateful-mcp/adapters/lambda/entries/app";
import { openBlobs } from "@stateful-mcp/adapters/lambda/entries/blobs";
import { openTracing } from "@stateful-mcp/adapters/lambda/entries/tracing";
import { readConfig } from "@stateful-mcp/core/runtime";
import { bindEnvironment } from "../bind.ts";
import { openSqsTasks } from "../task-queue.ts";
import { taskWorker } from "../task-worker.ts";

const { taskQueueUrl, region } = readConfig(process.env);
if (taskQueueUrl === undefined)
  throw new Error("STATEFUL_MCP_TASK_QUEUE_URL is missing; expected the URL of an SQS queue");
const queue = openSqsTasks(taskQueueUrl, { region });

/** For an SQS queue, with ReportBatchItemFailures. */
export const handler = taskWorker(bindEnvironment(app, { openBlobs, openTaskQueue: () => queue, openTracing }), queue);
