// The only place where a function's environment becomes configuration and binds an App to a table. For processes without a
// command line: no files are read, nothing is created, and nobody is asked before the first call.
import {
  type Access,
  type App,
  AppError,
  type BlobStore,
  type Config,
  type ItemTables,
  itemTablesFrom,
  MemoryStore,
  optionsFrom,
  readConfig,
} from "@stateful-mcp/core";
import { createDynamoDBClient, DynamoDBItems, DynamoDBStore } from "@stateful-mcp/core/dynamodb";
import { accessFromConfig } from "../access.ts";
import { createLogger } from "../logger.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Connects to the bucket for large values. Given from outside, because its client weighs as much as the table's. */
export type OpenBlobs = (config: Config, environment: Environment) => BlobStore;

/** What an app is bound to. */
export interface BindOptions {
  /** Default: this process's. */
  environment?: Environment;
  openBlobs?: OpenBlobs | undefined;
}

/**
 * The app with what the environment says: its table, limits, access and logs. What the app's own code has fixed stays.
 * The backend is `dynamodb` unless the environment says `memory`. One client and one store serve the whole process.
 * @throws AppError `invalid_input` naming the variable to correct.
 */
export function bindEnvironment(app: App, { environment = process.env, openBlobs }: BindOptions = {}): App {
  const config = readConfig({ MCP_STATE_BACKEND: "dynamodb", ...environment });
  const { logLevel: level, environment: name } = config;
  const blobs = blobsOf(config, openBlobs, environment);
  const items = app.options.items ? undefined : openItems(config);
  return app.with({
    ...optionsFrom(config),
    ...(blobs && { blobs }),
    ...(items && { items }),
    // A stream that waits for something to say keeps a whole environment busy, and its bill running.
    subscriptions: config.subscriptions ?? false,
    logger: createLogger({ level, environment: name }),
    ...app.options,
    store: app.options.store ?? openStore(config),
    access: app.options.access ?? chooseAccess(config),
  });
}

function openStore(config: Config) {
  const { backend, table } = config;
  if (backend === "memory") return new MemoryStore();
  if (backend === "local")
    throw new AppError("invalid_input", 'MCP_STATE_BACKEND: "local" is not allowed here; expected dynamodb, memory');
  return new DynamoDBStore({ client: openClient(config), table });
}

function openItems(config: Config): ItemTables | undefined {
  if (config.itemTables.length === 0) return undefined;
  return itemTablesFrom(config, new DynamoDBItems({ client: openClient(config) }));
}

const openClient = ({ endpoint, region }: Config) =>
  createDynamoDBClient({ ...(endpoint !== undefined && { endpoint }), ...(region !== undefined && { region }) });

function blobsOf(config: Config, open: OpenBlobs | undefined, environment: Environment): BlobStore | undefined {
  if (config.blobBucket === undefined) return undefined;
  if (open) return open(config, environment);
  throw new AppError(
    "invalid_input",
    "STATEFUL_MCP_BLOB_BUCKET is set, but this function was bundled without a client for buckets",
  );
}

function chooseAccess(config: Config): Access {
  if (config.trustAuthorizer) return { mode: "carrier" };
  const configured = accessFromConfig(config);
  if (configured) return configured;
  throw new AppError(
    "invalid_input",
    "Nobody says who may call: set STATEFUL_MCP_TRUST_AUTHORIZER=on behind an authorizer, set MCP_AUTH_TOKEN or STATEFUL_MCP_OAUTH_ISSUER, or give createApp an access",
  );
}
