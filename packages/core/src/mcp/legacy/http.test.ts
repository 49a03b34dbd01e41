// 2025-era sessions over several instances that share nothing but the store, driven by the client that most hosts run.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { interceptStore, pausedAt } from "../../../test-support/intercepted-store.ts";
import { type App, type AppOptions, createApp } from "../../app.ts";
import { parseTokens } from "../../auth/tokens.ts";
import { systemClock } from "../../clock.ts";
import { defineTool } from "../../define/tool.ts";
import { LOCAL_PRINCIPAL } from "../../principal.ts";
import { MemoryStore } from "../../stores/memory-store.ts";
import { movableClock } from "../../testing/contracts/store-harness.ts";
import { EventLog } from "./events.ts";

const ACCEPT = "application/json, text/event-stream";
const ORIGIN = "http://localhost";
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

/** Instances over one store; each request goes to the next one. */
function fleet(size: number, options: AppOptions = {}): { apps: App[]; fetch: typeof fetch } {
  const store = options.store ?? new MemoryStore({ clock: options.clock ?? systemClock });
  const apps = Array.from({ length: size }, () => createApp({ ...options, store }));
  opened.push(...apps);
  let turn = 0;
  const fetchNext: typeof fetch = (input, init) => {
    const request = new Request(input, init);
    request.headers.set("host", "localhost");
    return (apps[turn++ % size] as App).fetch(request);
  };
  return { apps, fetch: fetchNext };
}

async function connect(fetchNext: typeof fetch, headers: Record<string, string> = {}) {
  const client = new Client({ name: "test-host", version: "1.0.0" }, { capabilities: { elicitation: {} } });
  const transport = new StreamableHTTPClientTransport(new URL(`${ORIGIN}/mcp`), {
    fetch: fetchNext,
    requestInit: { headers },
  });
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  opened.unshift(client);
  return { client, transport };
}

const post = (app: App, body: unknown, headers: Record<string, string> = {}) =>
  app.fetch(
    new Request(`${ORIGIN}/mcp`, {
      method: "POST",
      headers: { host: "localhost", accept: ACCEPT, "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    }),
  );

const initialize = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } };

describe("a 2025-era session", () => {
  it("goes on on every instance, none of which has seen the others' requests", async () => {
    const { fetch } = fleet(3);
    const { client, transport } = await connect(fetch);
    for (let i = 1; i <= 9; i++) {
      const result = await client.callTool({ name: "add_note", arguments: { note: `note ${i}` } });
      expect(result.structuredContent).toMatchObject({ count: i });
    }
    expect(transport.sessionId).toMatch(/^[A-Za-z0-9_-]{32}$/);
  });

  it("remembers who its client is", async () => {
    const { fetch } = fleet(2);
    const { client } = await connect(fetch);
    await client.callTool({ name: "add_note", arguments: { note: "who wrote this" } });
    const { structuredContent } = await client.callTool({ name: "get_notes", arguments: { details: true } });
    expect(structuredContent).toMatchObject({ details: [{ client: "test-host 1.0.0" }] });
  });

  it("has a state of its own for a caller with a token, and none of another session's", async () => {
    const tokens = parseTokens("a-token-that-is-long-enough-for-this");
    const { fetch } = fleet(2, { access: { mode: "tokens", tokens } });
    const headers = { authorization: "Bearer a-token-that-is-long-enough-for-this" };
    const first = await connect(fetch, headers);
    const second = await connect(fetch, headers);
    await first.client.callTool({ name: "store_value", arguments: { key: "k", value: 1 } });
    const own = await first.client.callTool({ name: "get_value", arguments: { key: "k" } });
    const other = await second.client.callTool({ name: "get_value", arguments: { key: "k" } });
    expect(own.structuredContent).toMatchObject({ found: true, value: 1 });
    expect(other.structuredContent).toMatchObject({ found: false });
    const id = (own.structuredContent as { session_id: string }).session_id;
    const named = await second.client.callTool({ name: "get_value", arguments: { key: "k", session_id: id } });
    expect(named.structuredContent).toMatchObject({ found: true, value: 1 });
  });

  it("is nobody else's: another principal finds nothing under its id", async () => {
    const tokens = parseTokens(`a=${"a".repeat(32)},b=${"b".repeat(32)}`);
    const { apps, fetch } = fleet(1, { access: { mode: "tokens", tokens } });
    const { transport } = await connect(fetch, { authorization: `Bearer ${"a".repeat(32)}` });
    const headers = { authorization: `Bearer ${"b".repeat(32)}`, "mcp-session-id": String(transport.sessionId) };
    const response = await post(apps[0] as App, { jsonrpc: "2.0", id: 1, method: "ping" }, headers);
    expect(response.status).toBe(404);
  });

  it("ends on every instance with DELETE", async () => {
    const { apps, fetch } = fleet(2);
    const { transport } = await connect(fetch);
    const id = String(transport.sessionId);
    await transport.terminateSession();
    for (const app of apps) {
      const response = await post(app, { jsonrpc: "2.0", id: 1, method: "ping" }, { "mcp-session-id": id });
      expect(response.status).toBe(404);
    }
  });

  it("takes the state session of its own along when it ends, unless something is kept in it", async () => {
    const token = "a-token-that-is-long-enough-for-this";
    const { fetch } = fleet(2, { access: { mode: "tokens", tokens: parseTokens(token) } });
    const headers = { authorization: `Bearer ${token}` };
    const watcher = await connect(fetch, headers);
    const sessions = async () => {
      const { structuredContent } = await watcher.client.callTool({ name: "list_sessions" });
      return (structuredContent as { sessions: { session_id: string }[] }).sessions.map(({ session_id }) => session_id);
    };
    const emptied = await connect(fetch, headers);
    await emptied.client.callTool({ name: "store_value", arguments: { key: "k", value: 1 } });
    await emptied.client.callTool({ name: "delete_value", arguments: { key: "k" } });
    const keeping = await connect(fetch, headers);
    await keeping.client.callTool({ name: "store_value", arguments: { key: "k", value: 1 } });
    expect(await sessions()).toHaveLength(2);
    await emptied.transport.terminateSession();
    await keeping.transport.terminateSession();
    expect(await sessions()).toEqual([expect.stringMatching(/^chat-/)]);
  });

  it("acknowledges no write to the state session that goes with it", async () => {
    const token = "a-token-that-is-long-enough-for-this";
    const access = { mode: "tokens" as const, tokens: parseTokens(token) };
    const store = new MemoryStore();
    let ends = false;
    const gate = pausedAt(store, ({ method, sk }) => ends && method === "update" && sk.includes("chat-"));
    const ending = createApp({ store: gate.store, access });
    const writing = createApp({ store, access });
    opened.push(ending, writing);
    const headers = { authorization: `Bearer ${token}` };
    const begun = await post(ending, { jsonrpc: "2.0", id: 0, method: "initialize", params: initialize }, headers);
    const session = { ...headers, "mcp-session-id": begun.headers.get("mcp-session-id") ?? "" };
    const write = (app: App, name: string, args: object) =>
      post(app, { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } }, session);
    expect((await write(ending, "store_value", { key: "k", value: 1 })).status).toBe(200);
    expect((await write(ending, "delete_value", { key: "k" })).status).toBe(200);
    ends = true;
    const ended = ending.fetch(
      new Request(`${ORIGIN}/mcp`, { method: "DELETE", headers: { host: "localhost", ...session } }),
    );
    await gate.reached;
    expect((await write(writing, "store_value", { key: "k", value: 2 })).status).toBe(404);
    gate.open();
    expect((await ended).status).toBe(200);
  });

  it("is missed with 400 and unknown with 404, and an initialize that is refused leaves nothing", async () => {
    const store = new MemoryStore();
    const app = createApp({ store });
    opened.push(app);
    const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
    expect((await post(app, ping)).status).toBe(400);
    expect((await post(app, ping, { "mcp-session-id": "nobody" })).status).toBe(404);
    const refused = await post(app, {
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { ...initialize, clientInfo: 7 },
    });
    expect(refused.headers.get("mcp-session-id")).toBeNull();
  });
});

const slow = defineTool({
  name: "slow",
  description: "Answers after a while.",
  input: z.object({ ms: z.int() }),
  output: z.object({ done: z.boolean() }),
  session: "none",
  run: ({ ms }) => new Promise((resolve) => setTimeout(() => resolve({ done: true }), ms)),
});

async function* events(response: Response): AsyncGenerator<{ id?: string; data: string }> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const field = (name: string) =>
        block
          .split("\n")
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2);
      const id = field("id");
      yield { ...(id !== undefined && { id }), data: field("data") ?? "" };
    }
  }
}

describe("a call that takes a while", () => {
  it("becomes a stream that another instance resumes after the connection broke", async () => {
    const { apps } = fleet(2, { tools: [slow] });
    const [a, b] = apps as [App, App];
    const begun = await post(a, { jsonrpc: "2.0", id: 0, method: "initialize", params: initialize });
    const headers = { "mcp-session-id": String(begun.headers.get("mcp-session-id")) };
    const response = await post(
      a,
      { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "slow", arguments: { ms: 900 } } },
      headers,
    );
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const primed = await events(response).next();
    const resumed = await b.fetch(
      new Request(`${ORIGIN}/mcp`, {
        headers: { host: "localhost", accept: ACCEPT, ...headers, "last-event-id": String(primed.value?.id) },
      }),
    );
    expect(resumed.status).toBe(200);
    const received: string[] = [];
    for await (const event of events(resumed)) received.push(event.data);
    expect(received).toHaveLength(1);
    expect(JSON.parse(received[0] as string)).toMatchObject({ id: 7, result: { structuredContent: { done: true } } });
  });

  it("is waited for by a resumption before its first word, and is said to be over once the longest call would be", async () => {
    const answer = Promise.withResolvers<{ done: boolean }>();
    const held = defineTool({
      name: "held",
      description: "Answers when the test says so.",
      input: z.object({}),
      output: z.object({ done: z.boolean() }),
      session: "none",
      run: () => answer.promise,
    });
    const clock = movableClock();
    const { apps } = fleet(2, { tools: [held], clock, limits: { callTimeoutMs: 50_000 } });
    const [a, b] = apps as [App, App];
    const begun = await post(a, { jsonrpc: "2.0", id: 0, method: "initialize", params: initialize });
    const headers = { "mcp-session-id": String(begun.headers.get("mcp-session-id")) };
    const call = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "held", arguments: {} } };
    const { value } = await events(await post(a, call, headers)).next();
    const resume = (id: string) =>
      b.fetch(
        new Request(`${ORIGIN}/mcp`, {
          headers: { host: "localhost", accept: ACCEPT, ...headers, "last-event-id": id },
        }),
      );
    clock.advance(109);
    const waiting = await resume(String(value?.id));
    expect(waiting.status).toBe(200);
    clock.advance(2);
    for (const id of [String(value?.id), "made-up.0"]) {
      const over = await resume(id);
      expect(over.status).toBe(404);
      expect(await over.json()).toMatchObject({ error: { message: expect.stringContaining("cannot be resumed") } });
    }
    answer.resolve({ done: true });
    expect(await waiting.text()).toContain('"done":true');
    // What has been said can be had for as long as it is kept.
    expect(await (await resume(String(value?.id))).text()).toContain('"done":true');
    clock.advance(7200);
    expect((await resume(String(value?.id))).status).toBe(404);
  });

  it("is cancelled also when the cancellation reaches another instance", async () => {
    let aborted = false;
    const waiting = defineTool({
      name: "waiting",
      description: "Waits until it is cancelled.",
      input: z.object({}),
      output: z.object({}),
      session: "none",
      run: (_, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            aborted = true;
            resolve({});
          });
        }),
    });
    const { apps } = fleet(2, { tools: [waiting] });
    const [a, b] = apps as [App, App];
    const begun = await post(a, { jsonrpc: "2.0", id: 0, method: "initialize", params: initialize });
    const headers = { "mcp-session-id": String(begun.headers.get("mcp-session-id")) };
    const call = await post(a, { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "waiting" } }, headers);
    const cancelled = await post(
      b,
      { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } },
      headers,
    );
    expect(cancelled.status).toBe(202);
    await call.text();
    expect(aborted).toBe(true);
  });

  it.each([
    ["alone", (call: object) => call],
    ["in a batch", (call: object) => [call]],
  ])("is run once and has no answer where it is cancelled and its client reads JSON alone, %s", async (_, wrapped) => {
    const begun = Promise.withResolvers<void>();
    let runs = 0;
    const waiting = defineTool({
      name: "waiting",
      description: "Waits until it is cancelled.",
      input: z.object({}),
      output: z.object({}),
      session: "none",
      run: (_, { signal }) =>
        new Promise((resolve) => {
          runs += 1;
          signal.addEventListener("abort", () => resolve({}));
          begun.resolve();
        }),
    });
    const { apps } = fleet(1, { tools: [waiting] });
    const [app] = apps as [App];
    const opening = await post(app, { jsonrpc: "2.0", id: 0, method: "initialize", params: initialize });
    const headers = { "mcp-session-id": String(opening.headers.get("mcp-session-id")) };
    const call = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "waiting" } };
    const answer = post(app, wrapped(call), { ...headers, accept: "application/json" });
    await begun.promise;
    await post(app, { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } }, headers);
    const { status } = await answer;
    expect([status, await (await answer).text(), runs]).toEqual([202, "", 1]);
  });
});

describe("the stream of a session", () => {
  const begin = async (app: App) => {
    const begun = await post(app, { jsonrpc: "2.0", id: 0, method: "initialize", params: initialize });
    return { "mcp-session-id": String(begun.headers.get("mcp-session-id")) };
  };
  const open = (app: App, headers: Record<string, string>) =>
    app.fetch(new Request(`${ORIGIN}/mcp`, { headers: { host: "localhost", accept: ACCEPT, ...headers } }));

  it("begins with a place to go on from, though nothing has happened yet", async () => {
    const { apps } = fleet(2);
    const [a, b] = apps as [App, App];
    const headers = await begin(a);
    const first = await events(await open(a, headers)).next();
    expect(first.value).toEqual({ id: "get.0", data: "" });
    expect((await open(b, { ...headers, "last-event-id": "get.0" })).status).toBe(200);
  });

  it("says that it cannot be resumed after an event that is no longer kept", async () => {
    const { apps } = fleet(1);
    const [app] = apps as [App];
    const headers = await begin(app);
    const response = await open(app, { ...headers, "last-event-id": "gone.7" });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { message: expect.stringContaining("cannot be resumed") } });
  });

  it("ends without a gap for a client that falls behind what is kept, which then learns that it cannot go on", async () => {
    const store = new MemoryStore();
    const { apps } = fleet(1, { store });
    const [app] = apps as [App];
    const headers = await begin(app);
    const stream = events(await open(app, headers));
    const ids = [(await stream.next()).value?.id];
    // Another process tells of more changes between two looks than are kept.
    const place = { principal: LOCAL_PRINCIPAL.id, session: headers["mcp-session-id"], stream: "get" };
    const log = new EventLog(store, systemClock, () => {});
    for (let i = 0; i < 1_200; i++) await log.append({ ...place, expiresAt: 4_000_000_000 }, `{"i":${i}}`);
    for await (const { id } of stream) ids.push(id);
    expect(ids).toEqual(ids.map((_, at) => `get.${at}`));
    expect(ids.length).toBeLessThan(1_200);
    const resumed = await open(app, { ...headers, "last-event-id": String(ids.at(-1)) });
    expect(resumed.status).toBe(404);
    const afresh = await events(await open(app, headers)).next();
    expect(afresh.value).toEqual({ id: "get.1200", data: "" });
  });

  it("ends when its instance drains, and none begins there any more", async () => {
    const { apps } = fleet(1);
    const [app] = apps as [App];
    const headers = await begin(app);
    const stream = await open(app, headers);
    app.drain();
    await stream.text();
    await (await open(app, headers)).text();
  });
});

describe("clients that do not keep to the letter", () => {
  const open = async (headers: Record<string, string> = {}) => {
    const app = createApp();
    opened.push(app);
    const answer = await post(app, { jsonrpc: "2.0", id: 1, method: "initialize", params: initialize }, headers);
    expect(answer.status).toBe(200);
    return { app, session: { "mcp-session-id": String(answer.headers.get("mcp-session-id")) } };
  };
  const call = (id: number, name: string, args: object = {}) => ({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name, arguments: args },
  });

  it.each([
    "application/json",
    "application/*",
    "Application/JSON, Text/Event-Stream",
    "*/*",
    "text/event-stream;q=0.5",
  ])("are answered when they accept %s", async (accept) => {
    const { app, session } = await open({ accept });
    const answer = await post(app, call(2, "add_note", { note: "x" }), { ...session, accept });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('"count":1');
  });

  it("are refused when they accept neither form of an answer", async () => {
    const { app, session } = await open();
    expect((await post(app, call(2, "get_notes"), { ...session, accept: "text/html" })).status).toBe(406);
  });

  it("begin another session when they carry the id of one that has ended, and not while it lives", async () => {
    const { app, session } = await open();
    const again = { jsonrpc: "2.0", id: 1, method: "initialize", params: initialize };
    expect((await post(app, again, session)).status).toBe(400);
    const dead = await post(app, again, { "mcp-session-id": "ended-long-ago" });
    expect(dead.status).toBe(200);
    expect(dead.headers.get("mcp-session-id")).toMatch(/^[A-Za-z0-9_-]{32}$/);
  });

  it("hear which member of initialize is wrong, and may write null for what they leave out", async () => {
    const app = createApp();
    opened.push(app);
    const send = (params: unknown) => post(app, { jsonrpc: "2.0", id: 7, method: "initialize", params });
    const refused = await send({ ...initialize, clientInfo: { name: "raw", version: null } });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      id: 7,
      error: { code: -32_602, message: expect.stringContaining("clientInfo.version") },
    });
    const capabilities = { roots: null, sampling: null };
    expect((await send({ ...initialize, capabilities })).status).toBe(200);
  });

  it("may write null for arguments that are optional", async () => {
    const { app, session } = await open();
    const answer = await post(app, call(2, "get_notes", { session_id: null, cursor: null, limit: null }), session);
    expect(await answer.json()).toMatchObject({ result: { structuredContent: { notes: [] } } });
    const stored = await post(app, call(3, "store_value", { key: "k", value: null, if_version: null }), session);
    expect(await stored.json()).toMatchObject({ result: { structuredContent: { stored: true } } });
  });

  it("are told of two requests with one id, before either has an effect", async () => {
    const { app, session } = await open();
    const batch = [call(5, "add_note", { note: "a" }), call(5, "add_note", { note: "b" })];
    const refused = await post(app, batch, session);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { code: -32_600, message: expect.stringContaining("id 5") } });
    const notes = await post(app, call(6, "get_notes"), session);
    expect(await notes.json()).toMatchObject({ result: { structuredContent: { notes: [] } } });
  });

  it("do not lose a later call to a cancellation of a finished one with the same id", async () => {
    const clock = movableClock();
    const looked = Promise.withResolvers<void>();
    const store = interceptStore(new MemoryStore({ clock }), async ({ method, pk, sk }, send) => {
      const answer = await send();
      if (method === "get" && `${pk} ${sk}`.includes("cancel")) looked.resolve();
      return answer;
    });
    const slow = defineTool({
      name: "slow",
      description: "Runs until a cancellation has been looked for.",
      input: z.object({}),
      output: z.object({ done: z.boolean() }),
      run: async (_, { signal }) => {
        await looked.promise;
        await new Promise((resolve) => setImmediate(resolve));
        return { done: !signal.aborted };
      },
    });
    const { apps } = fleet(1, { clock, store, tools: [slow] });
    const app = apps[0] as App;
    const begun = await post(app, { jsonrpc: "2.0", id: 1, method: "initialize", params: initialize });
    const session = { "mcp-session-id": String(begun.headers.get("mcp-session-id")) };
    const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } };
    expect((await post(app, cancel, session)).status).toBe(202);
    clock.advance(1);
    const answer = await post(app, call(1, "slow"), session);
    expect(await answer.text()).toContain('"done":true');
  });

  it("may add a slash to the address, and are told that no encoded body is read", async () => {
    const app = createApp();
    opened.push(app);
    const request = (path: string, headers: Record<string, string>) =>
      app.fetch(
        new Request(`${ORIGIN}${path}`, {
          method: "POST",
          headers: { host: "localhost", "content-type": "application/json", ...headers },
          body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: initialize }),
        }),
      );
    expect((await request("/mcp/", {})).status).toBe(200);
    expect((await request("/mcp", { "content-encoding": "gzip" })).status).toBe(415);
  });
});
