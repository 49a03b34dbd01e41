// Without a command: MCP over stdin and stdout, as desktop clients start it.
import { stdio as serveOverStdio } from "@stateful-mcp/adapters/process";
import { createApp } from "@stateful-mcp/core/runtime";
import { memoryView } from "../memory-view.ts";
import { COMMAND, VERSION } from "../version.ts";

export const stdio = (): Promise<number> =>
  serveOverStdio(
    { options: { version: VERSION, memoryView }, with: createApp },
    {
      hints: [
        "your client starts this command itself and talks to it over stdin; to try it by hand,",
        `run \`${COMMAND} serve\` for HTTP or \`${COMMAND} doctor\` for a check`,
      ],
    },
  );
