// An app as a process that serves MCP and the REST routes over HTTP, until SIGTERM or SIGINT.
import { once } from "node:events";
import { resolve } from "node:path";
import {
  type Access,
  type App,
  AppError,
  type Config,
  entryNameOf,
  type Logger,
  PROTOCOL_REVISIONS,
  READY_SERVER,
  VERSION,
} from "@stateful-mcp/core/runtime";
import { chooseAccess } from "../access.ts";
import { withConsole } from "../console.ts";
import { serveNode, withShortWay } from "../node.ts";
import { announce } from "./banner.ts";
import { compose, type UnboundApp } from "./compose.ts";
import { loadConfig, openLogger } from "./environment.ts";
import { EXIT } from "./exit.ts";
import { inUse, saysItIs } from "./neighbour.ts";
import { stopSignal } from "./signals.ts";

/** The flags of `serve`. */
export interface ServeOptions {
  /** Address to listen on, in place of `HOST`. */
  host?: string;
  /** Port to listen on, in place of `PORT`; 0 takes a free one. */
  port?: string;
  /** Creates a missing table of the `dynamodb` backend first. Default false. */
  createTable?: true;
  /** Serves everybody without tokens. Default false. */
  allowAnonymous?: true;
  /** A file with settings; the environment wins over it. Default: no file is read. */
  envFile?: string;
  /** More lines for a person on how to connect. */
  hints?: (url: string) => readonly string[];
  /** The folder of the console's files, for where `STATEFUL_MCP_CONSOLE` has it served. Default: there is none. */
  console?: URL;
  /**
   * Told the console's address once requests are accepted: for a command that opens it for the one who runs it. The console is then
   * served for every value of `STATEFUL_MCP_CONSOLE`, and tells where state lies.
   */
  opened?: (url: string) => void;
}

/** Serves until it is told to stop. Resolves with the exit code. @throws AppError when it cannot start. */
export async function serve(app: UnboundApp, options: ServeOptions = {}): Promise<number> {
  const { host, port, envFile } = options;
  const notices: string[] = [];
  const flags = { HOST: host, PORT: port };
  const config = loadConfig({ flags, envFile, carrier: "http", tell: (notice) => notices.push(notice) });
  const logger = await openLogger(config, app.options.name);
  for (const notice of notices) logger.warn({}, notice);
  const allowAnonymous = options.allowAnonymous === true;
  const access = app.options.access ?? chooseAccess(config, { kind: "http", allowAnonymous }, logger);
  logCrashes(logger);
  const stop = stopSignal();
  const composed = await compose(app, config, {
    ...{ access, logger, carrier: "http" as const },
    createTable: options.createTable === true,
  });
  const { app: running, location, close } = composed;
  // Where everybody may call, nothing can be listed, and a page that asks for nothing would be a page for strangers.
  const isOwn = options.opened !== undefined;
  const isShown = access.mode !== "anonymous" && (isOwn || (config.console ?? access.mode === "local"));
  const shown = isShown ? options.console : undefined;
  const facts = {
    name: running.options.name ?? READY_SERVER,
    version: running.options.version ?? VERSION,
    protocol: PROTOCOL_REVISIONS,
    mode: access.mode,
    access: describeAccess(access),
    backend: config.backend,
    // Where the files of a server lie is not for those who call it from elsewhere.
    ...((isOwn || access.mode === "local") && { location }),
  };
  // Loads what speaks HTTP, so that the first client does not wait for it.
  const served = await withShortWay(running);
  const fetch = shown ? await withConsole(served.fetch, { directory: shown, facts }) : served.fetch;
  const server = await serveNode({ ...served, fetch }, { host: config.host, port: config.port, logger }).catch(
    async (error) => {
      await close();
      throw await explained(error, config, running.options.name ?? READY_SERVER);
    },
  );
  running.resumeTasks();
  const url = `${server.url}/mcp`;
  announce(
    running,
    {
      at: { url },
      location,
      settings: envFile && resolve(envFile),
      access: describeAccess(access),
      console: shown && `${server.url}/console`,
      connect: [...howToConnect(running, url, access), ...(options.hints?.(url) ?? [])],
    },
    logger,
  );
  options.opened?.(`${server.url}/console`);
  if (!stop.aborted) await once(stop, "abort");
  logger.info({}, "Stopping: running calls may finish");
  await server.close();
  await close();
  logger.info({}, "Stopped");
  return EXIT.done;
}

/** A taken port is often that of the very server a person wants. */
async function explained(error: unknown, { host, port }: Config, name: string): Promise<unknown> {
  if (!(error instanceof AppError) || error.code !== "conflict") return error;
  const taken = (await saysItIs(name, host, port))
    ? `${inUse(name, host, port)}, else`
    : `Port ${port} on ${host} is in use by another program: stop that, or`;
  const message = `${taken} choose another port with --port (0 takes a free one)`;
  return new AppError("conflict", message, { cause: error });
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
      return "callers whom the carrier of their requests has authenticated";
    case "anonymous":
      return "everybody, without a token: only unguessable session handles work, nothing can be listed";
  }
}

function howToConnect(app: App, url: string, access: Access): string[] {
  const header = access.mode === "tokens" || access.mode === "oauth" ? ' --header "Authorization: Bearer <token>"' : "";
  return [
    `clients that speak HTTP: ${url}${header && " with the header Authorization: Bearer <token>"}`,
    `Claude Code: claude mcp add --transport http ${entryNameOf(app.options.name ?? READY_SERVER)} ${url}${header}`,
  ];
}

/** An uncaught error leaves the process in an unknown state: log it and end, so that a supervisor starts a new process. */
function logCrashes(logger: Logger): void {
  const crash = (error: unknown) => {
    logger.error({ err: error }, "The process crashed");
    process.exit(EXIT.failed);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}
