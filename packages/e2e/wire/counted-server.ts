// A server that leaves its journal several times a second, for tests of what an operator reads of a fleet: its version and its label come
// from the environment, and one tool takes as long as it is told, or writes a file and
// waits for another one.
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "@stateful-mcp/adapters";
import { builtinTools, createApp, defineTool } from "@stateful-mcp/core";
import * as z from "zod";

const POLL_MS = 20;

const take = defineTool({
  name: "take",
  description: "Takes so many milliseconds, or writes a file and waits for another one.",
  input: z.object({ ms: z.int().max(1_000).optional(), begun: z.string().optional(), file: z.string().optional() }),
  output: z.object({}),
  session: "none",
  run: async ({ ms = 0, begun, file }, { signal }) => {
    if (begun !== undefined) writeFileSync(begun, "");
    if (ms > 0) await sleep(ms, undefined, { signal });
    while (file !== undefined && !existsSync(file)) await sleep(POLL_MS, undefined, { signal });
    return {};
  },
});

const { COUNTED_VERSION: version = "1.0.0", COUNTED_LABEL: label = "counted" } = process.env;
const tools = [...builtinTools({ backend: "dynamodb", anonymous: false, ttlSeconds: 600 }), take];
const journal = { mode: "calls", label, callsEverySeconds: 0.2, rollUpEverySeconds: 0.2 } as const;
await run(createApp({ name: "counted-server", version, tools, journal, limits: { callsPerMinute: 600 } }));
