import { createMcpHandler, McpServer, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import {
  legacyCall,
  legacyInitialize,
  legacyInitialized,
  messageOf,
  modernCall,
  type WireRequest,
} from "./requests.ts";

function echoServer(): McpServer {
  const server = new McpServer({ name: "test", version: "0.1.0" });
  server.registerTool("echo", { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
    content: [{ type: "text", text }],
  }));
  return server;
}

function request({ headers, body }: WireRequest): Request {
  return new Request("http://127.0.0.1/mcp", { method: "POST", headers, body });
}

const echoed = (id: number) => ({ id, result: { content: [{ type: "text", text: "hello" }] } });

describe("the official server", () => {
  test("serves a modern call as modern, with no fallback to the previous era", async () => {
    const handler = createMcpHandler(echoServer, { legacy: "reject" });
    const response = await handler.fetch(request(modernCall(7, "echo", { text: "hello" })));
    expect(response.status).toBe(200);
    expect(messageOf(await response.text())).toMatchObject(echoed(7));
  });

  test("serves the handshake and the calls of a 2025-era session", async () => {
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => "session-1" });
    await echoServer().connect(transport);
    const opened = await transport.handleRequest(request(legacyInitialize()));
    expect(opened.status).toBe(200);
    const session = opened.headers.get("mcp-session-id") ?? "";
    expect(session).toBe("session-1");
    expect((await transport.handleRequest(request(legacyInitialized(session)))).status).toBe(202);
    const response = await transport.handleRequest(request(legacyCall(8, session, "echo", { text: "hello" })));
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(messageOf(await response.text())).toMatchObject(echoed(8));
    await transport.close();
  });
});

describe("an answer", () => {
  test("that streams has its message in the last event", () => {
    const event = (id: number) => `event: message\ndata: ${JSON.stringify({ id })}\n\n`;
    expect(messageOf(`: keep-alive\n\n${event(1)}${event(2)}`)).toEqual({ id: 2 });
  });

  test("without a message is an error", () => {
    expect(() => messageOf("Bad Gateway")).toThrow(/Bad Gateway/);
  });
});
