// Messages that no key and no reader can hold are refused at the door, in an open session of the 2025 era and in the modern one.
import { afterEach, describe, expect, it } from "vitest";
import { modern } from "../../test-support/modern-requests.ts";
import { type App, createApp } from "../app.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { faultOfMessage } from "./message-check.ts";

const opened: App[] = [];
afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

const INITIALIZE = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
const LONG = "x".repeat(2_000);

async function session() {
  const app = createApp({ store: new MemoryStore() });
  opened.push(app);
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    app.fetch(
      new Request("http://localhost/mcp", {
        method: "POST",
        headers: { host: "localhost", "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
    );
  const answer = await post({ jsonrpc: "2.0", id: 1, method: "initialize", params: INITIALIZE });
  const id = String(answer.headers.get("mcp-session-id"));
  return { app, post: (body: unknown) => post(body, { "mcp-session-id": id }) };
}

describe("in an open session", () => {
  it.each([
    ["a long id", { id: LONG, method: "ping" }],
    ["an id with half a pair", { id: "\ud800", method: "ping" }],
    ["an answer under a long id", { id: LONG, result: {} }],
    ["an answer under an id with half a pair", { id: "\ud800", result: {} }],
    ["an error under a long id", { id: LONG, error: { code: 1, message: "m" } }],
    ["a cancellation of a long id", { method: "notifications/cancelled", params: { requestId: LONG } }],
    ["a cancellation of half a pair", { method: "notifications/cancelled", params: { requestId: "\ud800" } }],
    ["a level with half a pair", { id: 2, method: "logging/setLevel", params: { level: "\ud800" } }],
    [
      "a subscription to half a pair",
      { id: 2, method: "resources/subscribe", params: { uri: "session://\ud800/notes" } },
    ],
    ["a resource with half a pair", { id: 2, method: "resources/read", params: { uri: "session://\ud800/notes" } }],
    ["a cursor with half a pair", { id: 2, method: "resources/list", params: { cursor: "\ud800" } }],
    ["a tool's name with half a pair", { id: 2, method: "tools/call", params: { name: "\ud800" } }],
    ["metadata with half a pair", { id: 2, method: "ping", params: { _meta: { "x/\udc00": 1 } } }],
  ])("%s is refused with 400, alone and in a batch", async (_, message) => {
    const { post } = await session();
    for (const body of [{ jsonrpc: "2.0", ...message }, [{ jsonrpc: "2.0", ...message }]]) {
      const response = await post(body);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { code: -32_600 }, id: null });
    }
    expect((await post({ jsonrpc: "2.0", id: 3, method: "ping" })).status).toBe(200);
  });

  it("a level that does not exist is refused and not kept", async () => {
    const { post } = await session();
    const answer = await (
      await post({ jsonrpc: "2.0", id: 2, method: "logging/setLevel", params: { level: "loud" } })
    ).json();
    expect(answer).toMatchObject({ error: { code: expect.any(Number) } });
    expect((await post({ jsonrpc: "2.0", id: 3, method: "ping" })).status).toBe(200);
  });
});

describe("a modern request", () => {
  it("with an id that is too long or half a pair is refused with 400", async () => {
    const { app } = await session();
    for (const id of [LONG, "\ud800"])
      expect(await modern(app, "tools/list", {}, { id })).toMatchObject({ error: { code: -32_600 }, id: null });
  });
});

describe("a message", () => {
  it("may carry anything in its arguments, which a tool checks itself, and the longest id", () => {
    const call = { method: "tools/call", params: { name: "add_note", arguments: { note: "\ud800" } } };
    expect(faultOfMessage({ jsonrpc: "2.0", id: "é".repeat(128), ...call })).toBeUndefined();
    expect(faultOfMessage({ jsonrpc: "2.0", id: `${"é".repeat(128)}x`, ...call })).toContain("256");
    for (const odd of [null, 7, "text", [], [null], {}]) expect(faultOfMessage(odd)).toBeUndefined();
  });
});
