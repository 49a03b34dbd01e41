import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import {
  endingAfter,
  holding,
  interceptStore,
  pausedAt,
  type StoreRequest,
} from "../../test-support/intercepted-store.ts";
import { defineTool } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import { ANONYMOUS_PRINCIPAL, LOCAL_PRINCIPAL } from "../principal.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";
import { type TestApp, testApp } from "../testing/test-app.ts";
import { LEASE_MS } from "./lease.ts";

const LEASE_SECONDS = LEASE_MS / 1000 + 1;

const replayOf = async ({ app }: TestApp, name: string, args: Record<string, unknown>) => {
  const { structured, replayed } = await app.call({ name, arguments: args, principal: LOCAL_PRINCIPAL });
  return { ...structured, replayed };
};

const notes = async (call: TestApp["call"]) => (await call("get_notes")).notes;

describe("an idempotency key", () => {
  it("replays the recorded answer, on any process, and says so", async () => {
    const one = testApp();
    const two = testApp(one);
    const args = { note: "a", idempotency_key: "k" };
    const first = await replayOf(one, "add_note", args);
    expect(first).toMatchObject({ count: 1, replayed: false });
    await one.call("add_note", { note: "b" });
    expect(await replayOf(two, "add_note", args)).toEqual({ ...first, replayed: true });
    expect(await notes(two.call)).toEqual(["a", "b"]);
  });

  it("records a refusal too: what was answered stays answered", async () => {
    const { call } = testApp();
    await call("store_value", { key: "k", value: 1 });
    const args = { key: "k", value: 2, if_version: 7, idempotency_key: "key" };
    const refused = { code: "conflict", details: { current_version: 1 } };
    await expect(call("store_value", args)).rejects.toMatchObject(refused);
    for (let version = 2; version <= 7; version++) await call("store_value", { key: "k", value: version });
    await expect(call("store_value", args)).rejects.toMatchObject(refused);
  });

  it("does not record an error that came before anything was claimed", async () => {
    const { call } = testApp();
    const args = { note: "x".repeat(40_000), idempotency_key: "k" };
    await expect(call("add_note", args)).rejects.toMatchObject({ code: "too_large" });
    expect(await call("add_note", { note: "short", idempotency_key: "k" })).toMatchObject({ count: 1 });
  });

  it("is refused with other arguments, whatever their order would be", async () => {
    const { call } = testApp();
    await call("store_value", { key: "k", value: { a: 1, b: 2 }, idempotency_key: "key" });
    expect(await call("store_value", { idempotency_key: "key", value: { b: 2, a: 1 }, key: "k" })).toMatchObject({
      version: 1,
    });
    for (const value of [{ a: 1 }, { a: 1, b: 3 }, [1, 2], null])
      await expect(call("store_value", { key: "k", value, idempotency_key: "key" })).rejects.toMatchObject({
        code: "key_reused",
      });
  });

  it("means another call under another principal, session or tool", async () => {
    const { call } = testApp();
    const note = { note: "n", idempotency_key: "k" };
    expect(await call("add_note", { ...note, session_id: "a" }, "alice")).toMatchObject({ count: 1 });
    expect(await call("add_note", { ...note, session_id: "a" }, "bob")).toMatchObject({ count: 1 });
    expect(await call("add_note", { ...note, session_id: "b" }, "alice")).toMatchObject({ count: 1 });
    expect(await call("increment_value", { key: "n", session_id: "a", idempotency_key: "k" }, "alice")).toMatchObject({
      value: 1,
    });
    expect((await call("get_notes", { session_id: "a" }, "bob")).notes).toEqual(["n"]);
  });

  it("ends after its lifetime", async () => {
    const { call, clock } = testApp({ idempotency: { ttlSeconds: 100 }, sessions: { ttlSeconds: 0 } });
    const args = { key: "n", idempotency_key: "k" };
    await call("increment_value", args);
    clock.advance(99);
    expect(await call("increment_value", args)).toMatchObject({ value: 1 });
    clock.advance(1);
    expect(await call("increment_value", { ...args, by: 5 })).toMatchObject({ value: 6 });
  });

  it.each([
    ["", "empty"],
    ["x".repeat(256), "over 255 bytes"],
    ["\ud800", "no Unicode"],
  ])("%j is refused: %s", async (idempotency_key) => {
    const { call } = testApp();
    await expect(call("add_note", { note: "n", idempotency_key })).rejects.toMatchObject({ code: "invalid_input" });
  });

  it("of an anonymous caller never answers with another caller's handle", async () => {
    const { app } = testApp({ access: { mode: "anonymous" } });
    const create = () =>
      app.call({ name: "create_session", arguments: { idempotency_key: "1" }, principal: ANONYMOUS_PRINCIPAL });
    await expect(create()).rejects.toMatchObject({ code: "invalid_input" });
    await expect(create()).rejects.toMatchObject({ code: "invalid_input" });
  });

  it("of an anonymous caller protects writes to a handle", async () => {
    const { app } = testApp({ access: { mode: "anonymous" } });
    const call = (name: string, args: object) => app.call({ name, arguments: args, principal: ANONYMOUS_PRINCIPAL });
    const { session_id } = (await call("create_session", {})).structured;
    const args = { key: "n", session_id, idempotency_key: "k" };
    await call("increment_value", args);
    expect(await call("increment_value", args)).toMatchObject({ structured: { value: 1 }, replayed: true });
  });

  it("covers every write of a tool that makes several, in parallel and in several sessions", async () => {
    const busy = defineTool({
      name: "busy",
      description: "Writes much.",
      input: z.object({}),
      output: z.object({ counts: z.array(z.number()) }),
      run: async (_, { session, state }) => {
        const other = state.session("other");
        const counts = await Promise.all([
          session.values.increment("a"),
          session.values.increment("b", 2),
          other.values.increment("a", 3),
          session.notes.add("one").then((added) => added.count),
          other.notes.add("two").then((added) => added.count),
        ]);
        return { counts };
      },
    });
    const base = testApp();
    const tools = [busy, ...base.app.tools];
    for (let requests = 0, ended = true; ended; requests++) {
      const clock = movableClock();
      const store = new MemoryStore({ clock });
      const { call } = testApp({ store, clock, tools });
      await call("add_note", { note: "zero" });
      await call("add_note", { note: "zero", session_id: "other" });
      const doomed = testApp({ store: endingAfter(store, requests), clock, tools });
      ended = await doomed.call("busy", { idempotency_key: "k" }).then(
        () => false,
        () => true,
      );
      clock.advance(LEASE_SECONDS);
      expect(await call("busy", { idempotency_key: "k" }), `after ${requests} requests`).toMatchObject({
        counts: [1, 2, 3, 2, 2],
      });
      expect((await call("get_notes")).notes).toEqual(["zero", "one"]);
      expect((await call("get_notes", { session_id: "other" })).notes).toEqual(["zero", "two"]);
      expect(await call("get_value", { key: "a", session_id: "other" })).toMatchObject({ value: 3, version: 1 });
      expect(await call("get_value", { key: "b" })).toMatchObject({ value: 2, version: 1 });
    }
  });
});

describe("a call that is still running", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const isEffect = ({ method, sk }: StoreRequest) => method === "update" && sk.startsWith("V#");

  it("makes the second wait a little, then tells it to come back, with when", async () => {
    const first = testApp();
    const gate = pausedAt(first.store, isEffect);
    const args = { key: "n", idempotency_key: "k" };
    const running = testApp({ ...first, store: gate.store }).call("increment_value", args);
    await gate.reached;
    const second = first.call("increment_value", args).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await second).toMatchObject({ code: "in_progress", retryable: true, retryAfterSeconds: 6 });
    gate.open();
    expect(await running).toMatchObject({ value: 1 });
    expect(await first.call("increment_value", args)).toMatchObject({ value: 1 });
  });

  it("gives the second its answer when it ends in that time", async () => {
    const first = testApp();
    const gate = pausedAt(first.store, isEffect);
    const args = { key: "n", idempotency_key: "k" };
    const running = testApp({ ...first, store: gate.store }).call("increment_value", args);
    await gate.reached;
    const second = replayOf(first, "increment_value", args);
    await vi.advanceTimersByTimeAsync(500);
    gate.open();
    await running;
    await vi.advanceTimersByTimeAsync(500);
    expect(await second).toMatchObject({ value: 1, replayed: true });
  });

  it("keeps its claim alive for as long as it works", async () => {
    const first = testApp();
    const gate = holding(first.store, isEffect);
    const args = { key: "n", idempotency_key: "k" };
    const running = testApp({ ...first, store: gate.store }).call("increment_value", args);
    for (let seconds = 0; seconds < 20; seconds += 2) {
      await vi.advanceTimersByTimeAsync(2_000);
      first.clock.advance(2);
    }
    await vi.advanceTimersByTimeAsync(2_000);
    const second = first.call("increment_value", args).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await second).toMatchObject({ code: "in_progress" });
    gate.open();
    expect(await running).toMatchObject({ value: 1 });
  });

  it.each([
    ["increment_value", { key: "n" }, isEffect, { value: 1 }],
    ["store_value", { key: "n", value: 1 }, isEffect, { version: 1 }],
    [
      "add_note",
      { note: "n" },
      ({ method, sk }: StoreRequest) => method === "create" && sk.startsWith("N#"),
      { count: 1 },
    ],
    [
      "increment_value",
      { key: "n" },
      ({ method, sk, pk }: StoreRequest) => method === "update" && sk === "C" && pk.includes("#I#"),
      { value: 1 },
    ],
  ])(
    "and was paused until another took %s over changes nothing when it wakes up",
    async (name, given, where, answer) => {
      const first = testApp();
      await first.call("create_session", { name: "default" });
      const gate = pausedAt(first.store, where);
      const args = { ...given, idempotency_key: "k" };
      const paused = replayOf(testApp({ ...first, store: gate.store }), name, args);
      await gate.reached;
      first.clock.advance(LEASE_SECONDS);
      expect(await first.call(name, args)).toMatchObject(answer);
      await first.call("add_note", { note: "later" });
      await first.call("increment_value", { key: "n" });
      gate.open();
      expect(await paused).toMatchObject({ ...answer, replayed: true });
      const { value } = await first.call("get_value", { key: "n" });
      const { notes } = await first.call("get_notes");
      expect({ value, notes }).toEqual(
        name === "add_note" ? { value: 1, notes: ["n", "later"] } : { value: 2, notes: ["later"] },
      );
    },
  );

  it("and paused until its entry has forgotten everything goes on under a renewed stamp, once", async () => {
    const first = testApp();
    await first.call("increment_value", { key: "n", by: 0 });
    const gate = pausedAt(first.store, isEffect);
    const args = { key: "n", by: 100, idempotency_key: "k" };
    const paused = replayOf(testApp({ ...first, store: gate.store }), "increment_value", args);
    await gate.reached;
    // Nine processes write once each, a minute passes, and the next writer forgets them: the watermark passes the claim's stamp.
    first.clock.advance(1);
    for (let process = 0; process < 9; process++) await testApp(first).call("increment_value", { key: "n" });
    first.clock.advance(61);
    await first.call("increment_value", { key: "n" });

    expect(await testApp(first).call("increment_value", args)).toMatchObject({ value: 110 });
    gate.open();
    expect(await paused).toMatchObject({ value: 110, replayed: true });
    expect(await first.call("get_value", { key: "n" })).toMatchObject({ value: 110 });
  });

  it("is forgotten by its entry only when its claim is completed", async () => {
    const first = testApp();
    const args = { key: "n", by: 100, idempotency_key: "k" };
    // It ends after its effect and before its completion.
    let effects = 0;
    const doomed = interceptStore(first.store, async (request, send) => {
      if (effects > 0) throw new Error("ended");
      const answer = await send();
      if (isEffect(request)) effects += 1;
      return answer;
    });
    await expect(testApp({ ...first, store: doomed }).call("increment_value", args)).rejects.toThrow();
    for (let process = 0; process < 10; process++) await testApp(first).call("increment_value", { key: "n" });
    first.clock.advance(61);
    await first.call("increment_value", { key: "n" });
    await first.call("increment_value", { key: "n" });
    expect(await first.call("increment_value", args)).toMatchObject({ value: 100 });
    expect(await first.call("get_value", { key: "n" })).toMatchObject({ value: 112 });
  });

  it("is forgotten only then for an anonymous caller, too", async () => {
    const first = testApp({ access: { mode: "anonymous" } });
    const as = (store: StateStore) => {
      const { app } = testApp({ ...first, access: { mode: "anonymous" }, store });
      return async (name: string, args: object) =>
        (await app.call({ name, arguments: args, principal: ANONYMOUS_PRINCIPAL })).structured;
    };
    const call = as(first.store);
    const { session_id } = await call("create_session", {});
    const args = { key: "n", by: 100, session_id, idempotency_key: "k" };
    let effects = 0;
    const doomed = interceptStore(first.store, async (request, send) => {
      if (effects > 0) throw new Error("ended");
      const answer = await send();
      if (isEffect(request)) effects += 1;
      return answer;
    });
    await expect(as(doomed)("increment_value", args)).rejects.toThrow();
    for (let process = 0; process < 10; process++) await as(first.store)("increment_value", { key: "n", session_id });
    first.clock.advance(61);
    await call("increment_value", { key: "n", session_id });
    expect(await call("increment_value", args)).toMatchObject({ value: 100 });
    expect(await call("get_value", { key: "n", session_id })).toMatchObject({ value: 111 });
  });
});

describe("a tool with effects outside this server, marked idempotent", () => {
  const counting = (effect: () => Promise<number>) =>
    defineTool({
      name: "send",
      description: "Sends something.",
      input: z.object({}),
      output: z.object({ sent: z.number() }),
      session: "none",
      idempotent: true,
      run: async () => ({ sent: await effect() }),
    });

  it("runs once for calls with one key, also when they come together on two processes", async () => {
    let sent = 0;
    const tools = [counting(async () => ++sent)];
    const one = testApp({ tools });
    const two = testApp({ ...one, tools });
    const args = { idempotency_key: "k" };
    const answers = await Promise.all([one, two, one, two].map(({ call }) => call("send", args)));
    expect(answers).toEqual([{ sent: 1 }, { sent: 1 }, { sent: 1 }, { sent: 1 }]);
    expect(sent).toBe(1);
  });

  it("is answered by whoever holds the claim: one who was overtaken while it slept records nothing", async () => {
    const finish: (() => void)[] = [];
    const tools = [
      counting(() => {
        const sent = finish.length + 1;
        return new Promise((resolve) => finish.push(() => resolve(sent)));
      }),
    ];
    const one = testApp({ tools });
    const args = { idempotency_key: "k" };
    const gate = pausedAt(one.store, ({ method, sk }) => method === "update" && sk === "C");
    const paused = testApp({ ...one, tools, store: gate.store }).call("send", args);
    await vi.waitFor(() => expect(finish).toHaveLength(1));
    finish[0]?.();
    await gate.reached;
    one.clock.advance(LEASE_SECONDS);
    const second = one.call("send", args);
    await vi.waitFor(() => expect(finish).toHaveLength(2));
    gate.open();
    // It finds the claim taken and waits with everybody else.
    await new Promise((resolve) => setImmediate(resolve));
    finish[1]?.();
    expect(await Promise.all([second, paused, one.call("send", args)])).toEqual([
      { sent: 2 },
      { sent: 2 },
      { sent: 2 },
    ]);
  });

  it("runs again after a retryable error, and not after a final one", async () => {
    const outcomes = [
      new AppError("unavailable", "down"),
      new AppError("conflict", "no"),
      new AppError("conflict", "never reached"),
    ];
    let runs = 0;
    const tools = [
      counting(async () => {
        throw outcomes[runs++];
      }),
    ];
    const { call } = testApp({ tools });
    const args = { idempotency_key: "k" };
    await expect(call("send", args)).rejects.toMatchObject({ code: "unavailable" });
    await expect(call("send", args)).rejects.toMatchObject({ code: "conflict", message: "no" });
    await expect(call("send", args)).rejects.toMatchObject({ code: "conflict", message: "no" });
    expect(runs).toBe(2);
  });

  it("answers a re-send of a call whose result was too large to keep with an error that says so, without running again", async () => {
    let runs = 0;
    const tools = [
      defineTool({
        name: "big",
        description: "Returns much.",
        input: z.object({}),
        output: z.object({ text: z.string() }),
        session: "none",
        idempotent: true,
        run: () => ({ text: "x".repeat(61_000 + runs++) }),
      }),
    ];
    const { call } = testApp({ tools });
    expect(String((await call("big", { idempotency_key: "k" })).text)).toHaveLength(61_000);
    await expect(call("big", { idempotency_key: "k" })).rejects.toMatchObject({ code: "too_large" });
    expect(runs).toBe(1);
  });
});
