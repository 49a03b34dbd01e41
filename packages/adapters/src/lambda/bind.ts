// Turns a function's environment into configuration and binds an app to it. For processes without a command line: no files are
// read, nothing is created, and no service is asked before the first call.

import { openItemStore } from "@stateful-mcp/adapters/lambda/entries/items";
import { DynamoDBStore } from "@stateful-mcp/core/dynamodb-store";
import {
  type App,
  AppError,
  type AppParts,
  type BlobStore,
  bindApp,
  type Config,
  type ItemTables,
  itemTablesFrom,
  type JournalOptions,
  MemoryStore,
  readConfig,
  type StateStore,
  settingsWithoutEffect,
  type TaskQueue,
  type Telemetry,
} from "@stateful-mcp/core/runtime";
import { chooseAccess } from "../access.ts";
import { openClient } from "../client.ts";
import { createLogger } from "../logger.ts";
import { type OpenTracing, traced } from "./tracing.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Connects to the bucket for large values. Given from outside, because its client weighs as much as the table's. */
export type OpenBlobs = (config: Config, environment: Environment) => BlobStore;

/** Connects to the queue that brings tasks to their worker, for the same reason. */
export type OpenTaskQueue = (url: string, config: Config) => TaskQueue;

/** What an app is bound to. */
export interface BindOptions {
  /** Default: this process's. */
  environment?: Environment;
  openBlobs?: OpenBlobs | undefined;
  openTaskQueue?: OpenTaskQueue | undefined;
  openTracing?: OpenTracing | undefined;
}

/**
 * The app with what the environment says: its table, limits, access and logs. What the app's own code has fixed stays.
 * The backend is `dynamodb` unless the environment says `memory`. One client and one store serve the whole process.
 * @throws AppError `invalid_input` naming the variable to correct.
 */
export function bindEnvironment(app: App, options: BindOptions = {}): App {
  const { environment = process.env, openBlobs, openTaskQueue, openTracing } = options;
  const config = readConfig({ MCP_STATE_BACKEND: "dynamodb", ...environment });
  const service = app.options.name ?? "stateful-mcp";
  const logger = createLogger({ level: config.logLevel, environment: config.environment, service, together: false });
  for (const notice of settingsWithoutEffect(config, environment, "lambda")) logger.warn({}, notice);
  const tracing = openTracing?.(config, { environment, logger, service });
  const bound = bindApp(app, config, {
    store: app.options.store ?? openStore(config, tracing?.telemetry),
    access: app.options.access ?? chooseAccess(config, { kind: "lambda" }, logger),
    logger,
    telemetry: tracing?.telemetry,
    journal: journalOf(config),
    blobs: blobsOf(config, openBlobs, environment),
    items: app.options.items ? undefined : openItems(config),
    // A stream that waits for something to say keeps a whole environment busy, and its bill running.
    subscriptions: false,
    // The platform freezes a function between requests, and a task with it: without a queue to a worker its call is an ordinary one.
    ...tasksOf(config, openTaskQueue),
  });
  return tracing ? traced(bound, tracing) : bound;
}

/** Nothing unless it is asked for: an environment that is frozen would lose its last minute, and its lines are in the log group. */
const journalOf = ({ journal = "off" }: Config): JournalOptions | undefined =>
  journal === "off" ? undefined : { mode: journal, label: "AWS Lambda" };

function openStore(config: Config, telemetry: Telemetry | undefined): StateStore {
  const { backend, table } = config;
  if (backend === "memory") return new MemoryStore();
  if (backend === "local")
    throw new AppError("invalid_input", 'MCP_STATE_BACKEND: "local" is not allowed here; expected dynamodb, memory');
  return new DynamoDBStore({ client: openClient(config, telemetry), table });
}

function openItems(config: Config): ItemTables | undefined {
  if (config.itemTables.length === 0) return undefined;
  return itemTablesFrom(config, openItemStore(config));
}

function tasksOf(config: Config, open: OpenTaskQueue | undefined): Pick<AppParts, "runsTasks" | "taskQueue"> {
  const { taskQueueUrl } = config;
  if (taskQueueUrl === undefined) return { runsTasks: false };
  if (open) return { taskQueue: open(taskQueueUrl, config) };
  throw new AppError(
    "invalid_input",
    "STATEFUL_MCP_TASK_QUEUE_URL is set, but this function was bundled without a client for queues",
  );
}

function blobsOf(config: Config, open: OpenBlobs | undefined, environment: Environment): BlobStore | undefined {
  if (config.blobBucket === undefined) return undefined;
  if (open) return open(config, environment);
  throw new AppError(
    "invalid_input",
    "STATEFUL_MCP_BLOB_BUCKET is set, but this function was bundled without a client for buckets",
  );
}
