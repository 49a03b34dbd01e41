// What one caller can take of a process's tasks, so that others get theirs: new tasks of strangers, slots, looks, and what a log and a
// list tell of tasks that are none of a reader's business.
import { afterEach, describe, expect, it } from "vitest";
import { type App, type AppOptions, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { defineTool } from "../define/tool.ts";
import type { LogFields } from "../logger.ts";
import { makePrincipal } from "../principal.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";
import { testApp } from "../testing/test-app.ts";

const REVISION = "2026-07-28";
const ENVELOPE = "io.modelcontextprotocol/";
const opened: App[] = [];
afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

let running = 0;
const endless = defineTool({
  name: "endless",
  description: "Works until it is told to stop.",
  task: "required",
  session: "none",
  run: (_, { signal }) => {
    running += 1;
    return new Promise<string>((_, reject) =>
      signal.addEventListener("abort", () => {
        running -= 1;
        reject(signal.reason);
      }),
    );
  },
});

function serve(options: AppOptions = {}) {
  const clock = movableClock();
  const lines: [LogFields, string][] = [];
  const note = (fields: LogFields, message: string) => void lines.push([fields, message]);
  const logger = { debug: note, info: note, warn: note, error: note };
  const store = new MemoryStore({ clock });
  const app = createApp({ tools: [endless], access: { mode: "anonymous" }, clock, logger, store, ...options });
  opened.push(app);
  /** One request of a client that takes tasks, from an address or with a token. */
  const request = (method: string, params: Record<string, unknown>, from: { address?: string; token?: string }) => {
    const named = params.name ?? params.taskId;
    const headers = {
      host: "localhost",
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": REVISION,
      "mcp-method": method,
      "mcp-name": String(named),
      ...(from.token !== undefined && { authorization: `Bearer ${from.token}` }),
    };
    const _meta = {
      [`${ENVELOPE}protocolVersion`]: REVISION,
      [`${ENVELOPE}clientInfo`]: { name: "raw", version: "1" },
      [`${ENVELOPE}clientCapabilities`]: { extensions: { [`${ENVELOPE}tasks`]: {} } },
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta } });
    return app.fetch(new Request("http://localhost/mcp", { method: "POST", headers, body }), { address: from.address });
  };
  const begin = async (from: { address?: string; token?: string }) => {
    const { result } = (await (await request("tools/call", { name: "endless", arguments: {} }, from)).json()) as {
      result: { taskId?: string; isError?: boolean; content?: { text: string }[] };
    };
    return result;
  };
  const look = async (taskId: string, from: { address?: string; token?: string }) => {
    const answer = (await (await request("tasks/get", { taskId }, from)).json()) as {
      result?: { status: string };
      error?: { message: string; data: { code: string } };
    };
    return answer;
  };
  return { app, clock, store, lines, begin, look, request };
}

const TOKENS = { ann: "a1B2".repeat(10), bob: "c3D4".repeat(10) };
const tokens = { mode: "tokens", tokens: parseTokens(`ann=${TOKENS.ann}\nbob=${TOKENS.bob}`) } as const;

describe("new tasks of a server that is open to everybody", () => {
  const limits = { anonymousTasksPerHour: 3 };

  it("are bounded for each network, and begin again with the next hour", async () => {
    const { begin, clock } = serve({ limits });
    for (let i = 0; i < 3; i++) expect((await begin({ address: "192.0.2.1" })).taskId).toMatch(/^tsk_/);
    const refused = await begin({ address: "192.0.2.1" });
    expect(refused).toMatchObject({ isError: true, content: [{ text: expect.stringContaining("3 new tasks") }] });
    expect((await begin({ address: "192.0.2.2" })).taskId).toMatch(/^tsk_/);
    clock.advance(3_600);
    expect((await begin({ address: "192.0.2.1" })).taskId).toMatch(/^tsk_/);
  });

  it("are bounded for all networks together, at ten times as many", async () => {
    const { begin } = serve({ limits });
    const begun = [];
    for (let i = 0; i < 35; i++) begun.push(await begin({ address: `192.0.2.${i}` }));
    expect(begun.filter(({ taskId }) => taskId)).toHaveLength(30);
  });

  it("count as one when the call is made again under its key", async () => {
    const inSession = defineTool({ name: "once", description: "Ends.", task: "allowed", run: () => "done" });
    const { app } = serve({ limits, tools: [inSession] });
    const principal = { ...makePrincipal("anonymous", "stateful-mcp", "anonymous"), network: "n" };
    const { session_id } = (await app.call({ name: "create_session", arguments: {}, principal })).structured;
    const call = async (idempotency_key: string) =>
      (await app.call({ name: "once", arguments: { session_id, idempotency_key }, principal })).replayed;
    for (const replayed of [false, true, true, true, true]) expect(await call("1")).toBe(replayed);
    await call("2");
    await call("3");
    await expect(call("4")).rejects.toMatchObject({ code: "rate_limited" });
  });
});

describe("the slots of a process", () => {
  it("are not all taken by one caller: what another one begins is run while the first one's tasks wait", async () => {
    running = 0;
    const { begin, look } = serve({ access: tokens, limits: { tasksPerProcess: 8 } });
    for (let i = 0; i < 12; i++) await begin({ token: TOKENS.ann });
    await expect.poll(() => running).toBe(6);
    const { taskId = "" } = await begin({ token: TOKENS.bob });
    await expect.poll(() => running).toBe(7);
    expect(await look(taskId, { token: TOKENS.bob })).toMatchObject({ result: { status: "working" } });
    expect(running).toBe(7);
  });

  it("are no more when several callers want them", async () => {
    running = 0;
    const { begin, look } = serve({ access: tokens, limits: { tasksPerProcess: 4 } });
    for (let i = 0; i < 4; i++) await begin({ token: TOKENS.ann });
    const own = [];
    for (let i = 0; i < 4; i++) own.push((await begin({ token: TOKENS.bob })).taskId ?? "");
    await expect.poll(() => running).toBeGreaterThanOrEqual(4);
    // Asked for, each of them would be run if it could be.
    for (const id of own)
      expect(await look(id, { token: TOKENS.bob })).toMatchObject({ result: { status: "working" } });
    expect(running).toBe(4);
  });

  it("are given on when a task ends, past those who wait for a slot of their own", async () => {
    running = 0;
    const { begin, request } = serve({ access: tokens, limits: { tasksPerProcess: 4 } });
    const own = [];
    for (let i = 0; i < 6; i++) own.push((await begin({ token: TOKENS.ann })).taskId);
    await begin({ token: TOKENS.bob });
    await begin({ token: TOKENS.bob });
    await expect.poll(() => running).toBe(4);
    // One that waits is cancelled: its place goes to the next.
    await request("tasks/cancel", { taskId: own[3] }, { token: TOKENS.ann });
    await request("tasks/cancel", { taskId: own[0] }, { token: TOKENS.ann });
    await expect.poll(() => running, { timeout: 20_000 }).toBe(4);
  });

  it("are shared by networks where callers have no identity", async () => {
    running = 0;
    const { begin } = serve({ limits: { tasksPerProcess: 4 } });
    for (let i = 0; i < 6; i++) await begin({ address: "192.0.2.1" });
    await expect.poll(() => running).toBe(3);
    await begin({ address: "192.0.2.2" });
    await expect.poll(() => running).toBe(4);
  });
});

describe("looks at tasks", () => {
  const ID = `tsk_${"0".repeat(26)}`;

  it("are bounded on an open server, at ten for each call", async () => {
    const { look } = serve({ limits: { anonymousCallsPerMinute: 2 } });
    const looks = [];
    for (let i = 0; i < 25; i++) looks.push(await look(ID, { address: "192.0.2.1" }));
    const refused = looks.filter(({ error }) => error?.data.code === "rate_limited");
    expect(refused).toHaveLength(5);
    expect(refused[0]?.error?.message).toContain("20 looks at tasks");
    expect((await look(ID, { address: "192.0.2.2" })).error?.data.code).toBe("not_found");
  });

  it("are bounded for a token where its calls are, beside them", async () => {
    const { look, begin } = serve({ access: tokens, limits: { callsPerMinute: 2 } });
    const looks = [];
    for (let i = 0; i < 25; i++) looks.push(await look(ID, { token: TOKENS.ann }));
    expect(looks.filter(({ error }) => error?.data.code === "rate_limited")).toHaveLength(5);
    expect((await begin({ token: TOKENS.ann })).taskId).toMatch(/^tsk_/);
    expect((await look(ID, { token: TOKENS.bob })).error?.data.code).toBe("not_found");
  });
});

describe("what is told of a task", () => {
  it("is no id in any line of an open server's log, also when its run fails to begin", async () => {
    const { begin, look, lines, store, request } = serve();
    const { taskId = "" } = await begin({ address: "192.0.2.1" });
    const get = store.get.bind(store);
    const { app: other, lines: otherLines } = serve({
      store: Object.assign(Object.create(store), {
        get: (key: { pk: string; sk: string }) => {
          if (key.sk === "A") throw new Error("planted");
          return get(key);
        },
      }),
    });
    // Free, so that the other process takes it and then cannot read what it was called with.
    await opened.shift()?.close();
    await other.call({
      name: "get_task",
      arguments: { task_id: taskId },
      principal: makePrincipal("anonymous", "stateful-mcp", "anonymous"),
    });
    await expect.poll(() => otherLines.some(([, message]) => message.startsWith("A task could not be run"))).toBe(true);
    await look(taskId, { address: "192.0.2.1" });
    await request("tasks/cancel", { taskId }, { address: "192.0.2.1" });
    expect(JSON.stringify([...lines, ...otherLines])).not.toContain(taskId);
    expect(JSON.stringify(lines)).toContain("hash:");
  });

  it("is nothing in list_tasks to a token that does not reach its tool", async () => {
    const { app, callAsTask } = testApp({ tools: [endless] });
    await callAsTask("endless", {}, "ana");
    const list = async (scopes: string[]) => {
      const principal = makePrincipal("token", "token", "ana", scopes);
      return (await app.call({ name: "list_tasks", arguments: {}, principal })).structured.tasks;
    };
    expect(await list(["read", "write"])).toMatchObject([{ tool: "endless" }]);
    expect(await list(["read"])).toEqual([]);
  });

  it("a refusal for want of room is no answer to keep for a key", async () => {
    const { app, callAsTask } = testApp({ tools: [endless], limits: { tasksPerPrincipal: 1 } });
    const task = await callAsTask("endless");
    const call = () => callAsTask("endless", { idempotency_key: "1" });
    await expect(call()).rejects.toMatchObject({ code: "conflict" });
    await task.cancel();
    expect((await call()).id).toMatch(/^tsk_/);
    await app.close();
  });
});
