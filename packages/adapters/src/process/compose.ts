// Binds an app to its configuration and backend: for the command line and for servers that people write themselves. Functions on
// AWS Lambda are put together by ../lambda/bind.ts.
import {
  type Access,
  type App,
  AppError,
  bindApp,
  type Config,
  type Logger,
  READY_SERVER,
} from "@stateful-mcp/core/runtime";
import { openTelemetry } from "../telemetry/open.ts";
import { openBackend, openItems, ownBackend } from "./backend.ts";
import { journalOf } from "./journal.ts";

/**
 * An app before it has a backend. A whole app is one; a program whose app is made of nothing but options gives
 * `{ options, with: createApp }`, so that its tools and state are made once and not twice at each start.
 */
export type UnboundApp = Pick<App, "options" | "with">;

/** An app that runs on its backend, until it is closed. */
export interface Composition {
  readonly app: App;
  readonly location: string;
  close(): Promise<void>;
}

/** What the configuration leaves to the process. */
export interface ComposeOptions {
  /** Who may call. It wins over the access of the app. */
  access: Access;
  logger: Logger;
  /** Creates a missing table of the `dynamodb` backend before anything is served. */
  createTable?: boolean;
  /** Through what requests come in. Default: none do, and so there is neither telemetry nor a journal. */
  carrier?: "http" | "stdio";
}

/**
 * The app with what the configuration says, on the configured backend, which has answered once. What the app's own code has fixed
 * stays: an app with a store of its own opens no other.
 * @throws AppError `unavailable` when the backend does not answer.
 */
export async function compose(app: UnboundApp, config: Config, options: ComposeOptions): Promise<Composition> {
  const { access, logger, createTable, carrier } = options;
  const telemetry =
    carrier &&
    (await openTelemetry(config.telemetry, {
      environment: process.env,
      logger,
      service: app.options.name ?? READY_SERVER,
      stdio: carrier === "stdio",
    }));
  const own = app.options.store;
  const backend = own ? ownBackend(config, own) : await openBackend(config, app.options.name, telemetry?.telemetry);
  if (createTable && config.backend === "dynamodb" && !own) {
    const { setupTable } = await import("@stateful-mcp/core/dynamodb");
    const client = await backend.openSdkClient();
    const say = (line: string) => logger.info({ table: config.table }, line);
    await setupTable(client, config.table, say).finally(() => client.destroy());
  }
  const { store, blobs } = backend;
  const opened = app.options.items ? undefined : await openItems(config, backend);
  const running = bindApp(app, config, {
    store,
    access,
    logger,
    telemetry: telemetry?.telemetry,
    journal: carrier && journalOf(config, carrier, own !== undefined),
    blobs,
    items: opened?.items,
  });
  const close = async () => {
    await running.close();
    opened?.close();
    await backend.close();
    await telemetry?.close();
  };
  try {
    // A table that is missing must be known now, and not at a user's first call.
    await running.ready();
  } catch (error) {
    await close();
    throw isMissingTable(error) ? missingTable(config, backend.location, error) : error;
  }
  return { app: running, location: backend.location, close };
}

const isMissingTable = (error: unknown): boolean =>
  error instanceof AppError && error.cause instanceof Error && error.cause.name === "ResourceNotFoundException";

const missingTable = ({ table }: Config, location: string, cause: unknown): AppError =>
  new AppError(
    "unavailable",
    `There is no table ${table} (${location}); create it with \`stateful-mcp setup\` or \`stateful-mcp serve --create-table\`, or correct MCP_STATE_TABLE and AWS_REGION`,
    { cause },
  );
