// A server with the ready tools and one whose effect lies outside the table: it tells the bar whenever it really runs.
import { builtinTools, DEFAULT_SESSION_TTL_SECONDS, defineTool } from "@stateful-mcp/core";
import * as z from "zod";
import { countRun, serveTools } from "./serve.ts";

const charge = defineTool({
  name: "charge",
  description: "Does something outside that should happen once.",
  input: z.object({ id: z.string(), amount: z.number() }),
  output: z.object({ receipt: z.string() }),
  session: "none",
  idempotent: true,
  run: async ({ id }) => ({ receipt: await countRun(id) }),
});

const ttlSeconds = DEFAULT_SESSION_TTL_SECONDS;
await serveTools([...builtinTools({ backend: "dynamodb", anonymous: false, ttlSeconds }), charge]);
