// A server that is open to everybody: what one network address can take, and all of them together, so that one stranger does not take
// what is there for all.
import { afterEach, describe, expect, it } from "vitest";
import { type App, type AppOptions, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import type { LogFields, Logger } from "../logger.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";

const INITIALIZE = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
const opened: App[] = [];
afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

function open(options: AppOptions = {}) {
  const clock = movableClock();
  const app = createApp({ access: { mode: "anonymous" }, store: new MemoryStore({ clock }), clock, ...options });
  opened.push(app);
  const send = (path: string, address: string | undefined, body?: object, headers: Record<string, string> = {}) =>
    app.fetch(
      new Request(`http://localhost${path}`, {
        method: body ? "POST" : "GET",
        headers: {
          host: "localhost",
          accept: "application/json, text/event-stream",
          ...(body && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body && { body: JSON.stringify(body) }),
      }),
      { address },
    );
  const tool = (name: string, address: string | undefined, args: object = {}, headers: Record<string, string> = {}) =>
    send(`/tools/${name}`, address, args, headers);
  const initialize = (address: string) =>
    send("/mcp", address, { jsonrpc: "2.0", id: 1, method: "initialize", params: INITIALIZE });
  return { app, clock, send, tool, initialize };
}

const statuses = async (answers: Iterable<Promise<Response>>) => {
  const all: number[] = [];
  for (const answer of answers) all.push((await answer).status);
  return all;
};
const repeated = <T>(times: number, make: (i: number) => T): T[] => Array.from({ length: times }, (_, i) => make(i));
const refusedOf = (all: readonly number[]) => all.filter((status) => status === 429).length;
const HANDLE = { session_id: `ses_${"a".repeat(26)}` };

describe("bytes an hour", () => {
  const limits = { anonymousBytesPerHour: 10_000 };
  const note = { ...HANDLE, note: "x".repeat(3_000) };

  it("are counted by network address, each body as a whole, over both ways of calling", async () => {
    const { tool, send, clock } = open({ limits });
    const answers = await statuses(repeated(5, () => tool("add_note", "192.0.2.1", note)));
    expect(refusedOf(answers)).toBe(2);
    expect((await send("/mcp", "192.0.2.1", { jsonrpc: "2.0", id: 1, method: "ping", params: note })).status).toBe(429);
    expect((await tool("add_note", "192.0.2.2", note)).status).not.toBe(429);
    clock.advance(3_600);
    expect((await tool("add_note", "192.0.2.1", note)).status).not.toBe(429);
  });

  it("are bounded for all together in one process, at ten times as many", async () => {
    const { tool } = open({ limits });
    const answers = await statuses(repeated(40, (i) => tool("add_note", `192.0.2.${i}`, note)));
    expect(refusedOf(answers)).toBeGreaterThan(5);
  });
});

describe("calls a minute", () => {
  const limits = { anonymousCallsPerMinute: 5 };

  it("are counted by network address: who has made too many leaves the others theirs", async () => {
    const { tool, clock } = open({ limits });
    const refused = await statuses(repeated(8, () => tool("session_info", "192.0.2.1", HANDLE)));
    expect(refusedOf(refused)).toBe(3);
    expect((await tool("session_info", "192.0.2.2", HANDLE)).status).not.toBe(429);
    const answer = await tool("session_info", "192.0.2.1", HANDLE);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await answer.json()).toMatchObject({ code: "rate_limited", error: expect.stringContaining("5 calls") });
    clock.advance(60);
    expect((await tool("session_info", "192.0.2.1", HANDLE)).status).not.toBe(429);
  });

  it.each([
    ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true],
    ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["::ffff:192.0.2.1", "192.0.2.1", true],
    ["fe80::1%eth0", "fe80::2%eth1", true],
  ])("of %s and %s are those of one network: %s", async (one, other, same) => {
    const { tool } = open({ limits });
    for (let i = 0; i < 5; i++) await tool("session_info", one, HANDLE);
    expect((await tool("session_info", other, HANDLE)).status === 429).toBe(same);
  });

  it("are bounded for all together in one process, at ten times as many", async () => {
    const { tool } = open({ limits });
    const answers = await statuses(repeated(60, (i) => tool("session_info", `192.0.2.${i}`, HANDLE)));
    expect(refusedOf(answers)).toBe(10);
  });

  it("of the 2025 era count alike, message by message", async () => {
    const { send } = open({ limits });
    const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
    expect(refusedOf(await statuses(repeated(8, () => send("/mcp", "192.0.2.1", ping))))).toBe(3);
  });

  it("are not counted where the carrier knows no address, except all together", async () => {
    const { tool } = open({ limits });
    expect(refusedOf(await statuses(repeated(60, () => tool("session_info", undefined, HANDLE))))).toBe(10);
  });

  it("that the operator has limited for the whole fleet are counted there by network address, too", async () => {
    const store = new MemoryStore();
    const apps = repeated(2, () => open({ store, limits: { callsPerMinute: 5 } }));
    const ask = (i: number, address: string) => apps[i % 2]?.tool("session_info", address, HANDLE) as Promise<Response>;
    expect(refusedOf(await statuses(repeated(8, (i) => ask(i, "192.0.2.1"))))).toBe(3);
    expect((await ask(0, "192.0.2.2")).status).not.toBe(429);
  });

  it("have no such bound with 0, nor where callers have tokens", async () => {
    const none = open({ limits: { anonymousCallsPerMinute: 0 } });
    expect(refusedOf(await statuses(repeated(30, () => none.tool("session_info", "192.0.2.1", HANDLE))))).toBe(0);
    const tokens = parseTokens(`alice=${"a".repeat(32)}`);
    const closed = open({ limits, access: { mode: "tokens", tokens } });
    const authorization = `Bearer ${"a".repeat(32)}`;
    const answers = repeated(60, () => closed.tool("session_info", "192.0.2.1", HANDLE, { authorization }));
    expect(refusedOf(await statuses(answers))).toBe(0);
  });
});

describe("lines in the log", () => {
  it.each<[string, string, object]>([
    ["messages that are none", "/mcp", { no: "message" }],
    ["calls that are too many", "/tools/get_notes", HANDLE],
    ["2025-era requests without a session", "/mcp", { jsonrpc: "2.0", id: 1, method: "ping" }],
  ])("are bounded where %s come in any number, and then say how many had none", async (_, path, body) => {
    const lines: { fields: LogFields; message: string }[] = [];
    const info = (fields: LogFields, message: string) => void lines.push({ fields, message });
    const logger: Logger = { debug: () => {}, info, warn: () => {}, error: () => {} };
    const { send, tool, clock } = open({ logger, limits: { anonymousCallsPerMinute: 1 } });
    expect((await tool("get_notes", "192.0.2.1", HANDLE)).status).toBe(404);
    lines.length = 0;
    for (let i = 0; i < 700; i++) await (await send(path, "192.0.2.1", body)).body?.cancel();
    expect(lines).toHaveLength(600);
    clock.advance(60);
    // A call that is let in has its own line, and the next that is not tells of the others.
    expect((await tool("get_notes", "192.0.2.1", HANDLE)).status).toBe(404);
    await send(path, "192.0.2.1", body);
    expect(lines.slice(600).map(({ fields }) => fields.count ?? fields.outcome)).toEqual([
      "session_not_found",
      100,
      lines[0]?.fields.outcome,
    ]);
  });
});

describe("new sessions an hour", () => {
  const limits = { anonymousSessionsPerHour: 3 };

  it("are counted by network address, those of 2025-era connections with them", async () => {
    const { tool, initialize, clock } = open({ limits });
    expect(await statuses([tool("create_session", "192.0.2.1"), initialize("192.0.2.1")])).toEqual([200, 200]);
    const answers = await statuses(repeated(4, () => tool("create_session", "192.0.2.1")));
    expect(refusedOf(answers)).toBe(3);
    expect((await initialize("192.0.2.1")).status).toBe(429);
    expect((await initialize("192.0.2.2")).status).toBe(200);
    clock.advance(3600);
    expect((await tool("create_session", "192.0.2.1")).status).toBe(200);
  });

  it("are bounded for all together in one process", async () => {
    const { tool } = open({ limits });
    expect(refusedOf(await statuses(repeated(40, (i) => tool("create_session", `192.0.2.${i}`))))).toBe(10);
  });
});

describe("streams", () => {
  it("are counted by network address, so that one does not hold all there are", async () => {
    const { send, initialize } = open({ limits: { listensPerPrincipal: 2, listensPerProcess: 100 } });
    const stream = async (address: string) => {
      const session = String((await initialize(address)).headers.get("mcp-session-id"));
      return (await send("/mcp", address, undefined, { "mcp-session-id": session })).status;
    };
    const of = async (address: string) => [await stream(address), await stream(address), await stream(address)];
    expect(await of("192.0.2.1")).toEqual([200, 200, 429]);
    expect(await of("192.0.2.2")).toEqual([200, 200, 429]);
  });

  it("of the modern era are counted alike", async () => {
    const { send } = open({ limits: { listensPerPrincipal: 2 } });
    const listen = async (address: string) => {
      const meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
      };
      const params = { notifications: { resourceSubscriptions: ["session://x/notes"] }, _meta: meta };
      const answer = await send(
        "/mcp",
        address,
        { jsonrpc: "2.0", id: 1, method: "subscriptions/listen", params },
        { "mcp-protocol-version": "2026-07-28", "mcp-method": "subscriptions/listen" },
      );
      return answer.headers.get("content-type") ?? "";
    };
    const kinds = [];
    for (const address of ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"]) kinds.push(await listen(address));
    const [stream, refused] = [/event-stream/, /json/].map((one) => expect.stringMatching(one));
    expect(kinds).toEqual([stream, stream, refused, stream]);
  });
});

describe("the address of a caller", () => {
  const limits = { anonymousCallsPerMinute: 1 };
  const via = (app: ReturnType<typeof open>, peer: string, forwarded: string) =>
    app.tool("session_info", peer, HANDLE, { "x-forwarded-for": forwarded });

  it("is the connection's own: what a client says of it counts for nothing", async () => {
    const app = open({ limits });
    expect(refusedOf(await statuses(repeated(3, (i) => via(app, "192.0.2.1", `198.51.100.${i}`))))).toBe(2);
  });

  it("is what a proxy that the operator trusts says it is, the last of what it says", async () => {
    const app = open({ limits, trustedProxies: ["10.0.0.0/8", "2001:db8::/32"] });
    expect(refusedOf(await statuses(repeated(3, (i) => via(app, "10.1.2.3", `198.51.100.${i}`))))).toBe(0);
    // Made up in front of what the proxy has added, or sent past the proxy.
    expect(refusedOf(await statuses(repeated(3, (i) => via(app, "10.1.2.3", `203.0.113.${i}, 198.51.100.9`))))).toBe(2);
    expect(refusedOf(await statuses(repeated(3, (i) => via(app, "192.0.2.1", `198.51.100.${20 + i}`))))).toBe(2);
  });

  it("is found behind several of them, with ports or without", async () => {
    const app = open({ limits, trustedProxies: ["10.0.0.1", "2001:db8::/32"] });
    expect((await via(app, "::ffff:10.0.0.1", "198.51.100.7:5000, [2001:db8::1]:443")).status).not.toBe(429);
    expect((await via(app, "10.0.0.1", "198.51.100.7")).status).toBe(429);
  });

  it("is the proxy's where it says nothing that is one", async () => {
    const app = open({ limits, trustedProxies: ["10.0.0.1"] });
    expect(
      refusedOf(await statuses(["", "unknown", "1.2.3", "<script>"].map((text) => via(app, "10.0.0.1", text)))),
    ).toBe(3);
  });
});
