// A server with the ready tools and resources and one tool that says many things before its answer. Started with --expose-gc, it
// also tells at /measured what it holds.
import { createHook } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { builtinResources, builtinTools, DEFAULT_SESSION_TTL_SECONDS, defineTool } from "@stateful-mcp/core";
import * as z from "zod";
import { appOf, serve } from "./serve.ts";

const talk = defineTool({
  name: "talk",
  description: "Says numbered lines to the client's log, then answers with how many there were.",
  input: z.object({
    label: z.string(),
    lines: z.int(),
    /** After each line. */
    pauseMs: z.int().default(0),
    /** Before the answer. */
    silenceMs: z.int().default(0),
    /** Every so many lines a large one; 0: none. */
    largeEvery: z.int().default(0),
    largeCharacters: z.int().default(0),
  }),
  output: z.object({ label: z.string(), said: z.int() }),
  session: "none",
  run: async ({ label, lines, pauseMs, silenceMs, largeEvery, largeCharacters }, { logToClient }) => {
    for (let line = 0; line < lines; line++) {
      const large = largeEvery > 0 && line % largeEvery === largeEvery - 1;
      // Two units per character, from an odd offset on: parts of it begin inside one.
      const text = large ? "😀".repeat(largeCharacters) : "";
      logToClient("info", { label, line, text });
      if (pauseMs > 0) await sleep(pauseMs);
    }
    await sleep(silenceMs);
    return { label, said: lines };
  },
});

const anonymous = false;
const tools = builtinTools({ backend: "dynamodb", anonymous, ttlSeconds: DEFAULT_SESSION_TTL_SECONDS });
const app = await appOf({
  tools: [...tools, talk],
  resources: builtinResources({ anonymous }),
  // A call may be as long as a bar wants its stream to be.
  limits: { callTimeoutMs: 900_000 },
});

/** Timers, also those that would not keep the process from ending, and connections. */
const live = new Map<number, string>();
let server: Server | undefined;
if (globalThis.gc) {
  subscribe("http.server.request.start", (message) => {
    server = (message as { server: Server }).server;
  });
  const counted = new Set(["Timeout", "TCPWRAP"]);
  createHook({
    init: (id, type) => {
      if (counted.has(type)) live.set(id, type);
    },
    destroy: (id) => live.delete(id),
    // There are so many of them that counting would be most of the work.
    trackPromises: false,
  }).enable();
}

/** What is held while no client is served. Connections that clients keep open for their next request are closed first. */
async function measured(): Promise<Response> {
  server?.closeIdleConnections();
  // What has ended is reported to the hook on a later turn.
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  globalThis.gc?.();
  globalThis.gc?.();
  const count = (kind: string) => [...live.values()].filter((one) => one === kind).length;
  return Response.json({
    heapBytes: process.memoryUsage().heapUsed,
    timers: count("Timeout"),
    connections: count("TCPWRAP"),
  });
}

await serve(app, async (request, carried) =>
  new URL(request.url).pathname === "/measured" ? measured() : app.fetch(request, carried),
);
