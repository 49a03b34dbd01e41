// The only place where a function's environment becomes configuration and binds an App to a table. For processes without a
// command line: no files are read, nothing is created, and nobody is asked before the first call.
import {
  type Access,
  type App,
  AppError,
  type Config,
  MemoryStore,
  optionsFrom,
  parseTokens,
  readConfig,
} from "@stateful-mcp/core";
import { createDynamoDBClient, DynamoDBStore } from "@stateful-mcp/core/dynamodb";
import { createLogger } from "./logger.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The app with what the environment says: its table, limits, access and logs. What the app's own code has fixed stays.
 * The backend is `dynamodb` unless the environment says `memory`. One client and one store serve the whole process.
 * @throws AppError `invalid_input` naming the variable to correct.
 */
export function bindEnvironment(app: App, environment: Environment = process.env): App {
  const config = readConfig({ MCP_STATE_BACKEND: "dynamodb", ...environment });
  const { logLevel: level, environment: name } = config;
  return app.with({
    ...optionsFrom(config),
    // A stream that waits for something to say keeps a whole environment busy, and its bill running.
    standingStreams: config.standingStreams ?? false,
    logger: createLogger({ level, environment: name }),
    ...app.options,
    store: app.options.store ?? openStore(config),
    access: app.options.access ?? chooseAccess(config),
  });
}

function openStore({ backend, table, endpoint, region }: Config) {
  if (backend === "memory") return new MemoryStore();
  if (backend === "local")
    throw new AppError("invalid_input", 'MCP_STATE_BACKEND: "local" is not allowed here; expected dynamodb, memory');
  const client = createDynamoDBClient({
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
  });
  return new DynamoDBStore({ client, table });
}

function chooseAccess({ trustAuthorizer, authToken }: Config): Access {
  if (trustAuthorizer) return { mode: "carrier" };
  if (authToken !== undefined) return { mode: "tokens", tokens: parseTokens(authToken) };
  throw new AppError(
    "invalid_input",
    "Nobody says who may call: set STATEFUL_MCP_TRUST_AUTHORIZER=on behind an authorizer, set MCP_AUTH_TOKEN, or give createApp an access",
  );
}
