import { describe, expect, it, vi } from "vitest";
import { interceptStore, pausedAt } from "../../test-support/intercepted-store.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { ANONYMOUS_PRINCIPAL } from "../principal.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";
import { principalNamed, testApp } from "../testing/test-app.ts";
import { sessionKey, sessionPartition } from "./keys.ts";
import { mintHandle } from "./sessions.ts";

const NEVER = mintHandle();
const create = async (call: ReturnType<typeof testApp>["call"], args: object = {}, as?: string) =>
  String((await call("create_session", { ...args }, as)).session_id);

/** Every tool that takes a session, with arguments that would succeed on one's own. */
const SESSION_CALLS: [string, Record<string, unknown>][] = [
  ["session_info", {}],
  ["get_notes", {}],
  ["get_notes", { details: true, order: "newest" }],
  ["add_note", { note: "n" }],
  ["add_note", { note: "n", idempotency_key: "1" }],
  ["update_note", { note_id: "note_a_1", note: "n" }],
  ["delete_note", { note_id: "note_a_1", idempotency_key: "5" }],
  ["get_value", { key: "k" }],
  ["list_values", {}],
  ["store_value", { key: "k", value: 1 }],
  ["store_value", { key: "k", value: 1, if_version: 1 }],
  ["store_value", { key: "k", value: 1, idempotency_key: "2" }],
  ["increment_value", { key: "k" }],
  ["increment_value", { key: "k", idempotency_key: "3" }],
  ["delete_value", { key: "k" }],
  ["delete_value", { key: "k", idempotency_key: "4" }],
  ["reset_session", {}],
  ["reset_session", { idempotency_key: "5" }],
  ["delete_session", {}],
  ["delete_session", { idempotency_key: "6" }],
];

describe("a handle", () => {
  it("covers every tool that takes a session in the list above", () => {
    const tools = testApp().app.tools.filter(({ session }) => session !== "none");
    expect(new Set(SESSION_CALLS.map(([name]) => name))).toEqual(new Set(tools.map(({ name }) => name)));
  });

  it.each(SESSION_CALLS)("of another principal answers %s %j as one that never existed", async (name, args) => {
    const { app, call, store } = testApp();
    const handle = await create(call, {}, "alice");
    await call("add_note", { session_id: handle, note: "secret" }, "alice");
    await call("store_value", { session_id: handle, key: "k", value: "secret" }, "alice");
    const outcome = (session_id: string) =>
      app.call({ name, arguments: { ...args, session_id }, principal: principalNamed("bob") }).then(
        ({ structured, replayed }) => JSON.stringify({ structured, replayed }).replaceAll(session_id, "<id>"),
        ({ code, message, details, retryAfterSeconds }) =>
          JSON.stringify({ code, message, details, retryAfterSeconds }).replaceAll(session_id, "<id>"),
      );
    expect(await outcome(handle)).toBe(await outcome(NEVER));
    expect((await call("get_notes", { session_id: handle }, "alice")).notes).toEqual(["secret"]);
    const bob = principalNamed("bob").id;
    for (const id of [handle, NEVER])
      expect((await store.list(sessionPartition(bob, id), { limit: 9 })).entries).toEqual([]);
  });

  it.each(SESSION_CALLS)("is never created by %s %j", async (name, args) => {
    const { call, store } = testApp();
    await call(name, { ...args, session_id: NEVER }, "bob").catch(() => {});
    expect(await store.get(sessionKey(principalNamed("bob").id, NEVER))).toBeUndefined();
    expect((await call("list_sessions", {}, "bob")).sessions).toEqual([]);
  });

  it("has 130 bits of chance and is never minted twice", () => {
    const handles = Array.from({ length: 1000 }, () => mintHandle());
    expect(new Set(handles).size).toBe(1000);
    for (const handle of handles) expect(handle).toMatch(/^ses_[0-9a-hjkmnp-tv-z]{26}$/);
  });

  it.each(["ses_", "ses_x", `ses_${"i".repeat(26)}`, `${NEVER}x`, NEVER.toUpperCase().replace("SES", "ses")])(
    "of the wrong form, %s, is answered as unknown",
    async (session_id) => {
      const { call } = testApp();
      await expect(call("add_note", { session_id, note: "n" })).rejects.toMatchObject({ code: "session_not_found" });
    },
  );
});

describe("a name", () => {
  it("belongs to its principal and is created by its first write", async () => {
    const { call } = testApp();
    expect(await call("get_notes", { session_id: "plan" }, "alice")).toEqual({ session_id: "plan", notes: [] });
    expect(await call("reset_session", { session_id: "plan" }, "alice")).toEqual({ session_id: "plan", cleared: 0 });
    expect((await call("list_sessions", {}, "alice")).sessions).toEqual([]);
    await call("add_note", { session_id: "plan", note: "a" }, "alice");
    expect((await call("get_notes", { session_id: "plan" }, "bob")).notes).toEqual([]);
    expect((await call("list_sessions", {}, "alice")).sessions).toHaveLength(1);
  });

  it.each(["", " a", "a ", "a\nb", "\u007f", "\ud800", "x".repeat(129), "é".repeat(65)])(
    "%j is refused",
    async (id) => {
      const { call } = testApp();
      await expect(call("add_note", { session_id: id, note: "n" })).rejects.toMatchObject({ code: "invalid_input" });
      await expect(call("create_session", { name: id })).rejects.toMatchObject({ code: "invalid_input" });
    },
  );

  it.each(["#", "a#S#b", "P#x", "%", "%23", "../x", "a/b", "é".repeat(64), "__proto__"])(
    "%j reaches no neighbour's key",
    async (id) => {
      const { call } = testApp();
      await call("add_note", { session_id: id, note: "mine" });
      await call("store_value", { session_id: id, key: id, value: 1 });
      for (const other of ["a", "b", "x", "#S#", decodeURIComponent(id === "%" ? "y" : id) === id ? "y" : "#"])
        expect((await call("get_notes", { session_id: other })).notes).toEqual([]);
      expect((await call("list_values", { session_id: id })).values).toEqual([{ key: id, version: 1 }]);
      expect((await call("list_sessions")).sessions).toMatchObject([{ session_id: id }]);
    },
  );

  it("that is taken is a conflict; one that looks like a handle is refused", async () => {
    const { call } = testApp();
    await create(call, { name: "plan" });
    await expect(create(call, { name: "plan" })).rejects.toMatchObject({ code: "conflict" });
    await expect(create(call, { name: NEVER })).rejects.toMatchObject({ code: "invalid_input" });
    expect(await create(call, { name: "plan" }, "bob")).toBe("plan");
  });
});

describe("which session a call means", () => {
  it("is its argument, else the operator's default, else default for the local user, else an error that names create_session", async () => {
    const local = testApp();
    expect(await local.call("add_note", { note: "n" })).toMatchObject({ session_id: "default" });
    await expect(local.call("add_note", { note: "n" }, "alice")).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringContaining("create_session"),
    });
    const remote = testApp({ sessions: { defaultSession: "team" } });
    expect(await remote.call("add_note", { note: "n" }, "alice")).toMatchObject({ session_id: "team" });
    expect(await remote.call("add_note", { note: "n", session_id: "own" }, "alice")).toMatchObject({
      session_id: "own",
    });
  });

  it("for an anonymous caller is only ever a handle, and nothing can be listed", async () => {
    const { app } = testApp({ access: { mode: "anonymous" }, sessions: { defaultSession: "team" } });
    const call = (name: string, args: object) => app.call({ name, arguments: args, principal: ANONYMOUS_PRINCIPAL });
    for (const args of [{ note: "n" }, { note: "n", session_id: "team" }])
      await expect(call("add_note", args)).rejects.toMatchObject({ code: "invalid_input" });
    await expect(call("create_session", { name: "x" })).rejects.toMatchObject({ code: "invalid_input" });
    expect(app.tools.map(({ name }) => name)).not.toContain("list_sessions");
    const { session_id } = (await call("create_session", {})).structured;
    expect((await call("add_note", { note: "n", session_id })).structured).toMatchObject({ count: 1 });
  });
});

describe("reset", () => {
  it("is one write whatever the session holds", async () => {
    const { call, store, clock, app } = testApp();
    for (let i = 0; i < 30; i++) await call("add_note", { note: `${i}` });
    for (let i = 0; i < 5; i++) await call("store_value", { key: `${i}`, value: i });
    let writes = 0;
    const counting = interceptStore(store, (request, send) => {
      if (request.method === "create" || request.method === "update") writes += 1;
      return send();
    });
    const process = testApp({ store: counting, clock });
    expect(await process.call("reset_session")).toMatchObject({ cleared: 30 });
    expect(writes).toBe(1);
    expect((await call("get_notes")).notes).toEqual([]);
    expect((await call("list_values")).values).toEqual([]);
    expect(await call("session_info")).toMatchObject({ notes: 0, created_at: expect.any(String) });
    await Promise.all([process.app.close(), app.close()]);
  });

  it("is seen by the next call of every other process, whatever that one had read before", async () => {
    const one = testApp();
    const two = testApp(one);
    const { session_id } = await one.call("create_session");
    await one.call("add_note", { session_id, note: "old" });
    await one.call("store_value", { session_id, key: "k", value: "old" });
    await two.call("reset_session", { session_id });
    expect((await one.call("get_notes", { session_id })).notes).toEqual([]);
    expect(await one.call("get_value", { session_id, key: "k" })).toMatchObject({ found: false });
    expect(await one.call("add_note", { session_id, note: "new" })).toMatchObject({ count: 1 });
    expect((await two.call("get_notes", { session_id })).notes).toEqual(["new"]);
  });

  it("removes the entries it made unreachable, once nobody can still be adding to them", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { app, call, store } = testApp();
    const { session_id } = await call("create_session", {}, "alice");
    for (let i = 0; i < 3; i++) await call("add_note", { session_id, note: "n", idempotency_key: `${i}` }, "alice");
    await call("store_value", { session_id, key: "k", value: 1 }, "alice");
    await call("reset_session", { session_id, idempotency_key: "r" }, "alice");
    const partition = sessionPartition(principalNamed("alice").id, String(session_id));
    const left = async () => (await store.list(partition, { limit: 10 })).entries.length;
    await vi.advanceTimersByTimeAsync(DEFAULT_LIMITS.callTimeoutMs);
    expect(await left()).toBe(4);
    await vi.advanceTimersByTimeAsync(60_000);
    await app.close();
    expect(await left()).toBe(0);
    vi.useRealTimers();
  });
});

describe("delete", () => {
  it("ends the session for everybody; a session of the same name later sees nothing of it", async () => {
    const one = testApp();
    const two = testApp(one);
    await one.call("add_note", { session_id: "plan", note: "old" });
    expect(await two.call("delete_session", { session_id: "plan" })).toMatchObject({ deleted: true });
    expect(await two.call("delete_session", { session_id: "plan" })).toMatchObject({ deleted: false });
    expect((await one.call("get_notes", { session_id: "plan" })).notes).toEqual([]);
    expect(await one.call("add_note", { session_id: "plan", note: "new" })).toMatchObject({ count: 1 });
    expect((await two.call("get_notes", { session_id: "plan" })).notes).toEqual(["new"]);
  });

  it("of a handle is final: nothing brings it back, and an hour later neither", async () => {
    const { call, clock } = testApp();
    const session_id = await create(call);
    await call("delete_session", { session_id });
    for (const seconds of [0, 3601]) {
      clock.advance(seconds);
      for (const [name, args] of SESSION_CALLS.filter(([name]) => name !== "delete_session"))
        await expect(call(name, { ...args, session_id }), name).rejects.toMatchObject({ code: "session_not_found" });
    }
  });

  it("racing the expiry's move does not revive the session", async () => {
    const one = testApp({ sessions: { ttlSeconds: 100 } });
    const session_id = await create(one.call);
    one.clock.advance(50);
    const gate = pausedAt(one.store, ({ method, sk }) => method === "update" && sk.startsWith("S#"));
    const touching = testApp({ ...one, store: gate.store, sessions: { ttlSeconds: 100 } }).call("get_notes", {
      session_id,
    });
    await gate.reached;
    await one.call("delete_session", { session_id });
    gate.open();
    await touching;
    await expect(one.call("get_notes", { session_id })).rejects.toMatchObject({ code: "session_not_found" });
  });
});

describe("expiry", () => {
  it("is not moved on a session of the same name that has taken the place of the one that was used", async () => {
    const sessions = { ttlSeconds: 100 };
    const one = testApp({ sessions });
    await create(one.call, { name: "plan" });
    one.clock.advance(50);
    const gate = pausedAt(one.store, ({ method, sk }) => method === "update" && sk.startsWith("S#"));
    const touching = testApp({ ...one, store: gate.store, sessions }).call("get_notes", { session_id: "plan" });
    await gate.reached;
    await one.call("delete_session", { session_id: "plan" });
    const { expires_at } = await one.call("create_session", { name: "plan", ttl_seconds: 5_000 });
    gate.open();
    await touching;
    expect(await one.call("session_info", { session_id: "plan" })).toMatchObject({ expires_at });
  });

  it("slides with use up to the hard end", async () => {
    const { call, clock } = testApp({ sessions: { ttlSeconds: 100, maxSeconds: 250 } });
    const session_id = await create(call);
    for (const seconds of [90, 90, 69]) {
      clock.advance(seconds);
      await call("get_notes", { session_id });
    }
    clock.advance(1);
    await expect(call("get_notes", { session_id })).rejects.toMatchObject({ code: "session_not_found" });
  });

  it("moves at most once per quarter of the lifetime, with a write to the session alone", async () => {
    const base = testApp({ sessions: { ttlSeconds: 100 } });
    const written: string[] = [];
    const store = interceptStore(base.store, (request, send) => {
      if (request.method !== "get" && request.method !== "list") written.push(request.sk.slice(0, 2));
      return send();
    });
    const { call } = testApp({ ...base, store, sessions: { ttlSeconds: 100 } });
    const session_id = await create(base.call);
    for (let seconds = 0; seconds < 100; seconds += 5) {
      base.clock.advance(5);
      await call("get_notes", { session_id });
    }
    expect(written).toEqual(["S#", "S#", "S#", "S#"]);
  });

  it("hides every entity at its second, and no write brings one back", async () => {
    const clock = movableClock();
    const store = new MemoryStore({ clock });
    const sessions = { ttlSeconds: 100, maxSeconds: 100 };
    const { call } = testApp({ store, clock, sessions, cache: { ttlSeconds: 100 } });
    const session_id = await create(call);
    await call("add_note", { session_id, note: "n" });
    await call("store_value", { session_id, key: "k", value: 1 });
    await call("add_note", { session_id: "name", note: "n" });
    await call("increment_value", { session_id: "name", key: "k" });
    clock.advance(99);
    expect(await call("session_info", { session_id })).toMatchObject({ notes: 1 });
    clock.advance(1);
    for (const [name, args] of SESSION_CALLS.filter(([name]) => name !== "delete_session"))
      await expect(call(name, { ...args, session_id }), name).rejects.toMatchObject({ code: "session_not_found" });
    expect(await call("delete_session", { session_id })).toMatchObject({ deleted: false });
    expect((await call("list_sessions")).sessions).toEqual([]);
    expect(await call("session_info", { session_id: "name" })).toMatchObject({ notes: 0, created_at: null });
    expect(await call("increment_value", { session_id: "name", key: "k" })).toMatchObject({ value: 1, version: 1 });
    expect(await call("add_note", { session_id: "name", note: "new" })).toMatchObject({ count: 1 });
  });

  it("of a value on its own second is seen by reads, listings, conditions and increments", async () => {
    const { call, clock } = testApp();
    for (const key of ["a", "b", "c", "d"]) await call("store_value", { key, value: 5, ttl_seconds: 10 });
    clock.advance(9);
    expect((await call("list_values")).values).toHaveLength(4);
    clock.advance(1);
    expect(await call("get_value", { key: "a" })).toMatchObject({ found: false });
    expect((await call("list_values")).values).toEqual([]);
    await expect(call("store_value", { key: "a", value: 1, if_version: 1 })).rejects.toMatchObject({
      code: "conflict",
      details: { current_version: 0 },
    });
    expect(await call("delete_value", { key: "b" })).toMatchObject({ deleted: false });
    expect(await call("increment_value", { key: "c" })).toMatchObject({ value: 1 });
    expect(await call("store_value", { key: "d", value: 1, if_version: 0 })).toMatchObject({ stored: true });
  });

  it("with a lifetime of 0 never comes", async () => {
    const { call, clock } = testApp({ sessions: { ttlSeconds: 0 } });
    expect(await call("create_session", { name: "x" })).toMatchObject({ expires_at: null });
    await call("add_note", { session_id: "x", note: "n" });
    clock.advance(100 * 365 * 86_400);
    expect((await call("get_notes", { session_id: "x" })).notes).toEqual(["n"]);
  });

  it("longer than the operator's hard end is refused", async () => {
    const { call } = testApp({ sessions: { maxSeconds: 1000 } });
    await expect(call("create_session", { ttl_seconds: 1001 })).rejects.toMatchObject({ code: "invalid_input" });
    expect(await call("create_session", { ttl_seconds: 1000 })).toMatchObject({ expires_at: expect.any(String) });
  });
});

describe("the limit of sessions", () => {
  it("counts live ones, whatever tombstones stand among them, and names the way out", async () => {
    const { call } = testApp({ limits: { sessionsPerPrincipal: 3 } });
    for (const name of ["a", "b", "c", "d", "e"]) {
      await create(call, { name });
      await call("delete_session", { session_id: name });
    }
    for (const name of ["x", "y", "z"]) await create(call, { name });
    await expect(create(call)).rejects.toMatchObject({
      code: "conflict",
      retryable: false,
      message: expect.stringContaining('Delete one with delete_session. Longest unused: "'),
      details: { limit: 3, longest_unused: expect.arrayContaining(["x", "y", "z"]) },
    });
    await expect(call("add_note", { session_id: "new", note: "n" })).rejects.toMatchObject({ code: "conflict" });
    expect(await create(call, {}, "bob")).toMatch(/^ses_/);
    await call("delete_session", { session_id: "y" });
    expect(await create(call)).toMatch(/^ses_/);
  });

  it("leaves room for sessions that somebody named, however many connections have had one of their own", async () => {
    const { app, call } = testApp({ limits: { sessionsPerPrincipal: 3 }, sessions: { ttlSeconds: 0 } });
    const principal = principalNamed("alice");
    const noteOver = (connection: string) =>
      app.call({ name: "add_note", arguments: { note: "n" }, principal, transportSession: connection });
    for (const connection of ["1", "2", "3"]) await noteOver(connection);
    await expect(noteOver("4")).rejects.toMatchObject({
      code: "conflict",
      retryable: false,
      message: expect.stringContaining("session_id of a session that you named"),
      details: { longest_unused: expect.arrayContaining([expect.stringMatching(/^chat-/)]) },
    });
    for (const name of ["x", "y", "z"]) await create(call, { name }, "alice");
    await expect(create(call, { name: "w" }, "alice")).rejects.toMatchObject({ code: "conflict" });
  });

  it("forgets sessions of connections after a day without use, also where others never end", async () => {
    const { app, call, clock } = testApp({ sessions: { ttlSeconds: 0 } });
    const principal = principalNamed("alice");
    await call("add_note", { session_id: "named", note: "n" }, "alice");
    await app.call({ name: "add_note", arguments: { note: "n" }, principal, transportSession: "1" });
    expect((await call("list_sessions", {}, "alice")).sessions).toHaveLength(2);
    clock.advance(86_401);
    expect((await call("list_sessions", {}, "alice")).sessions).toMatchObject([{ session_id: "named" }]);
  });

  it("is not counted anew for every session while there is much room, and holds exactly where there is little", async () => {
    let counts = 0;
    const base = testApp();
    const store = interceptStore(base.store, (request, send) => {
      if (request.method === "list") counts += 1;
      return send();
    });
    const { call } = testApp({ ...base, store, limits: { sessionsPerPrincipal: 100 } });
    for (let i = 0; i < 7; i++) await create(call);
    expect(counts).toBe(1);
    for (let i = 7; i < 100; i++) await create(call);
    await expect(create(call)).rejects.toMatchObject({ code: "conflict" });
    expect(counts).toBeLessThan(60);
  });
});

describe("list_sessions", () => {
  it("shows the latest used first, in pages that miss none", async () => {
    const { call, clock } = testApp();
    for (let i = 0; i < 25; i++) {
      await create(call, { name: `s${i}` });
      if (i % 3 === 0) clock.advance(1);
    }
    const seen: { session_id: string; last_active_at: string }[] = [];
    let cursor: unknown;
    do {
      const page = await call("list_sessions", { limit: 4, ...(cursor ? { cursor } : {}) });
      seen.push(...(page.sessions as typeof seen));
      cursor = page.next_cursor;
    } while (cursor);
    expect(new Set(seen.map(({ session_id }) => session_id)).size).toBe(25);
    const times = seen.map(({ last_active_at }) => last_active_at);
    expect(times).toEqual(times.toSorted().reverse());
  });

  it.each([
    ["never end", 0, 60],
    ["end after a day", 86_400, 3600],
    ["end after a minute", 60, 15],
  ])("puts a session that is used again first, where sessions %s", async (_, ttlSeconds, exactToSeconds) => {
    const { call, clock } = testApp({ sessions: { ttlSeconds } });
    await create(call, { name: "first" });
    clock.advance(exactToSeconds);
    await create(call, { name: "second" });
    const order = async () =>
      ((await call("list_sessions")).sessions as { session_id: string }[]).map(({ session_id }) => session_id);
    expect(await order()).toEqual(["second", "first"]);
    clock.advance(1);
    await call("get_notes", { session_id: "first" });
    expect(await order()).toEqual(["first", "second"]);
  });
});

describe("reads of a session and of what it holds", () => {
  /** A process of its own on a store, and the requests it has sent. */
  function process(store: MemoryStore) {
    const requests: string[] = [];
    const { call } = testApp({
      store: interceptStore(store, (request, send) => {
        requests.push(request.method);
        return send();
      }),
    });
    const sent = async (name: string, args: Record<string, unknown>) => {
      requests.length = 0;
      const result = await call(name, { session_id: "s", ...args });
      return { result, requests: [...requests] };
    };
    return { call: (name: string, args: Record<string, unknown>) => call(name, { session_id: "s", ...args }), sent };
  }

  it("get_value is one request once the process has seen the session", async () => {
    const store = new MemoryStore();
    const here = process(store);
    const there = process(store);
    await here.call("store_value", { key: "k", value: 1 });
    expect(await here.sent("get_value", { key: "k" })).toMatchObject({ result: { value: 1 }, requests: ["getMany"] });
    expect(await here.sent("get_value", { key: "none" })).toMatchObject({ requests: ["getMany"] });
    expect((await there.sent("get_value", { key: "k" })).requests).toEqual(["get", "get"]);
    expect((await there.sent("get_value", { key: "k" })).requests).toEqual(["getMany"]);
  });

  it("a session that another process has reset is read under its new generation", async () => {
    const store = new MemoryStore();
    const here = process(store);
    const there = process(store);
    await here.call("store_value", { key: "k", value: "old" });
    await here.call("add_note", { note: "old" });
    await there.call("reset_session", {});
    const value = await here.sent("get_value", { key: "k" });
    expect(value).toMatchObject({ result: { found: false }, requests: ["getMany", "get"] });
    await there.call("reset_session", {});
    await there.call("store_value", { key: "k", value: "new" });
    await there.call("add_note", { note: "new" });
    expect((await here.sent("get_notes", {})).result).toMatchObject({ notes: ["new"] });
    expect((await here.sent("get_value", { key: "k" })).result).toMatchObject({ value: "new" });
  });

  it("a session that another process has deleted, and one made anew under its name, show nothing of before", async () => {
    const store = new MemoryStore();
    const here = process(store);
    const there = process(store);
    await here.call("store_value", { key: "k", value: "old" });
    await here.call("add_note", { note: "old" });
    await there.call("delete_session", {});
    expect((await here.sent("get_value", { key: "k" })).result).toMatchObject({ found: false });
    expect((await here.sent("get_notes", {})).result).toMatchObject({ notes: [] });
    await there.call("add_note", { note: "new" });
    expect((await here.sent("get_notes", {})).result).toMatchObject({ notes: ["new"] });
    expect((await here.sent("get_value", { key: "k" })).result).toMatchObject({ found: false });
  });

  it("a cursor from before a reset is refused, wherever the reset was made", async () => {
    const store = new MemoryStore();
    const here = process(store);
    for (const note of ["a", "b"]) await here.call("add_note", { note });
    const { next_cursor: cursor } = (await here.sent("get_notes", { limit: 1 })).result;
    await process(store).call("reset_session", {});
    await expect(here.sent("get_notes", { limit: 1, cursor })).rejects.toMatchObject({ code: "invalid_input" });
  });
});
