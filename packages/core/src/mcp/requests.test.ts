// Each request of the protocol leaves one line, in both eras and on both ways, and its answer says under which id.
import { describe, expect, it } from "vitest";
import { framesOf, modernFetch, type Wire } from "../../test-support/modern-requests.ts";
import { parseTokens } from "../auth/tokens.ts";
import { type LogFields, silentLogger } from "../logger.ts";
import { testApp } from "../testing/test-app.ts";

const TOKEN = "a".repeat(32);
const ID_KEY = "io.github.stateful-mcp/request-id";

function server() {
  const lines: (LogFields & { message: string })[] = [];
  const { app } = testApp({
    logger: { ...silentLogger, info: (fields, message) => void lines.push({ ...fields, message }) },
    access: { mode: "tokens", tokens: parseTokens(`alice=${TOKEN}`) },
  });
  const post = (message: object, headers: Record<string, string> = {}) =>
    app.fetch(
      new Request("http://localhost/mcp", {
        method: "POST",
        headers: {
          host: "localhost",
          authorization: `Bearer ${TOKEN}`,
          accept: "application/json, text/event-stream",
          "content-type": "application/json",
          ...headers,
        },
        body: JSON.stringify({ jsonrpc: "2.0", ...message }),
      }),
    );
  return { app, lines, post };
}

/** The one message of an answer, as JSON or as the only event of a stream. */
async function messageOf(response: Response): Promise<Wire> {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response.json();
  for await (const frame of framesOf(response)) if ("id" in frame) return frame;
}

const METHODS = ["tools/list", "prompts/list", "resources/templates/list", "server/discover", "resources/list"];

describe("each request has one line, and its answer names it", () => {
  it.each([1.5, "text", true])("also where its _meta is no object: %j", async (_meta) => {
    const { post, lines } = server();
    const headers = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list" };
    const response = await post({ id: 1, method: "tools/list", params: { _meta } }, headers);
    expect(response.status).toBe(400);
    expect(lines).toEqual([expect.objectContaining({ message: "request", method: "tools/list", status: 400 })]);
  });

  it("also where its method is no text, and could not be made one", async () => {
    const { post, lines } = server();
    const response = await post({ id: 1, method: { toString: null }, params: {} });
    expect(response.status).toBe(400);
    expect(lines).toEqual([expect.objectContaining({ message: "request", method: "_OTHER", status: 400 })]);
  });

  it("in the era of 2026, on the short way and on the SDK's", async () => {
    const { app, lines } = server();
    for (const method of METHODS) {
      // Without a progress token the second one takes the short way, where there is one.
      for (const meta of [{ progressToken: 1 }, {}, {}]) {
        const response = await modernFetch(app, method, {}, { token: TOKEN, meta });
        const answer = await messageOf(response);
        const requestId = response.headers.get("x-request-id");
        expect(answer.result._meta[ID_KEY]).toBe(requestId);
        expect(lines.splice(0)).toEqual([
          expect.objectContaining({
            message: method === "resources/list" ? "call" : "request",
            request_id: requestId,
            ...{ transport: "http", era: "modern", method, client: "wire 1.0.0" },
            principal: expect.stringMatching(/^[\w-]{24}$/),
            principal_name: "alice",
            duration_ms: expect.any(Number),
            outcome: "ok",
          }),
        ]);
      }
    }
  });

  it("calls of tools too, also where the answer had been recorded", async () => {
    const { app, lines } = server();
    for (const outcome of ["ok", "replayed"]) {
      const params = { name: "add_note", arguments: { note: "n", session_id: "s", idempotency_key: "k" } };
      const response = await modernFetch(app, "tools/call", params, { token: TOKEN });
      const answer = await messageOf(response);
      expect(answer.result._meta[ID_KEY]).toBe(response.headers.get("x-request-id"));
      expect(lines.splice(0)).toMatchObject([{ message: "call", outcome, request_id: answer.result._meta[ID_KEY] }]);
    }
  });

  it("in the era of 2025, its handshake first", async () => {
    const { lines, post } = server();
    const clientInfo = { name: "old", version: "1" };
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
    const hello = await post({ id: 1, method: "initialize", params });
    expect((await messageOf(hello)).result._meta[ID_KEY]).toBe(hello.headers.get("x-request-id"));
    const session = { "mcp-session-id": hello.headers.get("mcp-session-id")! };
    await post({ method: "notifications/initialized" }, session);
    for (const method of ["tools/list", "ping", "resources/list"]) {
      const answer = await messageOf(await post({ id: 2, method, params: {} }, session));
      // A client of that era may take only an object without members for an empty result.
      if (method === "ping") expect(answer.result).toEqual({});
      else expect(answer.result._meta[ID_KEY]).toEqual(expect.any(String));
    }
    const seen = { transport: "http", era: "legacy", client: "old 1", principal_name: "alice", outcome: "ok" };
    expect(lines).toMatchObject([
      { ...seen, message: "request", method: "initialize" },
      { ...seen, message: "request", method: "tools/list" },
      { ...seen, message: "request", method: "ping" },
      { ...seen, message: "call", method: "resources/list" },
    ]);
  });

  it("also one that fails before any tool or resource is asked, without names that strangers make up", async () => {
    const { app, lines, post } = server();
    await modernFetch(app, "made/up_4711", {}, { token: TOKEN });
    await modernFetch(app, "tools/call", { name: "made_up_4711" }, { token: TOKEN });
    await post({ id: 1, method: "initialize", params: { clientInfo: 5 } });
    await post({ id: 1, method: "tools/list", params: {} });
    const seen = { message: "request", principal_name: "alice", outcome: "protocol_error" };
    expect(lines).toMatchObject([
      { ...seen, method: "_OTHER", error_code: -32_601 },
      { ...seen, method: "tools/call", error_code: -32_602 },
      { ...seen, method: "initialize", status: 400 },
      { ...seen, method: "tools/list", status: 400 },
    ]);
    expect(JSON.stringify(lines)).not.toContain("4711");
  });

  it("a stream of changes when it ends, with how long it was open", async () => {
    const { app, lines } = server();
    const notifications = { resourceSubscriptions: ["session://plan/notes"] };
    const response = await modernFetch(app, "subscriptions/listen", { notifications }, { token: TOKEN });
    const frames = framesOf(response);
    await frames.next();
    expect(lines).toEqual([]);
    app.drain();
    for await (const _ of frames);
    expect(lines).toMatchObject([
      { method: "subscriptions/listen", transport: "http", outcome: "ok", duration_ms: expect.any(Number) },
    ]);
    const again = await modernFetch(app, "subscriptions/listen", { notifications }, { token: TOKEN });
    expect((await messageOf(again)).error.message).toContain("about to end");
    expect(lines.slice(1)).toMatchObject([{ method: "subscriptions/listen", outcome: "protocol_error", status: 200 }]);
  });
});
