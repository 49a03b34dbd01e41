// What waits for a caller to be read bounds what is made for it next; what has been read does not.
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { type App, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { defineTool } from "../define/tool.ts";

const TOKENS = { alice: "a".repeat(32), bob: "b".repeat(32) };
type Caller = keyof typeof TOKENS;
const done: string[] = [];
const opened: App[] = [];
afterEach(async () => {
  done.length = 0;
  for (const app of opened.splice(0)) await app.close();
});

const sized = (name: string, readOnlyHint: boolean) =>
  defineTool({
    name,
    description: "Answers with so many characters.",
    input: z.object({ length: z.int() }),
    output: z.object({ text: z.string() }),
    annotations: { readOnlyHint },
    session: "none",
    run: ({ length }, { progress }) => {
      done.push(name);
      for (let i = 0; i < 100; i++) progress(i, 100, "p".repeat(100_000));
      return { text: "x".repeat(length) };
    },
  });

/** Twice this many characters fit beside each other: a result goes out as an object and as text. */
const KIB = 1_024;

function server(limits = { unsentBytesPerCaller: 100 * KIB, unsentBytesPerProcess: 150 * KIB }) {
  const tokens = parseTokens(`alice=${TOKENS.alice},bob=${TOKENS.bob}`);
  const app = createApp({
    tools: [sized("read", true), sized("write", false)],
    access: { mode: "tokens", tokens },
    limits,
  });
  opened.push(app);
  /** Of answers that have not been read. */
  const unread: (() => void)[] = [];
  const send = async (path: string, body: object, caller: Caller, headers: Record<string, string> = {}) =>
    app.fetch(
      new Request(`http://localhost${path}`, {
        method: "POST",
        headers: {
          host: "localhost",
          authorization: `Bearer ${TOKENS[caller]}`,
          "content-type": "application/json",
          accept: "application/json",
          ...headers,
        },
        body: JSON.stringify(body),
      }),
      { onSent: (sent) => void unread.push(sent) },
    );
  const call = async (name: string, length: number, caller: Caller = "alice") =>
    (await send(`/tools/${name}`, { length }, caller)).status;
  const readAll = () => {
    for (const sent of unread.splice(0)) sent();
  };
  return { app, send, call, readAll };
}

describe("answers that wait to be read", () => {
  it("leave room for others up to a bound, and all of it again once they have been read", async () => {
    const { call, readAll } = server();
    expect(await Promise.all([call("read", 20 * KIB), call("read", 20 * KIB)])).toEqual([200, 200]);
    expect(await call("read", 20 * KIB)).toBe(429);
    expect(await call("read", 5 * KIB)).toBe(200);
    readAll();
    expect(await call("read", 20 * KIB)).toBe(200);
  });

  it("are counted by caller: another is answered, with one answer in any case", async () => {
    const { call } = server();
    expect(await call("read", 45 * KIB)).toBe(200);
    expect(await call("read", 45 * KIB)).toBe(429);
    expect(await call("read", 45 * KIB, "bob")).toBe(200);
    expect(await call("read", 1, "bob")).toBe(429);
  });

  it("do not keep one answer from a caller that is larger than the bound itself", async () => {
    const { call, readAll } = server();
    expect(await call("read", 500 * KIB)).toBe(200);
    expect(await call("read", 1)).toBe(429);
    readAll();
    expect(await call("read", 500 * KIB)).toBe(200);
  });

  it("refuse a call that changes something before it does, never after", async () => {
    const { call } = server();
    expect(await call("write", 45 * KIB)).toBe(200);
    // There is room for a beginning; what has been done is answered.
    expect(await call("write", 45 * KIB)).toBe(200);
    expect(done).toHaveLength(2);
    expect(await call("write", 45 * KIB)).toBe(429);
    expect(done).toHaveLength(2);
  });

  it("of one batch are bounded like those of many requests, and the others say that they can be sent again", async () => {
    const { send } = server();
    const params = { protocolVersion: "2025-03-26", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
    const opening = await send("/mcp", { jsonrpc: "2.0", id: 1, method: "initialize", params }, "alice");
    const session = String(opening.headers.get("mcp-session-id"));
    const batch = Array.from({ length: 20 }, (_, id) => ({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name: "read", arguments: { length: 10 * KIB } },
    }));
    const text = await (await send("/mcp", batch, "alice", { "mcp-session-id": session })).text();
    const answers = JSON.parse(text) as { result: { isError?: boolean; _meta?: object } }[];
    const refused = answers.filter(({ result }) => result.isError);
    expect(answers).toHaveLength(20);
    expect(answers.length - refused.length).toBe(4);
    for (const { result } of refused)
      expect(result._meta).toMatchObject({ "io.github.stateful-mcp/error": { code: "rate_limited", retryable: true } });
    expect(text.length).toBeLessThan(120 * KIB);
  });

  it("are taken to be pages where a batch asks for lists, which no call makes", async () => {
    const { send, readAll } = server({ unsentBytesPerCaller: 1_024 * KIB, unsentBytesPerProcess: 1_024 * KIB });
    const params = { protocolVersion: "2025-03-26", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
    const opening = await send("/mcp", { jsonrpc: "2.0", id: 1, method: "initialize", params }, "alice");
    const session = { "mcp-session-id": String(opening.headers.get("mcp-session-id")) };
    const batch = Array.from({ length: 100 }, (_, id) => ({ jsonrpc: "2.0", id, method: "tools/list" }));
    expect((await send("/mcp", batch, "alice", session)).status).toBe(200);
    const refused = await send("/mcp", batch, "alice", session);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    readAll();
    expect((await send("/mcp", batch, "alice", session)).status).toBe(200);
  });

  it("are not taken to wait where the carrier does not say when they are sent", async () => {
    const { app } = server();
    const headers = { host: "localhost", authorization: `Bearer ${TOKENS.alice}`, "content-type": "application/json" };
    const body = JSON.stringify({ length: 45 * KIB });
    for (let i = 0; i < 5; i++) {
      const answer = await app.fetch(new Request("http://localhost/tools/read", { method: "POST", headers, body }));
      expect(answer.status).toBe(200);
    }
  });

  it("hold at most 4 MiB of what one call tells on its way, and then its result", async () => {
    const { send } = server({ unsentBytesPerCaller: 64 * KIB * KIB, unsentBytesPerProcess: 64 * KIB * KIB });
    const meta = {
      progressToken: 1,
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const request = { name: "read", arguments: { length: 9 }, _meta: meta };
    const answer = await send("/mcp", { jsonrpc: "2.0", id: 1, method: "tools/call", params: request }, "alice", {
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "read",
    });
    const text = await answer.text();
    expect(text.match(/notifications\/progress/g)?.length).toBe(20);
    expect(text).toContain("xxxxxxxxx");
  });
});
