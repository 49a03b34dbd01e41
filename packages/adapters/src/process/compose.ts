// Turns a process's flags, environment and .env file into configuration, a backend and a running App: for the command line and for
// servers that people write themselves. Functions on AWS Lambda are put together by ../compose.ts.
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import {
  type Access,
  type App,
  AppError,
  type BlobStore,
  type Config,
  itemTablesFrom,
  type Logger,
  MemoryStore,
  namesOfSetting,
  optionsFrom,
  readConfig,
  type StateStore,
} from "@stateful-mcp/core";
import type { createDynamoDBClient as createClient } from "@stateful-mcp/core/dynamodb";
import { createLogger } from "../logger.ts";
import { messageOf } from "./exit.ts";

type Client = ReturnType<typeof createClient>;

/** A way to reach state: the store, a word on where the data lies, and the client behind it where there is one. */
export interface Backend {
  readonly store: StateStore;
  /** For a person: a directory, or a table and where it is. */
  readonly place: string;
  readonly client?: Client;
  /** A client of their own for the tables of the item tools, where there are any. */
  openItemClient(): Promise<Client>;
  /** Where values too large for the store are kept. */
  readonly blobs?: BlobStore;
  close(): Promise<void>;
}

/** An app that runs on its backend, until it is closed. */
export interface Composition {
  readonly app: App;
  readonly place: string;
  close(): Promise<void>;
}

/**
 * Configuration from flags, the environment, and `.env` in the working directory, in this order of precedence.
 * From `.env` only known settings and AWS_* count: a project's file must not steer the runtime in other ways.
 */
export function loadConfig(flags: Readonly<Record<string, string | undefined>> = {}): Config {
  const dotEnv = Object.entries(readDotEnv()).filter(([name]) => {
    const setting = namesOfSetting(name);
    const wanted = setting.length > 0 || name.startsWith("AWS_") || name.startsWith("STATEFUL_MCP_");
    return wanted && [name, ...setting].every((other) => process.env[other] === undefined);
  });
  // The AWS SDK looks for its credentials in the process's environment, so this is where they go.
  for (const [name, value] of dotEnv) process.env[name] = value;
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  return readConfig({ ...process.env, ...given });
}

function readDotEnv(): Readonly<Record<string, string | undefined>> {
  try {
    return parseEnv(readFileSync(".env", "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EISDIR") return {};
    throw new AppError("invalid_input", `The file .env cannot be read (${code})`, { cause: error });
  }
}

/** JSON lines, or on a terminal a readable form of them. */
export async function openLogger(config: Config): Promise<Logger> {
  const { logLevel: level, environment } = config;
  if (!process.stderr.isTTY) return createLogger({ level, environment });
  const { default: pretty } = await import("pino-pretty");
  const stream = pretty({
    destination: 2,
    sync: true,
    messageKey: "message",
    timestampKey: "timestamp",
    translateTime: "HH:MM:ss",
    ignore: "service,environment,principal",
    singleLine: true,
  });
  return createLogger({ level, environment, stream });
}

/** Connects to where state is kept. Creates no table, except that the embedded engine has its own. */
export async function openBackend(config: Config): Promise<Backend> {
  if (config.backend === "memory") {
    const store = new MemoryStore();
    const openItemClient = () => openClient(config);
    return { store, place: "this process's memory: gone when it ends", openItemClient, close: () => store.close() };
  }
  const { client, place, blobs, openItemClient, close } =
    config.backend === "local" ? await openEngine(config) : await openTable(config);
  const { DynamoDBStore } = await import("@stateful-mcp/core/dynamodb");
  const store = new DynamoDBStore({ client, table: config.table });
  return {
    store,
    client,
    place,
    openItemClient,
    ...(blobs && { blobs }),
    close: async () => {
      await store.close();
      await close();
    },
  };
}

async function openEngine(config: Config) {
  const { connectLocalEngine, defaultDataDir, FileBlobs } = await importEngine();
  try {
    const dataDir = config.dataDir ?? defaultDataDir(process.env);
    // The engine may have to start: meanwhile the client, which is large, is loaded.
    const [engine, { createDynamoDBClient }] = await Promise.all([
      connectLocalEngine({ dataDir, tables: [config.table] }),
      import("@stateful-mcp/core/dynamodb"),
    ]);
    const client = createDynamoDBClient({ agent: engine.agent });
    const close = async () => {
      client.destroy();
      await engine.close();
    };
    const openItemClient = async () => createDynamoDBClient({ agent: engine.agent });
    return { client, place: engine.dataDir, blobs: new FileBlobs(engine.dataDir), openItemClient, close };
  } catch (error) {
    throw new AppError("unavailable", messageOf(error), { cause: error });
  }
}

/** The engine is an optional package: a server that only ever uses a table need not carry a database. */
async function importEngine() {
  try {
    return await import("@stateful-mcp/local");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new AppError(
      "invalid_input",
      "The local backend needs the package @stateful-mcp/local: install it, or set MCP_STATE_BACKEND to dynamodb or memory",
      { cause: error },
    );
  }
}

async function openTable(config: Config) {
  const { endpoint, profile } = config;
  const client = await openClient(config);
  const place = `DynamoDB table ${config.table} in ${await regionOf(client, profile)}${endpoint ? ` at ${endpoint}` : ""}`;
  const blobs = await openBucket(config);
  const close = async () => {
    client.destroy();
    blobs?.close();
  };
  return { client, place, blobs, openItemClient: () => openClient(config), close };
}

async function openClient({ endpoint, region }: Config): Promise<Client> {
  const { createDynamoDBClient } = await import("@stateful-mcp/core/dynamodb");
  // The SDK reads the profile itself; from a flag or .env it has been put where it looks.
  return createDynamoDBClient({
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
  });
}

/** The tables of the item tools, reached through a client of their own: a busy agent must not hold up state. */
async function openItems(config: Config, backend: Backend) {
  if (config.itemTables.length === 0) return undefined;
  const client = await backend.openItemClient();
  const { DynamoDBItems } = await import("@stateful-mcp/core/dynamodb");
  return { items: itemTablesFrom(config, new DynamoDBItems({ client })), close: () => client.destroy() };
}

async function openBucket({ blobBucket: bucket, region }: Config) {
  if (bucket === undefined) return undefined;
  const { S3Blobs } = await import("@stateful-mcp/core/s3");
  // The SDK reads this variable too, but would then look for the bucket in the host name, where other services do not have it.
  const endpoint = process.env.AWS_ENDPOINT_URL_S3;
  return new S3Blobs({ bucket, ...(region !== undefined && { region }), ...(endpoint && { endpoint }) });
}

async function regionOf(client: Client, profile: string | undefined): Promise<string> {
  try {
    return await client.config.region();
  } catch (error) {
    const hint = profile === undefined ? "" : `, or give the profile ${profile} one`;
    throw new AppError("invalid_input", `There is no AWS region: set AWS_REGION${hint}`, { cause: error });
  }
}

/** What the configuration leaves to the process. */
export interface ComposeOptions {
  /** Who may call, whatever the app itself says. */
  access: Access;
  logger: Logger;
  /** Creates a missing table of the `dynamodb` backend before anything is served. */
  createTable?: boolean;
}

/**
 * The app with what the configuration says, on the configured backend, which has answered once. What the app's own code has fixed
 * stays: an app with a store of its own opens no other.
 * @throws AppError `unavailable` when the backend does not answer.
 */
export async function compose(app: App, config: Config, options: ComposeOptions): Promise<Composition> {
  const { access, logger, createTable } = options;
  const own = app.options.store;
  const backend = own ? ownBackend(config, own) : await openBackend(config);
  if (createTable && config.backend === "dynamodb" && backend.client !== undefined) {
    const { setupTable } = await import("@stateful-mcp/core/dynamodb");
    await setupTable(backend.client, config.table, (line) => logger.info({ table: config.table }, line));
  }
  const { store, blobs } = backend;
  const opened = app.options.items ? undefined : await openItems(config, backend);
  const running = app.with({
    ...optionsFrom(config),
    ...(blobs && { blobs }),
    ...(opened?.items && { items: opened.items }),
    logger,
    ...app.options,
    store,
    access,
  });
  const close = async () => {
    await running.close();
    opened?.close();
    await backend.close();
  };
  try {
    // A table that is missing must be known now, and not at a user's first call.
    await running.ready();
  } catch (error) {
    await close();
    throw isMissingTable(error) ? missingTable(config, backend.place, error) : error;
  }
  return { app: running, place: backend.place, close };
}

/** Whoever opened a store closes it. */
const ownBackend = (config: Config, store: StateStore): Backend => ({
  store,
  place: "the app's own store",
  openItemClient: () => openClient(config),
  close: async () => {},
});

const isMissingTable = (error: unknown): boolean =>
  error instanceof AppError && error.cause instanceof Error && error.cause.name === "ResourceNotFoundException";

const missingTable = ({ table }: Config, place: string, cause: unknown): AppError =>
  new AppError(
    "unavailable",
    `There is no table ${table} (${place}); create it with \`stateful-mcp setup\` or \`stateful-mcp serve --create-table\`, or correct MCP_STATE_TABLE and AWS_REGION`,
    { cause },
  );
