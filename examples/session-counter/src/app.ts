// A server that remembers: one counter per session. A call sent again with its idempotency key counts once.
import { createApp, defineTool } from "@stateful-mcp/core";
import * as z from "zod";

const KEY = "counter";

const incrementCounter = defineTool({
  name: "increment_counter",
  title: "Increment the counter",
  description: "Adds one to this session's counter and returns it.",
  input: z.object({}),
  output: z.object({ counter: z.number() }),
  run: async (_, { session }) => ({ counter: await session.values.increment(KEY) }),
});

const getCounter = defineTool({
  name: "get_counter",
  title: "Get the counter",
  description: "Returns this session's counter; 0 before the first increment.",
  annotations: { readOnlyHint: true },
  input: z.object({}),
  output: z.object({ counter: z.number() }),
  run: async (_, { session }) => ({ counter: Number((await session.values.get(KEY))?.value ?? 0) }),
});

export const app = createApp({ name: "session-counter", tools: [incrementCounter, getCounter] });
