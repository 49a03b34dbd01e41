import { describe, expect, it } from "vitest";
import { interceptStore } from "../../test-support/intercepted-store.ts";
import type { AppOptions } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { AppError } from "../errors.ts";
import { testApp } from "../testing/test-app.ts";

const HOST = "localhost:3333";
const TOKEN = "t".repeat(32);
const tokens = { access: { mode: "tokens", tokens: parseTokens(`alice=${TOKEN}`) } } as const;

type Fields = Record<string, string>;
type Body = NonNullable<RequestInit["body"]>;

function server(options: AppOptions = {}) {
  const { app, store, clock } = testApp(options as Parameters<typeof testApp>[0]);
  const send = async (method: string, path: string, headers: Fields = {}, body?: Body) => {
    const init = { method, headers: { host: HOST, ...headers }, ...(body !== undefined && { body, duplex: "half" }) };
    const response = await app.fetch(new Request(`http://localhost${path}`, init as RequestInit));
    const text = await response.text();
    const json = (): unknown => JSON.parse(text);
    return { status: response.status, headers: response.headers, text, json };
  };
  const post = (path: string, body: unknown, headers: Fields = {}) =>
    send("POST", path, { "content-type": "application/json", ...headers }, JSON.stringify(body));
  return { app, store, clock, send, post };
}

const echo = { name: "echo_cached", arguments: { text: "hi" } };

const REVISION = "2026-07-28";
const META = {
  "io.modelcontextprotocol/protocolVersion": REVISION,
  "io.modelcontextprotocol/clientCapabilities": {},
};

describe("what is not plain", () => {
  const headers = { accept: "application/json, text/event-stream", "mcp-protocol-version": REVISION };
  const started = async (before: boolean) => {
    const { app, send, post } = server();
    const ask = (method: string, more: object = {}) =>
      post(
        "/mcp",
        { jsonrpc: "2.0", id: 1, method, params: { ...more, _meta: META } },
        { ...headers, "mcp-method": method },
      );
    await send("GET", "/healthz");
    if (before) expect((await ask("resources/list")).status).toBe(200);
    return { app, ask };
  };
  const WAYS = [
    ["asked before", true],
    ["never asked before", false],
  ] as const;

  it.each(WAYS)("is no stream once the process drains, where the official SDK was %s", async (_, before) => {
    const { app, ask } = await started(before);
    app.drain();
    const { text } = await ask("subscriptions/listen", { notifications: { resourcesListChanged: true } });
    expect(text).toContain("about to end");
  });

  it.each(WAYS)("is not answered once the app has ended, where the official SDK was %s", async (_, before) => {
    const { app, ask } = await started(before);
    await app.close();
    expect((await ask("resources/list")).status).toBe(500);
  });
});

describe("health", () => {
  it("has the shapes that monitors of earlier servers expect", async () => {
    const { send } = server({ name: "notes", table: "mcp_state" });
    const answers: [string, object][] = [
      ["/health", { status: "healthy", service: "notes", table: "mcp_state" }],
      ["/mcp/health", { status: "ok" }],
      ["/healthz", { status: "ok" }],
      ["/readyz", { status: "ready" }],
    ];
    for (const [path, body] of answers) {
      const answer = await send("GET", path);
      expect([answer.status, answer.json()]).toEqual([200, body]);
    }
  });

  it("tells the truth: a store that does not answer is 503, and the process still lives", async () => {
    const { store } = server();
    const down = {
      ...interceptStore(store, (_, request) => request()),
      ping: async () => {
        throw new AppError("unavailable", "down");
      },
    };
    const { send } = server({ store: down });
    for (const path of ["/health", "/mcp/health", "/readyz"]) {
      const answer = await send("GET", path);
      expect([path, answer.status, answer.json()]).toMatchObject([path, 503, { status: "unavailable" }]);
    }
    expect((await send("GET", "/healthz")).status).toBe(200);
  });

  it("turns a load balancer away while the process drains, and calls are still answered", async () => {
    const { app, send, post } = server();
    app.drain();
    expect((await send("GET", "/readyz")).json()).toEqual({ status: "draining" });
    expect((await send("GET", "/readyz")).status).toBe(503);
    expect((await send("GET", "/healthz")).status).toBe(200);
    expect((await post("/mcp/call_tool", echo)).status).toBe(200);
  });

  it("needs no token", async () => {
    const { send } = server(tokens);
    for (const path of ["/health", "/mcp/health", "/healthz", "/readyz"])
      expect((await send("GET", path)).status).toBe(200);
  });
});

describe("POST /mcp/call_tool", () => {
  it("answers {result} with the structured content", async () => {
    const answer = await server().post("/mcp/call_tool", echo);
    expect([answer.status, answer.json()]).toEqual([200, { result: { text: "HI", cached: false } }]);
  });

  it.each<[string, string, Record<string, unknown>, number]>([
    ["an unknown tool", "nope", {}, 404],
    ["a wrong argument", "add_note", { note: 7 }, 400],
    ["a missing session", "add_note", { note: "n", session_id: `ses_${"a".repeat(26)}` }, 404],
    ["a failed condition", "store_value", { key: "k", value: 1, if_version: 4 }, 409],
    ["too much text", "add_note", { note: "x".repeat(40_000) }, 413],
  ])("answers %s with {error} and a fitting status", async (_, name, args, status) => {
    const answer = await server().post("/mcp/call_tool", { name, arguments: args });
    expect(answer.status).toBe(status);
    expect(answer.json()).toMatchObject({ error: expect.any(String), code: expect.any(String) });
  });

  it("takes an Idempotency-Key header, says when it replayed, and refuses other arguments with 422", async () => {
    const { post } = server();
    const headers = { "idempotency-key": "k" };
    const call = (note: string) => post("/mcp/call_tool", { name: "add_note", arguments: { note } }, headers);
    const first = await call("a");
    const second = await call("a");
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect(second.json()).toEqual(first.json());
    expect((await call("b")).status).toBe(422);
  });

  it("tells when to come back where that is known", async () => {
    const { store, post, clock } = server({ limits: { sessionsPerPrincipal: 1 } });
    await post("/mcp/call_tool", { name: "create_session" });
    expect((await post("/mcp/call_tool", { name: "create_session" })).status).toBe(409);
    const throttled = interceptStore(store, () => {
      throw new AppError("unavailable", "The table is throttled.", { retryAfterSeconds: 2 });
    });
    const answer = await server({ store: throttled, clock }).post("/mcp/call_tool", { name: "get_notes" });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
  });
});

describe("GET /mcp/list_tools", () => {
  it("lists the tools as MCP does, the same for everybody", async () => {
    const { send } = server();
    const { tools } = (await send("GET", "/mcp/list_tools")).json() as { tools: Record<string, unknown>[] };
    expect(tools.map(({ name }) => name)).toContain("add_note");
    for (const tool of tools) {
      expect(Object.keys(tool).toSorted()).toEqual(
        ["annotations", "description", "inputSchema", "name", "outputSchema", "title"].toSorted(),
      );
      expect(tool.annotations).toMatchObject({
        readOnlyHint: expect.any(Boolean),
        destructiveHint: expect.any(Boolean),
        idempotentHint: expect.any(Boolean),
        openWorldHint: expect.any(Boolean),
      });
    }
    expect((await send("GET", "/mcp/list_tools")).json()).toEqual({ tools });
  });
});

describe("an unknown route", () => {
  it.each([
    ["GET", "/"],
    ["GET", "/mcp/call_tool"],
    ["POST", "/health"],
    ["GET", "/mcp/unknown"],
    ["GET", "/.env"],
    ["GET", "/%00"],
    ["GET", `/${"x".repeat(5_000)}`],
    ["DELETE", "/mcp/list_tools"],
  ])("%s %s is a problem document that names the routes", async (method, path) => {
    const answer = await server().send(method, path);
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.json()).toMatchObject({ status: 404, code: "not_found", detail: expect.stringContaining("/mcp") });
    expect(answer.text.length).toBeLessThan(1_000);
  });
});

describe("authentication", () => {
  const CALLS: [string, string, unknown?][] = [
    ["GET", "/mcp/list_tools"],
    ["POST", "/mcp/call_tool", echo],
    ["POST", "/mcp", { jsonrpc: "2.0", id: 1, method: "ping" }],
    ["GET", "/mcp"],
    ["DELETE", "/mcp"],
  ];

  it.each(CALLS)(
    "%s %s without a valid token is 401 with a challenge, and nothing is done",
    async (method, path, body) => {
      const { send } = server(tokens);
      for (const [authorization, challenge] of [
        [undefined, 'Bearer realm="stateful-mcp"'],
        [`Bearer ${TOKEN}x`, 'Bearer realm="stateful-mcp", error="invalid_token"'],
        [TOKEN, 'Bearer realm="stateful-mcp", error="invalid_token"'],
      ] as const) {
        const headers = { "content-type": "application/json", ...(authorization && { authorization }) };
        const answer = await send(method, path, headers, body === undefined ? undefined : JSON.stringify(body));
        expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([401, challenge]);
        expect(answer.text).not.toContain(TOKEN);
      }
    },
  );

  it("takes no token from the query string", async () => {
    const { send } = server(tokens);
    for (const query of [`access_token=${TOKEN}`, `token=${TOKEN}`, `authorization=Bearer%20${TOKEN}`])
      expect((await send("GET", `/mcp/list_tools?${query}`)).status).toBe(401);
  });

  it("acts as the token's principal", async () => {
    const { post } = server(tokens);
    const headers = { authorization: `Bearer ${TOKEN}` };
    await post("/mcp/call_tool", { name: "add_note", arguments: { note: "n", session_id: "s" } }, headers);
    const read = { name: "get_notes", arguments: { session_id: "s", details: true } };
    expect((await post("/mcp/call_tool", read, headers)).json()).toMatchObject({
      result: { details: [{ principal: "alice" }] },
    });
  });
});

describe("a malformed body", () => {
  const BODIES: [string, Body, number][] = [
    ["nothing", "", 400],
    ["half an object", '{"name":', 400],
    ["no JSON", "name=add_note", 400],
    ["two documents", "{}{}", 400],
    ["a trailing comma", '{"name":"echo_cached",}', 400],
    ["null", "null", 400],
    ["a list", "[]", 400],
    ["a number", "7", 400],
    ["text", '"add_note"', 400],
    ["a name that is no text", '{"name":{"a":1}}', 400],
    ["bytes that are no UTF-8", new Uint8Array([0xff, 0xfe, 0x00]), 400],
    ["nesting 65 levels deep", `{"name":"store_value","arguments":${"[".repeat(64)}${"]".repeat(64)}}`, 400],
    ["nesting 100,000 levels deep", "[".repeat(100_000) + "]".repeat(100_000), 400],
    ["a nest of objects", `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`, 400],
    ["an argument named __proto__", '{"name":"echo_cached","arguments":{"text":"x","__proto__":{}}}', 400],
    ["the wrong case", '{"Name":"echo_cached","Arguments":{"text":"x"}}', 400],
    ["more than the limit", JSON.stringify({ name: "x".repeat(1_048_577) }), 413],
  ];

  for (const path of ["/mcp/call_tool", "/mcp"])
    it.each(BODIES)(
      `of %s to ${path} is answered with a client error, and a good call works after`,
      async (_, body, status) => {
        const { send, post } = server();
        const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
        for (const length of [{}, { "content-length": String(Buffer.byteLength(body as string)) }]) {
          const answer = await send("POST", path, { ...headers, ...length }, body);
          expect(answer.status).toBe(status);
          expect(answer.json()).toHaveProperty("error");
        }
        expect((await post("/mcp/call_tool", echo)).status).toBe(200);
      },
    );

  it("that only claims to be small is measured", async () => {
    const { send } = server({ limits: { bodyMaxBytes: 100 } });
    const body = JSON.stringify({ name: "echo_cached", arguments: { text: "é".repeat(60) } });
    for (const length of [{}, { "content-length": "10" }])
      expect(
        (await send("POST", "/mcp/call_tool", { "content-type": "application/json", ...length }, body)).status,
      ).toBe(413);
  });

  it("that is streamed without a length is cut at the limit", async () => {
    const { app } = server({ limits: { bodyMaxBytes: 10_000 } });
    let chunks = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        chunks += 1;
        controller.enqueue(new Uint8Array(1_000).fill(32));
      },
    });
    const init = {
      method: "POST",
      body: endless,
      duplex: "half",
      headers: { host: HOST, "content-type": "application/json" },
    };
    const response = await app.fetch(new Request("http://localhost/mcp/call_tool", init as RequestInit));
    expect(response.status).toBe(413);
    expect(chunks).toBeLessThan(30);
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonx",
    "json",
  ])("sent as %s is 415", async (type) => {
    for (const path of ["/mcp/call_tool", "/mcp"])
      expect((await server().send("POST", path, { "content-type": type }, JSON.stringify(echo))).status).toBe(415);
  });

  it.each(["application/json", "application/json; charset=utf-8", "Application/JSON"])(
    "is not one as %s",
    async (type) => {
      expect(
        (await server().send("POST", "/mcp/call_tool", { "content-type": type }, JSON.stringify(echo))).status,
      ).toBe(200);
    },
  );

  it("whose sender went away is a client error", async () => {
    const { app } = server();
    const broken = new ReadableStream({
      pull(controller) {
        controller.error(new Error("gone"));
      },
    });
    const init = {
      method: "POST",
      body: broken,
      duplex: "half",
      headers: { host: HOST, "content-type": "application/json" },
    };
    expect((await app.fetch(new Request("http://localhost/mcp/call_tool", init as RequestInit))).status).toBe(400);
  });
});
