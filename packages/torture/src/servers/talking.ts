// A server with the ready tools and resources and one tool that says many things before its answer.
import { setTimeout as sleep } from "node:timers/promises";
import { builtinResources, builtinTools, DEFAULT_SESSION_TTL_SECONDS, defineTool } from "@stateful-mcp/core";
import * as z from "zod";
import { serveTools } from "./serve.ts";

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
await serveTools([...tools, talk], {
  resources: builtinResources({ anonymous }),
  // A call may be as long as a bar wants its stream to be.
  limits: { callTimeoutMs: 900_000 },
});
