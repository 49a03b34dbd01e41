// An app as a process that speaks MCP over stdin and stdout, as desktop clients start it.
import { serveStdio, takeStdout } from "../stdio/serve.ts";
import { announce } from "./banner.ts";
import { compose, type UnboundApp } from "./compose.ts";
import { loadConfig, openLogger } from "./environment.ts";
import { stopSignal } from "./signals.ts";

/** What a process over stdio says of itself. */
export interface StdioProcessOptions {
  /** What to tell a person who starts it by hand: lines. */
  hints?: readonly string[];
}

/** Serves until stdin ends or SIGTERM or SIGINT comes. Resolves with the exit code. @throws AppError when it cannot start. */
export async function stdio(app: UnboundApp, { hints = [] }: StdioProcessOptions = {}): Promise<number> {
  const output = takeStdout();
  const notices: string[] = [];
  const config = loadConfig({ carrier: "stdio", tell: (notice) => notices.push(notice) });
  const logger = await openLogger(config, app.options.name);
  for (const notice of notices) logger.warn({}, notice);
  const {
    app: running,
    location,
    close,
  } = await compose(app, config, {
    access: { mode: "local" },
    logger,
    carrier: "stdio",
  });
  announce(running, { at: "stdio", location, access: "the program that started this one", connect: hints }, logger);
  running.resumeTasks();
  const code = await serveStdio(running, { output, logger, signal: stopSignal() });
  await close();
  return code;
}
