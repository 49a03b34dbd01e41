// The server as a Lambda function. The app is bound once per environment, before its first event; which handler is the
// function's depends on whether its front door streams.
import { app } from "@stateful-mcp/adapters/lambda/entries/app";
import { openBlobs } from "@stateful-mcp/adapters/lambda/entries/blobs";
import { openTaskQueue } from "@stateful-mcp/adapters/lambda/entries/task-queue";
import { openTracing } from "@stateful-mcp/adapters/lambda/entries/tracing";
import { bindEnvironment } from "../bind.ts";
import { bufferedLambdaHandler, lambdaHandler } from "../handler.ts";

const bound = bindEnvironment(app, { openBlobs, openTaskQueue, openTracing });
// Loads what speaks HTTP now, where no client waits for it and the whole CPU is there.
await bound.fetch(new Request("http://localhost/healthz"));

/** For a front door that streams. */
export const handler = lambdaHandler(bound);
/** For one that takes an answer whole. */
export const bufferedHandler = bufferedLambdaHandler(bound);
