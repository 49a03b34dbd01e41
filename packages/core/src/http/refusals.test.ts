// What is turned away leaves a line that says why, and not more lines than a disk can hold; probes cost little and say little.
import { describe, expect, it } from "vitest";
import { interceptStore } from "../../test-support/intercepted-store.ts";
import { parseTokens } from "../auth/tokens.ts";
import type { LogFields, Logger } from "../logger.ts";
import { silentLogger } from "../logger.ts";
import { testApp } from "../testing/test-app.ts";

const ALICE = "a".repeat(32);
const READER = "r".repeat(32);

function server() {
  const lines: LogFields[] = [];
  const keep: Logger["warn"] = (fields, message) => lines.push({ ...fields, message });
  const logger: Logger = { ...silentLogger, warn: keep };
  const tokens = parseTokens(`alice=${ALICE},reader:read=${READER}`);
  const { app, clock } = testApp({ logger, access: { mode: "tokens", tokens }, allowedHosts: ["mcp.example"] });
  const send = (headers: Record<string, string>, path = "/mcp/list_tools", body?: object) =>
    app.fetch(
      new Request(`http://localhost${path}`, {
        method: body ? "POST" : "GET",
        headers: { host: "mcp.example", "content-type": "application/json", ...headers },
        ...(body && { body: JSON.stringify(body) }),
      }),
      { address: "192.0.2.7" },
    );
  return { app, clock, lines, send };
}

describe("a refused request", () => {
  it("leaves one line with the reason, where it came from and nothing of the token", async () => {
    const { lines, send } = server();
    const guessed = "g".repeat(32);
    expect((await send({ authorization: `Bearer ${guessed}` })).status).toBe(401);
    expect((await send({ host: "evil.example" })).status).toBe(403);
    expect((await send({ origin: "https://evil.example" })).status).toBe(403);
    const call = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "add_note", arguments: { note: "n" } },
    };
    expect((await send({ authorization: `Bearer ${READER}` }, "/mcp", call)).status).toBe(403);
    const seen = { message: "refused", address: "192.0.2.7", request_id: expect.any(String) };
    expect(lines).toEqual([
      { ...seen, reason: "token", method: "GET", path: "/mcp/list_tools", why: expect.stringContaining("not valid") },
      { ...seen, reason: "host", method: "GET", path: "/mcp/list_tools", host: "evil.example" },
      { ...seen, reason: "origin", method: "GET", path: "/mcp/list_tools", origin: "https://evil.example" },
      {
        ...seen,
        reason: "scope",
        method: "POST",
        path: "/mcp",
        principal: expect.any(String),
        tool: "add_note",
        scope: "write",
      },
    ]);
    expect(JSON.stringify(lines)).not.toContain(guessed);
  });

  it("leaves none when a client asks for the way in, as every client does first", async () => {
    const { lines, send } = server();
    expect((await send({})).status).toBe(401);
    expect(lines).toEqual([]);
  });

  it("leaves at most 60 lines a minute, and then the number of the others", async () => {
    const { app, clock, lines, send } = server();
    for (let i = 0; i < 100; i++) await send({ host: "evil.example" });
    expect(lines).toHaveLength(60);
    clock.advance(60);
    await send({ host: "evil.example" });
    expect(lines.slice(60)).toMatchObject([{ count: 40 }, { reason: "host" }]);
    for (let i = 0; i < 100; i++) await send({ host: "evil.example" });
    await app.close();
    expect(lines.at(-1)).toMatchObject({ count: 41 });
  });
});

describe("a probe", () => {
  it("is answered under any name, and costs at most a read a second however many ask", async () => {
    let pings = 0;
    const base = testApp();
    const store = interceptStore(base.store, (_, send) => send());
    store.ping = async () => {
      pings += 1;
    };
    const { app } = testApp({ ...base, store });
    const probe = () => app.fetch(new Request("http://localhost/readyz", { headers: { host: "10.0.0.7:3333" } }));
    const answers = await Promise.all(Array.from({ length: 50 }, probe));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(pings).toBe(1);
  });
});

describe("the log of a server that is open to everybody", () => {
  it("holds no handle, whatever a call does with it, and still tells calls of one session from others", async () => {
    const lines: LogFields[] = [];
    const keep: Logger["warn"] = (fields, message) => lines.push({ ...fields, message });
    const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };
    const { app } = testApp({ logger, access: { mode: "anonymous" } });
    const call = async (name: string, args: object) => {
      const body = JSON.stringify({ name, arguments: args });
      const headers = { host: "localhost", "content-type": "application/json" };
      const response = await app.fetch(
        new Request("http://localhost/mcp/call_tool", { method: "POST", headers, body }),
      );
      return ((await response.json()) as { result: { session_id: string } }).result;
    };
    const { session_id } = await call("create_session", {});
    await call("add_note", { session_id, note: "n" });
    await call("get_value", { session_id, key: "k" });
    await call("add_note", { session_id, note: "" });
    await call("delete_session", { session_id });
    await call("add_note", { session_id, note: "too late" });
    expect(lines.length).toBeGreaterThanOrEqual(6);
    expect(JSON.stringify(lines)).not.toContain(session_id.slice(4, 20));
    const sessions = new Set(lines.flatMap(({ session }) => session ?? []));
    expect([...sessions]).toEqual([expect.stringMatching(/^hash:/)]);
  });
});
