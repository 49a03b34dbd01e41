#!/usr/bin/env node
// What `npx stateful-mcp` runs. Without arguments it serves MCP over stdio, and a host waits for that start: so nothing is
// loaded here before it is needed.
import { endWith } from "./run.ts";

if (process.argv.length === 2) {
  await endWith(async () => (await import("./commands/stdio.ts")).stdio());
} else {
  await endWith(async () => (await import("./program.ts")).main(process.argv));
}
