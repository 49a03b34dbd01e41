// Without a command: MCP over stdin and stdout, as desktop clients start it.
import { serveStdio, takeStdout } from "@stateful-mcp/adapters/stdio";
import { announce } from "../banner.ts";
import { compose, loadConfig, openLogger } from "../compose.ts";
import { stopSignal } from "../signals.ts";
import { COMMAND } from "../version.ts";

export async function stdio(): Promise<number> {
  const output = takeStdout();
  const config = loadConfig();
  const logger = await openLogger(config);
  const { app, place, close } = await compose(config, { access: { mode: "local" }, logger });
  const waiting = [
    "your client starts this command itself and talks to it over stdin; to try it by hand,",
    `run \`${COMMAND} serve\` for HTTP or \`${COMMAND} doctor\` for a check`,
  ];
  announce(app, { at: "stdio", place, access: "the program that started this one", connect: waiting }, logger);
  const code = await serveStdio(app, { output, logger, signal: stopSignal() });
  await close();
  return code;
}
