// The line that each call leaves: it says who called, with what and over what, and holds no name that a stranger made up.
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { parseTokens } from "../auth/tokens.ts";
import { defineTool } from "../define/tool.ts";
import { type LogFields, type Logger, silentLogger } from "../logger.ts";
import { testApp } from "../testing/test-app.ts";

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER_TRACEPARENT = "00-11111111111111111111111111111111-2222222222222222-01";
const TOKEN = "a".repeat(32);

const cachedTool = defineTool({
  ...{ name: "look_up", description: "Looks up.", input: z.object({}), output: z.object({ found: z.boolean() }) },
  session: "none",
  annotations: { readOnlyHint: true },
  cache: { ttlSeconds: 60 },
  run: () => ({ found: true }),
});

function server() {
  const lines: LogFields[] = [];
  const keep: Logger["info"] = (fields, message) => void (message === "call" && lines.push(fields));
  const { app } = testApp({
    logger: { ...silentLogger, info: keep },
    access: { mode: "tokens", tokens: parseTokens(`alice=${TOKEN}`) },
    tools: [cachedTool],
  });
  const send = (path: string, body: object, headers: Record<string, string> = {}) =>
    app.fetch(
      new Request(`http://localhost${path}`, {
        method: "POST",
        headers: {
          host: "localhost",
          authorization: `Bearer ${TOKEN}`,
          accept: "application/json, text/event-stream",
          "content-type": "application/json",
          ...headers,
        },
        body: JSON.stringify(body),
      }),
    );
  const callMcp = (name: string, headers: Record<string, string> = {}, meta: object = {}) => {
    const envelope = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "probe", version: "7" },
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const params = { name, arguments: {}, _meta: { ...envelope, ...meta } };
    const method = "tools/call";
    const routing = { "mcp-protocol-version": "2026-07-28", "mcp-method": method, "mcp-name": name };
    return send("/mcp", { jsonrpc: "2.0", id: 1, method, params }, { ...routing, ...headers });
  };
  return { app, lines, send, callMcp };
}

describe("the line of a call", () => {
  it("over MCP says who called, with which client, over what, under the id of the answer", async () => {
    const { lines, callMcp } = server();
    const answer = await callMcp("look_up", { traceparent: TRACEPARENT });
    await answer.text();
    expect(answer.status).toBe(200);
    expect(lines).toEqual([
      expect.objectContaining({
        request_id: answer.headers.get("x-request-id"),
        transport: "http",
        era: "modern",
        method: "tools/call",
        client: "probe 7",
        tool: "look_up",
        principal: expect.stringMatching(/^[\w-]{24}$/),
        principal_name: "alice",
        cached: false,
        outcome: "ok",
        trace_id: "0af7651916cd43dd8448eb211c80319c",
      }),
    ]);
  });

  it("names the trace of the message before that of the HTTP header", async () => {
    const { lines, callMcp } = server();
    await (await callMcp("look_up", { traceparent: OTHER_TRACEPARENT }, { traceparent: TRACEPARENT })).text();
    expect(lines[0]?.trace_id).toBe("0af7651916cd43dd8448eb211c80319c");
  });

  it("as plain JSON has the header's trace, and tells a kept result from a new one", async () => {
    const { lines, send } = server();
    for (const _ of [1, 2]) await (await send("/tools/look_up", {}, { traceparent: TRACEPARENT })).text();
    const seen = { transport: "rest", tool: "look_up", trace_id: "0af7651916cd43dd8448eb211c80319c" };
    expect(lines).toMatchObject([
      { ...seen, cached: false },
      { ...seen, cached: true },
    ]);
    expect(lines[0]?.request_id).not.toBe(lines[1]?.request_id);
  });

  it("holds no tool's name that a caller made up", async () => {
    const { lines, send } = server();
    await (await send("/tools/made_up_4711", {})).text();
    expect(lines).toMatchObject([{ unknown_tool: true, outcome: "not_found" }]);
    expect(JSON.stringify(lines)).not.toContain("made_up_4711");
  });
});

it("every HTTP answer has an id: probes, refusals and what is not there", async () => {
  const { app } = server();
  const ids = new Set<unknown>();
  for (const path of ["/healthz", "/nothing", "/mcp/list_tools", "/mcp"]) {
    const answer = await app.fetch(new Request(`http://localhost${path}`, { headers: { host: "localhost" } }));
    ids.add(answer.headers.get("x-request-id"));
  }
  const foreign = await app.fetch(new Request("http://localhost/mcp", { headers: { origin: "https://evil.example" } }));
  ids.add(foreign.headers.get("x-request-id"));
  expect(ids.size).toBe(5);
  expect(ids).not.toContain(null);
});
