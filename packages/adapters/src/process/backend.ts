// Opens what the configuration names: the store, the bucket, the users' tables. Knows nothing of apps or of how they are served.

import type { SdkClient } from "@stateful-mcp/core/dynamodb";
import type { StateClient } from "@stateful-mcp/core/dynamodb-store";
import {
  AppError,
  type BlobStore,
  type Config,
  itemTablesFrom,
  MemoryStore,
  READY_SERVER,
  type StateStore,
  type Telemetry,
} from "@stateful-mcp/core/runtime";
import { messageOf } from "./exit.ts";

/** A way to reach state: the store, a word on where the data lies, and the client behind it where there is one. */
export interface Backend {
  readonly store: StateStore;
  /** For a person: a directory, or a table and where it is. */
  readonly location: string;
  readonly client?: StateClient;
  /** The AWS SDK's client of the same place, for table management and the item tools. The caller destroys it. */
  openSdkClient(): Promise<SdkClient>;
  /** Where values too large for the store are kept. */
  readonly blobs?: BlobStore;
  close(): Promise<void>;
}

/**
 * Connects to where state is kept. Creates no table; a file on this machine is made when it is missing, in the directory of the app
 * whose name is given, else of the ready server.
 */
export async function openBackend(config: Config, app?: string, telemetry?: Telemetry): Promise<Backend> {
  if (config.backend === "local") return openLocal(config, app);
  if (config.backend === "memory") {
    const store = new MemoryStore();
    return {
      store,
      location: "this process's memory: gone when it ends",
      openSdkClient: () => openSdkClient(config),
      close: () => store.close(),
    };
  }
  const { client, location, blobs, openSdkClient: openSdk, close } = await openTable(config, telemetry);
  const { DynamoDBStore } = await import("@stateful-mcp/core/dynamodb-store");
  const store = new DynamoDBStore({ client, table: config.table });
  return {
    store,
    client,
    location,
    openSdkClient: openSdk,
    ...(blobs && { blobs }),
    close: async () => {
      await store.close();
      await close();
    },
  };
}

/** A file for state; users' tables to try out are in an engine of their own, which starts when one is asked for. */
async function openLocal(config: Config, app: string | undefined): Promise<Backend> {
  const { connectLocalEngine, defaultDataDir, openLocalState } = await importLocal();
  try {
    const { dataDir, store, imported } = await openLocalState(
      config.dataDir ?? defaultDataDir(process.env, app === READY_SERVER ? undefined : app),
      config.table,
    );
    let engine: ReturnType<typeof connectLocalEngine> | undefined;
    const openSdkClient = async () => {
      engine ??= connectLocalEngine({ dataDir, tables: [] });
      const [{ agent }, { createDynamoDBClient }] = await Promise.all([engine, import("@stateful-mcp/core/dynamodb")]);
      return createDynamoDBClient({ agent });
    };
    const close = async () => {
      await store.close();
      await (await engine)?.close();
    };
    const location =
      imported === undefined ? dataDir : `${dataDir} (${imported} entries taken over from an older version)`;
    return { store, location, blobs: store.blobs, openSdkClient, close };
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("unavailable", messageOf(error), { cause: error });
  }
}

/** An optional package: a server that only ever uses a table need not carry what serves a laptop. */
async function importLocal() {
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

async function openTable(config: Config, telemetry: Telemetry | undefined) {
  const { endpoint, profile } = config;
  const client = (await import("../client.ts")).openClient(config, telemetry);
  const location = `DynamoDB table ${config.table} in ${await regionOf(client, profile)}${endpoint ? ` at ${endpoint}` : ""}`;
  const blobs = await openBucket(config);
  const close = async () => {
    client.destroy();
    blobs?.close();
  };
  return { client, location, blobs, openSdkClient: () => openSdkClient(config, telemetry), close };
}

/** Loaded only here: a process that keeps its state in memory needs no client. */
const openSdkClient = async (config: Config, telemetry?: Telemetry): Promise<SdkClient> =>
  (await import("../client.ts")).openSdkClient(config, telemetry);

/** The tables of the item tools, reached through a client of their own: a busy agent must not hold up state. */
export async function openItems(config: Config, backend: Backend) {
  if (config.itemTables.length === 0) return undefined;
  const { lazyItems } = await import("../client.ts");
  let client: SdkClient | undefined;
  const items = lazyItems(async () => {
    const { DynamoDBItems } = await import("@stateful-mcp/core/dynamodb");
    client = await backend.openSdkClient();
    return new DynamoDBItems({ client });
  });
  return { items: itemTablesFrom(config, items), close: () => client?.destroy() };
}

const openBucket = async (config: Config) =>
  config.blobBucket === undefined ? undefined : (await import("../bucket.ts")).openBucket(config, process.env);

async function regionOf(client: StateClient, profile: string | undefined): Promise<string> {
  try {
    return await client.region();
  } catch (error) {
    const hint = profile === undefined ? "" : `, or give the profile ${profile} one`;
    throw new AppError("invalid_input", `There is no AWS region: set AWS_REGION${hint}`, { cause: error });
  }
}

/** A store that the app brought: its owner closes it. */
export const ownBackend = (config: Config, store: StateStore): Backend => ({
  store,
  location: "the app's own store",
  openSdkClient: () => openSdkClient(config),
  close: async () => {},
});
