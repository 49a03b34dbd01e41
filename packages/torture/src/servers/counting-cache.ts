// A server with one cached tool that tells the bar whenever it really computes.
import { defineTool } from "@stateful-mcp/core";
import * as z from "zod";
import { countRun, serveTools } from "./serve.ts";

const compute = defineTool({
  name: "compute",
  description: "Computes something slowly.",
  input: z.object({ id: z.string() }),
  output: z.object({ answer: z.string() }),
  annotations: { readOnlyHint: true },
  session: "none",
  cache: { ttlSeconds: 3600 },
  run: async ({ id }) => ({ answer: await countRun(id) }),
});

await serveTools([compute]);
