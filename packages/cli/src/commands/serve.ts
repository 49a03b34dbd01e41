// `serve`: MCP and the REST routes over HTTP, until SIGTERM or SIGINT.
import { type ServeOptions, serve as serveOverHttp } from "@stateful-mcp/adapters/process";
import { createApp } from "@stateful-mcp/core";
import { COMMAND, VERSION } from "../version.ts";

export const serve = (options: ServeOptions): Promise<number> =>
  serveOverHttp(createApp({ version: VERSION }), {
    ...options,
    hints: (url) => [`a check: ${COMMAND} doctor ${url}`],
  });
