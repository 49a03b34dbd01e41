// `serve`: MCP and the REST routes over HTTP, until SIGTERM or SIGINT.
import { once } from "node:events";
import { accessFromConfig } from "@stateful-mcp/adapters/access";
import { isLoopback, serveNode } from "@stateful-mcp/adapters/node";
import { type Access, AppError, type Config, type Logger } from "@stateful-mcp/core";
import { announce } from "../banner.ts";
import { compose, loadConfig, openLogger } from "../compose.ts";
import { EXIT } from "../run.ts";
import { stopSignal } from "../signals.ts";
import { COMMAND } from "../version.ts";

export interface ServeOptions {
  host?: string;
  port?: string;
  createTable?: true;
  allowAnonymous?: true;
}

export async function serve(options: ServeOptions): Promise<number> {
  const config = loadConfig({ HOST: options.host, PORT: options.port });
  const access = chooseAccess(config, options.allowAnonymous === true);
  const logger = await openLogger(config);
  logCrashes(logger);
  const stop = stopSignal();
  const { app, place, close } = await compose(config, { access, logger, createTable: options.createTable === true });
  const server = await serveNode(app, { host: config.host, port: config.port, logger });
  announce(
    app,
    {
      at: { url: `${server.url}/mcp` },
      place,
      access: describeAccess(access),
      connect: howToConnect(server.url, access),
    },
    logger,
  );
  if (!stop.aborted) await once(stop, "abort");
  logger.info({}, "Stopping: running calls may finish");
  await server.close();
  await close();
  logger.info({}, "Stopped");
  return EXIT.done;
}

function chooseAccess(config: Config, allowAnonymous: boolean): Access {
  const configured = accessFromConfig(config);
  if (configured && allowAnonymous)
    throw new AppError("invalid_input", "Authentication is configured and --allow-anonymous given: drop one of them");
  if (configured) return configured;
  if (allowAnonymous) return { mode: "anonymous" };
  if (isLoopback(config.host)) return { mode: "local" };
  throw new AppError(
    "invalid_input",
    `Other machines can reach ${config.host}: set MCP_AUTH_TOKEN (\`stateful-mcp token\` mints one) or STATEFUL_MCP_OAUTH_ISSUER, or give --allow-anonymous if everybody may call`,
  );
}

function describeAccess(access: Access): string {
  switch (access.mode) {
    case "local":
      return "this machine, without a token";
    case "tokens":
      return "callers with a static bearer token";
    case "oauth":
      return `callers with an access token of ${access.oauth.options.issuer}${access.tokens ? ", or a static bearer token" : ""}`;
    case "carrier":
      return "callers that whoever carries their requests has authenticated";
    case "anonymous":
      return "everybody, without a token: only unguessable session handles work, nothing can be listed";
  }
}

function howToConnect(url: string, access: Access): string[] {
  const header = access.mode === "tokens" || access.mode === "oauth" ? ' --header "Authorization: Bearer <token>"' : "";
  return [
    `clients that speak HTTP: ${url}/mcp${header && " with the header Authorization: Bearer <token>"}`,
    `Claude Code: claude mcp add --transport http memory ${url}/mcp${header}`,
    `a check: ${COMMAND} doctor ${url}/mcp`,
  ];
}

/** A bug that nobody caught leaves the process in an unknown state: say so, and let whoever runs it start a new one. */
function logCrashes(logger: Logger): void {
  const crash = (error: unknown) => {
    logger.error({ err: error }, "The process crashed");
    process.exit(EXIT.failed);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}
