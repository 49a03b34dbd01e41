// Baseline: the official SDK 2.x as its documentation mounts it, a new server per request behind its own Hono app.
import { createMcpHonoApp } from "@modelcontextprotocol/hono";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { serveFetch } from "./serve.ts";

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "official", version: "0.1.0" });
  server.registerTool(
    "echo",
    {
      title: "Echo",
      description: "Returns the text it is given.",
      inputSchema: z.object({ text: z.string() }),
      outputSchema: z.object({ text: z.string() }),
    },
    ({ text }) => ({ content: [{ type: "text", text }], structuredContent: { text } }),
  );
  return server;
});

const app = createMcpHonoApp();
app.all("/mcp", (context) => handler.fetch(context.req.raw));
serveFetch(app.fetch);
