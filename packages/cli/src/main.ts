#!/usr/bin/env node
// What `npx stateful-mcp` runs. Without arguments it serves MCP over stdio, and a host waits for that start: so nothing is
// loaded here before it is needed. The runtime is checked before anything else is loaded, because an older Node.js would stop at
// the first thing that it does not know, with a message that does not say what to do.
import { unfitNode } from "./version.ts";

const complaint = unfitNode(process.versions.node);
if (complaint !== undefined) {
  process.stderr.write(`stateful-mcp: ${complaint}\n`);
  process.exit(2);
}
(await import("./compiled-code.ts")).keepCompiledCode(process.env);
const { endWith } = await import("./run.ts");
if (process.argv.length === 2) {
  await endWith(async () => (await import("./commands/stdio.ts")).stdio());
} else {
  await endWith(async () => (await import("./program.ts")).main(process.argv));
}
