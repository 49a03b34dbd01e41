// Baseline: Hono reading a tool's call, parsing it and answering the bytes that an echo is answered with, and nothing more. It is the floor
// under everything that is served this way, and by it is seen whether the machine stays the same.
import { Hono } from "hono";
import { serveFetch } from "./serve.ts";

const _meta = { "io.modelcontextprotocol/serverInfo": { name: "stateful-mcp", version: "0.1.0" } };

const app = new Hono();
app.post("/mcp", async (context) => {
  const { id, params } = (await context.req.json()) as { id: number; params: { arguments: { text: string } } };
  const structuredContent = { text: params.arguments.text };
  const content = [{ type: "text", text: JSON.stringify(structuredContent) }];
  return context.json({ result: { content, structuredContent, resultType: "complete", _meta }, jsonrpc: "2.0", id });
});
serveFetch(app.fetch);
