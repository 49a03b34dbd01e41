// Baseline: the official SDK 1.x with a stateful Streamable HTTP transport per session, as its documentation shows it.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as z from "zod";
import { serveHttp } from "./serve.ts";

const transports = new Map<string, StreamableHTTPServerTransport>();

function newServer(): McpServer {
  const server = new McpServer({ name: "sdk1", version: "0.1.0" });
  server.registerTool(
    "echo",
    {
      title: "Echo",
      description: "Returns the text it is given.",
      inputSchema: { text: z.string() },
      outputSchema: { text: z.string() },
    },
    ({ text }) => ({ content: [{ type: "text", text }], structuredContent: { text } }),
  );
  return server;
}

const app = createMcpExpressApp();
app.post("/mcp", async (request: IncomingMessage & { body?: unknown }, response: ServerResponse) => {
  const session = request.headers["mcp-session-id"];
  let transport = typeof session === "string" ? transports.get(session) : undefined;
  if (transport === undefined) {
    const opened = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => void transports.set(id, opened),
    });
    transport = opened;
    await newServer().connect(transport);
  }
  await transport.handleRequest(request, response, request.body);
});
serveHttp(createServer(app));
