// `serve`: MCP and the REST routes over HTTP, until SIGTERM or SIGINT.
import { type ServeOptions, serve as serveOverHttp } from "@stateful-mcp/adapters/process";
import { createApp } from "@stateful-mcp/core/runtime";
import { memoryView } from "../memory-view.ts";
import { COMMAND, VERSION } from "../version.ts";

/** The folder of the console's files: beside the bundle where this is published. */
export const CONSOLE = new URL(import.meta.url.endsWith(".ts") ? "../../console/" : "../console/", import.meta.url);

export const serve = (options: ServeOptions): Promise<number> =>
  serveOverHttp(
    { options: { version: VERSION, memoryView }, with: createApp },
    {
      ...options,
      console: CONSOLE,
      hints: (url) => [`a check: ${COMMAND} doctor ${url}`],
    },
  );
