// What a caller of the 2025 era can make a server keep, hold and do is bounded, whatever kind of request it sends.
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { interceptStore } from "../../../test-support/intercepted-store.ts";
import { type App, type AppOptions, createApp } from "../../app.ts";
import { parseTokens } from "../../auth/tokens.ts";
import type { Clock } from "../../clock.ts";
import { defineTool } from "../../define/tool.ts";
import type { Principal } from "../../principal.ts";
import { MemoryStore } from "../../stores/memory-store.ts";

const ALICE = "a".repeat(32);
const WRITER = "w".repeat(32);
const INITIALIZE = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
const BEGUN = Date.now();
/** No minute of a limit passes, however busy the machine is. */
const STOPPED: Clock = { now: () => BEGUN };
const opened: App[] = [];
afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

function instance(options: AppOptions = {}) {
  const tokens = parseTokens(`alice=${ALICE},writer:write=${WRITER}`);
  const app = createApp({ access: { mode: "tokens", tokens }, clock: STOPPED, ...options });
  opened.push(app);
  const send = (method: string, body?: unknown, session?: string, token = ALICE) =>
    app.fetch(
      new Request("http://localhost/mcp", {
        method,
        headers: {
          host: "localhost",
          authorization: `Bearer ${token}`,
          accept: "application/json, text/event-stream",
          ...(body !== undefined && { "content-type": "application/json" }),
          ...(session && { "mcp-session-id": session }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    );
  const open = async (token = ALICE) => {
    const answer = await send(
      "POST",
      { jsonrpc: "2.0", id: 1, method: "initialize", params: INITIALIZE },
      undefined,
      token,
    );
    return String(answer.headers.get("mcp-session-id"));
  };
  return { app, send, open };
}

const call = (id: number) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "list_sessions", arguments: {} },
});

describe("a limit of 5 calls a minute", () => {
  const LIMIT = 5;
  it.each([
    ["initialize", { id: 1, method: "initialize", params: INITIALIZE }, "POST"],
    ["ping", { id: 1, method: "ping" }, "POST"],
    ["tools/list", { id: 1, method: "tools/list" }, "POST"],
    [
      "tools/call",
      { id: 1, method: "tools/call", params: { name: "session_info", arguments: { session_id: "s" } } },
      "POST",
    ],
    ["a tool that does not exist", { id: 1, method: "tools/call", params: { name: "none" } }, "POST"],
    ["a call with malformed params", { id: 1, method: "tools/call", params: { name: 7 } }, "POST"],
    [
      "a call with arguments that are a list",
      { id: 1, method: "tools/call", params: { name: "session_info", arguments: [] } },
      "POST",
    ],
    ["a notification named as a call", { method: "tools/call", params: { name: "session_info" } }, "POST"],
    ["a resource without a URI", { id: 1, method: "resources/read", params: {} }, "POST"],
    ["a completion of nothing", { id: 1, method: "completion/complete", params: {} }, "POST"],
    ["logging/setLevel", { id: 1, method: "logging/setLevel", params: { level: "info" } }, "POST"],
    ["resources/subscribe", { id: 1, method: "resources/subscribe", params: { uri: "session://s/notes" } }, "POST"],
    ["an answer to nobody", { id: 1, result: {} }, "POST"],
    ["a notification", { method: "notifications/cancelled", params: { requestId: 1 } }, "POST"],
    ["a batch", [1, 2, 3].map((id) => ({ jsonrpc: "2.0", id, method: "ping" })), "POST"],
    ["a stream", undefined, "GET"],
    ["an end", undefined, "DELETE"],
  ] as const)("holds for %s", async (_, message, method) => {
    const store = new MemoryStore();
    const session = await instance({ store }).open();
    const { send } = instance({ store, limits: { callsPerMinute: LIMIT } });
    const body = Array.isArray(message) ? message : message && { jsonrpc: "2.0", ...message };
    const statuses = [];
    let answers = "";
    for (let i = 0; i < 20; i++) {
      const isInitialize = body && "method" in body && body.method === "initialize";
      const response = await send(method, body, isInitialize ? undefined : session);
      statuses.push(response.status);
      if (method === "POST") answers += await response.text();
    }
    const refused =
      statuses.filter((status) => status === 429).length + (answers.match(/"code":"rate_limited"/g)?.length ?? 0);
    expect(refused).toBeGreaterThanOrEqual(20 - LIMIT);
  });
});

describe("a request in a session that is not there", () => {
  it.each([
    ["tools/call", { id: 1, method: "tools/call", params: { name: "session_info", arguments: { session_id: "s" } } }],
    ["resources/read", { id: 1, method: "resources/read", params: { uri: "session://sessions" } }],
    ["ping", { id: 1, method: "ping" }],
    ["a batch of calls", [call(1), call(2)]],
  ])("counts as a call: %s", async (_, message) => {
    const { send } = instance({ limits: { callsPerMinute: 5 } });
    const body = Array.isArray(message) ? message : { jsonrpc: "2.0", ...message };
    const statuses = [];
    for (let i = 0; i < 8; i++) statuses.push((await send("POST", body, `guess-${i}`)).status);
    expect(statuses).toEqual([404, 404, 404, 404, 404, 429, 429, 429]);
  });
});

describe("a request of the pipeline", () => {
  it.each([
    ["resources/list", {}],
    ["resources/read", { uri: "session://sessions" }],
    ["prompts/get", { name: "recall", arguments: { session_id: "s" } }],
    [
      "completion/complete",
      { ref: { type: "ref/prompt", name: "recall" }, argument: { name: "session_id", value: "" } },
    ],
    ["tools/call", { name: "list_sessions", arguments: {} }],
  ])("%s counts once", async (method, params) => {
    const store = new MemoryStore();
    const session = await instance({ store }).open();
    const { send } = instance({ store, limits: { callsPerMinute: 5 } });
    const answers = [];
    for (let i = 0; i < 8; i++)
      answers.push(await (await send("POST", { jsonrpc: "2.0", id: 1, method, params }, session)).text());
    const refused = answers.map((answer) => /which is the limit/.test(answer));
    expect(refused).toEqual([false, false, false, false, false, true, true, true]);
  });

  it.each([
    ["prompts/get", { name: "recall", arguments: { session_id: 7 } }],
    ["resources/list", { cursor: 7 }],
    ["completion/complete", { ref: { type: "ref/prompt", name: 7 }, argument: { name: "session_id", value: "" } }],
  ])("%s counts also where its params are refused: %j", async (method, params) => {
    const store = new MemoryStore();
    const session = await instance({ store }).open();
    const { send } = instance({ store, limits: { callsPerMinute: 5 } });
    const statuses = [];
    for (let i = 0; i < 8; i++)
      statuses.push((await send("POST", { jsonrpc: "2.0", id: 1, method, params }, session)).status);
    expect(statuses.slice(5)).toEqual([429, 429, 429]);
  });
});

describe("a message that nobody waits for", () => {
  it("is not kept", async () => {
    const tried: string[] = [];
    let kept = 0;
    const store = interceptStore(new MemoryStore(), async (request, send) => {
      const result = await send();
      if (request.method !== "update" || !request.sk.startsWith("A#")) return result;
      tried.push(request.sk);
      if ((result as { applied: boolean }).applied) kept += 1;
      return result;
    });
    const { send, open } = instance({ store });
    const session = await open();
    for (let i = 0; i < 50; i++)
      expect(
        (await send("POST", { jsonrpc: "2.0", id: `guess-${i}`, result: { big: "x".repeat(1000) } }, session)).status,
      ).toBe(202);
    expect({ tried: new Set(tried).size, kept }).toEqual({ tried: 50, kept: 0 });
  });
});

describe("the stream of a session", () => {
  const ended = async (response: Response) => {
    const reader = response.body?.getReader();
    while (!(await reader?.read())?.done);
    return true;
  };

  it("gives way to a new one on the same instance", async () => {
    const { send, open } = instance();
    const session = await open();
    const first = await send("GET", undefined, session);
    const second = await send("GET", undefined, session);
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(await ended(first)).toBe(true);
    await second.body?.cancel();
  });

  it("gives way to a new one on another instance", async () => {
    const store = new MemoryStore();
    const [one, two] = [instance({ store }), instance({ store })];
    const session = await one.open();
    const first = await one.send("GET", undefined, session);
    const second = await two.send("GET", undefined, session);
    expect(await ended(first)).toBe(true);
    await second.body?.cancel();
  }, 20_000);

  it("is one of a bounded number of its principal", async () => {
    const { send, open } = instance({ limits: { listensPerPrincipal: 3 } });
    const streams = [];
    for (let i = 0; i < 5; i++) streams.push(await send("GET", undefined, await open()));
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429]);
    for (const stream of streams) await stream.body?.cancel();
  });

  it("is one of a bounded number also when many are asked for at the same time", async () => {
    const { send, open } = instance({ limits: { listensPerPrincipal: 3 } });
    const sessions = [];
    for (let i = 0; i < 20; i++) sessions.push(await open());
    const streams = await Promise.all(sessions.map((session) => send("GET", undefined, session)));
    expect(streams.filter(({ status }) => status === 200)).toHaveLength(3);
    for (const stream of streams) await stream.body?.cancel();
  });

  it("may be replaced by a client that holds as many as it may", async () => {
    const { send, open } = instance({ limits: { listensPerPrincipal: 1 } });
    const session = await open();
    const first = await send("GET", undefined, session);
    const second = await send("GET", undefined, session);
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(await ended(first)).toBe(true);
    await second.body?.cancel();
    await expect.poll(async () => (await send("GET", undefined, await open())).status).toBe(200);
  });
});

describe("what strangers are told on the way", () => {
  it("is kept for who comes back up to a bound, and told all the same beyond it", async () => {
    let kept = 0;
    const store = interceptStore(new MemoryStore(), (request, send) => {
      if (request.method === "create" && request.pk.includes("#E#")) kept += 1;
      return send();
    });
    const talks = defineTool({
      name: "talks",
      description: "Says twenty things before it ends.",
      input: z.object({}),
      output: z.object({ ended: z.boolean() }),
      session: "none",
      run: (_, { logToClient }) => {
        for (let i = 0; i < 20; i++) logToClient("info", `${i}`.padEnd(800, "x"));
        return { ended: true };
      },
    });
    // All together ten times as much.
    const limits = { anonymousBytesPerHour: 1_000 };
    const { send } = instance({ store, tools: [talks], access: { mode: "anonymous" }, limits });
    const begun = await send("POST", { jsonrpc: "2.0", id: 1, method: "initialize", params: INITIALIZE });
    const session = String(begun.headers.get("mcp-session-id"));
    const asked = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "talks", arguments: {} } };
    const told = await (await send("POST", asked, session)).text();
    expect(told.split("notifications/message").length - 1).toBe(20);
    expect(told).toContain('"ended":true');
    // Eleven of them, and the answer.
    expect(kept).toBe(12);
  });
});

describe("questions that no person answers", () => {
  it("are looked for less often the more there are of one caller", async () => {
    let reads = 0;
    const store = interceptStore(new MemoryStore(), (request, send) => {
      if (request.method === "get") reads += 1;
      return send();
    });
    const { app, send } = instance({ store, confirm: ["delete_session"] });
    const asks = { ...INITIALIZE, capabilities: { elicitation: {} } };
    const begun = await send("POST", { jsonrpc: "2.0", id: 1, method: "initialize", params: asks });
    const session = String(begun.headers.get("mcp-session-id"));
    const principal = (await parseTokens(`alice=${ALICE}`).find(ALICE)) as Principal;
    await app.call({ name: "create_session", arguments: { name: "plan" }, principal });
    const ask = (id: number) => ({
      ...{ jsonrpc: "2.0", id, method: "tools/call" },
      params: { name: "delete_session", arguments: { session_id: "plan" } },
    });
    for (let batch = 0; batch < 3; batch++) {
      const calls = Array.from({ length: 100 }, (_, at) => ask(batch * 100 + at));
      const stream = await send("POST", calls, session);
      let asked = 0;
      for await (const chunk of stream.body?.values({ preventCancel: true }) ?? []) {
        asked += Buffer.from(chunk).toString().split("elicitation/create").length - 1;
        if (asked === 100) break;
      }
    }
    reads = 0;
    const since = performance.now();
    await expect.poll(() => reads, { timeout: 60_000 }).toBeGreaterThanOrEqual(300);
    // 64 looks in a second, and those of one batch that were about to be made; it was twice for each question.
    expect(reads).toBeLessThan(200 + (64 * (performance.now() - since)) / 1_000);
  }, 90_000);
});

describe("resources/subscribe", () => {
  it("needs the scope that reading needs", async () => {
    const { send, open } = instance();
    const session = await open(WRITER);
    const message = { jsonrpc: "2.0", id: 2, method: "resources/subscribe", params: { uri: "session://s/notes" } };
    expect(await (await send("POST", message, session, WRITER)).text()).toContain("scope read");
  });
});
