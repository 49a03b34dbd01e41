// What this server can do. `app` runs unchanged over stdio, over HTTP, on AWS Lambda and on Fargate.
import { createApp, defineTool } from "@stateful-mcp/adapters";
import * as z from "zod";

export const incrementCounter = defineTool({
  name: "increment_counter",
  description: "Adds to this session's counter and returns it.",
  input: z.object({ by: z.int().default(1).describe("How much to add.") }),
  output: z.object({ counter: z.number() }),
  run: async ({ by }, { session }) => ({ counter: await session.values.increment("counter", by) }),
});

export const app = createApp({ name: "my-server", tools: [incrementCounter] });
