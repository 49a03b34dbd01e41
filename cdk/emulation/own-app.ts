// A user's own entry: the ready server's tools and one that takes as long as somebody else makes it take.
import { builtinTools, createApp, defineTool } from "@stateful-mcp/core";
import * as z from "zod";

const waitForValue = defineTool({
  name: "wait_for_value",
  description: "Answers when a value is set.",
  input: z.object({ key: z.string() }),
  output: z.object({ value: z.string() }),
  run: async ({ key }, { session, signal }) => {
    while (!signal.aborted) {
      const found = await session.values.get(key);
      if (found) return { value: String(found.value) };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw signal.reason;
  },
});

export const app = createApp({
  name: "users-own",
  tools: [...builtinTools({ backend: "dynamodb", anonymous: false, ttlSeconds: 86_400 }), waitForValue],
});
