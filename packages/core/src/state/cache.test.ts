import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { endingAfter, holding } from "../../test-support/intercepted-store.ts";
import { defineTool, type ToolCache } from "../define/tool.ts";
import { LOCAL_PRINCIPAL } from "../principal.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";
import { testApp } from "../testing/test-app.ts";
import { LEASE_MS } from "./lease.ts";

type Compute = (args: Record<string, unknown>, signal: AbortSignal) => Promise<string> | string;

const cachedTool = (compute: Compute, cache: ToolCache = { ttlSeconds: 100, staleSeconds: 10 }) =>
  defineTool({
    name: "look_up",
    description: "Looks something up.",
    input: z.object({ a: z.unknown().optional(), b: z.unknown().optional() }),
    output: z.object({ text: z.string() }),
    annotations: { readOnlyHint: true },
    session: "none",
    cache,
    run: async (args, { signal }) => ({ text: await compute(args, signal) }),
  });

/** A tool whose runs are counted and end when the test says so. */
function controlled(cache?: ToolCache) {
  let runs: PromiseWithResolvers<string>[] = [];
  const tool = cachedTool((_, signal) => {
    const run = Promise.withResolvers<string>();
    signal.addEventListener("abort", () => run.reject(new Error("aborted")));
    runs.push(run);
    return run.promise;
  }, cache);
  return {
    tools: [tool],
    get runs() {
      return runs.length;
    },
    finish(text: string, run = 0) {
      runs[run]?.resolve(text);
    },
    forget() {
      runs = [];
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});
const aWhile = (ms = 300) => vi.advanceTimersByTimeAsync(ms);

describe("a cached tool", () => {
  it("computes once for calls that come together in one process", async () => {
    const tool = controlled();
    const { call } = testApp({ tools: tool.tools });
    const answers = Promise.all(Array.from({ length: 10 }, () => call("look_up", { a: 1 })));
    await aWhile();
    tool.finish("x");
    expect((await answers).map(({ cached }) => cached)).toEqual([false, ...Array<boolean>(9).fill(true)]);
    expect(await call("look_up", { a: 1 })).toEqual({ text: "x", cached: true });
    expect(tool.runs).toBe(1);
  });

  it("computes once for calls that come together in several processes", async () => {
    const tool = controlled();
    const one = testApp({ tools: tool.tools });
    const processes = [one, testApp({ ...one, tools: tool.tools }), testApp({ ...one, tools: tool.tools })];
    const answers = Promise.all(processes.flatMap(({ call }) => [call("look_up"), call("look_up")]));
    await aWhile();
    expect(tool.runs).toBe(1);
    tool.finish("x");
    await aWhile();
    const all = await answers;
    expect(all.filter(({ cached }) => cached === false)).toHaveLength(1);
    expect(all.every(({ text }) => text === "x")).toBe(true);
    expect(tool.runs).toBe(1);
  });

  it("answers each arguments on its own, and equal ones as equal whatever the order of their keys", async () => {
    let runs = 0;
    const { call } = testApp({ tools: [cachedTool(() => `${++runs}`)] });
    expect(await call("look_up", { a: { x: 1, y: [1, 2] }, b: 1 })).toEqual({ text: "1", cached: false });
    expect(await call("look_up", { b: 1, a: { y: [1, 2], x: 1 } })).toEqual({ text: "1", cached: true });
    const others = [
      { a: { x: 1, y: [2, 1] }, b: 1 },
      { a: "1" },
      { a: 1 },
      { a: null },
      {},
      { a: [1] },
      { a: { 0: 1 } },
    ];
    for (const args of [...others, { a: JSON.parse('{"__proto__":1}') }, { a: {} }])
      expect(await call("look_up", args), JSON.stringify(args)).toMatchObject({ cached: false });
  });

  it("keeps results apart per principal, unless it is declared shared", async () => {
    let runs = 0;
    const own = testApp({ tools: [cachedTool(() => `${++runs}`)] });
    expect(await own.call("look_up", {}, "alice")).toEqual({ text: "1", cached: false });
    expect(await own.call("look_up", {}, "bob")).toEqual({ text: "2", cached: false });
    const shared = testApp({ tools: [cachedTool(() => `${++runs}`, { shared: true })] });
    expect(await shared.call("look_up", {}, "alice")).toEqual({ text: "3", cached: false });
    expect(await shared.call("look_up", {}, "bob")).toEqual({ text: "3", cached: true });
  });

  it("serves no result of another version of itself", async () => {
    const one = testApp({ tools: [cachedTool(() => "old", { version: "1" })] });
    const two = testApp({ ...one, tools: [cachedTool(() => "new", { version: "2" })] });
    await one.call("look_up");
    expect(await two.call("look_up")).toEqual({ text: "new", cached: false });
  });

  it("keeps no error: the next call tries again", async () => {
    let runs = 0;
    const tool = cachedTool(() => {
      runs += 1;
      if (runs === 1) throw new Error("down");
      return "up";
    });
    const one = testApp({ tools: [tool] });
    await expect(one.call("look_up")).rejects.toMatchObject({ code: "internal" });
    expect(await testApp({ ...one, tools: [tool] }).call("look_up")).toEqual({ text: "up", cached: false });
  });

  it("passes a result that is too large to keep through, and says that it was not cached", async () => {
    let runs = 0;
    const { call } = testApp({ tools: [cachedTool(() => `${++runs}`.padEnd(60_001, "x"))] });
    for (const run of ["1", "2"]) {
      const { text, cached } = await call("look_up");
      expect([String(text)[0], cached]).toEqual([run, false]);
    }
  });

  it("serves the old result while one refreshes it, once in all processes", async () => {
    const tool = controlled();
    const one = testApp({ tools: tool.tools });
    const two = testApp({ ...one, tools: tool.tools });
    const first = one.call("look_up");
    await aWhile();
    tool.finish("old");
    await first;
    tool.forget();
    one.clock.advance(101);
    for (const { call } of [one, two, one, two]) expect(await call("look_up")).toEqual({ text: "old", cached: true });
    await aWhile();
    expect(tool.runs).toBe(1);
    tool.finish("new");
    await aWhile();
    one.clock.advance(1);
    for (const { call } of [one, two]) expect(await call("look_up")).toEqual({ text: "new", cached: true });
    expect(tool.runs).toBe(1);
  });

  it("reads the old result once a second at most in each process, however many calls ask for it", async () => {
    const tool = controlled();
    let reads = 0;
    class CountingStore extends MemoryStore {
      override get(...given: Parameters<MemoryStore["get"]>) {
        reads += 1;
        return super.get(...given);
      }
    }
    const clock = movableClock();
    const { call } = testApp({ tools: tool.tools, clock, store: new CountingStore({ clock }) });
    const first = call("look_up");
    await aWhile();
    tool.finish("old");
    await first;
    clock.advance(101);
    reads = 0;
    for (let i = 0; i < 100; i++) {
      expect(await call("look_up")).toEqual({ text: "old", cached: true });
      clock.advance(0.01);
    }
    // The result once and its lease, and the result again before it is computed.
    expect(reads).toBeLessThanOrEqual(3);
  });

  it("forgets the old result at its end, also when it has read it just before", async () => {
    const tool = controlled();
    const { call, clock } = testApp({ tools: tool.tools });
    const first = call("look_up");
    await aWhile();
    tool.finish("old");
    await first;
    clock.advance(109.5);
    expect(await call("look_up")).toMatchObject({ text: "old" });
    clock.advance(0.6);
    const late = call("look_up");
    await aWhile();
    tool.finish("new", 1);
    expect(await late).toMatchObject({ text: "new" });
  });

  it("serves nothing beyond the stale window", async () => {
    let runs = 0;
    const { call, clock } = testApp({ tools: [cachedTool(() => `${++runs}`)] });
    await call("look_up");
    clock.advance(109);
    expect(await call("look_up")).toMatchObject({ text: "1", cached: true });
    await aWhile();
    expect(await call("look_up")).toMatchObject({ text: "2", cached: true });
    clock.advance(110);
    expect(await call("look_up")).toMatchObject({ text: "3", cached: false });
  });

  it("is fresh for at most its time and for at least nine tenths of it", async () => {
    let runs = 0;
    const { call, clock } = testApp({ tools: [cachedTool(() => `${++runs}`)] });
    await call("look_up");
    clock.advance(89);
    await call("look_up");
    await aWhile();
    expect(runs).toBe(1);
    clock.advance(11);
    await call("look_up");
    await aWhile();
    expect(runs).toBe(2);
  });
});

describe("a holder of the computation", () => {
  it("that was killed delays the others by at most a lease", async () => {
    // It ends with the lease taken and nothing computed.
    for (let requests = 1; requests <= 4; requests++) {
      let runs = 0;
      const tools = [cachedTool(() => `${++runs}`)];
      const one = testApp({ tools });
      const doomed = testApp({ ...one, tools, store: endingAfter(one.store, requests) });
      await doomed.call("look_up").catch(() => {});
      const waiting = one.call("look_up");
      one.clock.advance(LEASE_MS / 1000);
      await aWhile();
      expect(await waiting).toMatchObject({ text: `${runs}` });
    }
  });

  it("that was paused until the result of another has come and gone keeps nothing either", async () => {
    const tool = controlled();
    const one = testApp({ tools: tool.tools });
    const paused = testApp({ ...one, tools: tool.tools }).call("look_up");
    await aWhile();
    one.clock.advance(LEASE_MS / 1000 + 1);
    const second = one.call("look_up");
    await aWhile();
    tool.finish("newer", 1);
    expect(await second).toMatchObject({ text: "newer", cached: false });
    one.clock.advance(111);
    tool.finish("paused");
    expect(await paused).toMatchObject({ text: "paused", cached: false });
    const third = one.call("look_up");
    await aWhile();
    tool.finish("newest", 2);
    expect(await third).toMatchObject({ text: "newest", cached: false });
  });

  it("that was paused until another had computed overwrites nothing that is fresh", async () => {
    const tool = controlled();
    const one = testApp({ tools: tool.tools });
    const gate = holding(one.store, ({ method, sk }) => method === "update" && sk === "R");
    const paused = testApp({ ...one, tools: tool.tools, store: gate.store }).call("look_up");
    await aWhile();
    tool.finish("paused");
    await gate.reached;
    one.clock.advance(LEASE_MS / 1000 + 1);
    const second = one.call("look_up");
    await aWhile();
    tool.finish("newer", 1);
    await second;
    gate.open();
    await paused;
    // In a process that has nothing in memory: what counts is what the table holds.
    const fresh = testApp({ ...one, tools: tool.tools });
    expect(await fresh.call("look_up")).toEqual({ text: "newer", cached: true });
  });

  it("whose caller goes away takes nobody's answer with it", async () => {
    const tool = controlled();
    const { app, call } = testApp({ tools: tool.tools });
    const gone = new AbortController();
    const first = app
      .call({ name: "look_up", arguments: {}, principal: LOCAL_PRINCIPAL, signal: gone.signal })
      .catch(() => {});
    await aWhile();
    const second = call("look_up");
    await aWhile();
    gone.abort();
    await aWhile();
    tool.finish("x");
    expect(await second).toEqual({ text: "x", cached: true });
    await first;
  });
});

describe("echo_cached", () => {
  it("returns the text in upper case, the second time from the cache", async () => {
    const { call } = testApp();
    expect(await call("echo_cached", { text: "héllo" })).toEqual({ text: "HÉLLO", cached: false });
    expect(await call("echo_cached", { text: "héllo" })).toEqual({ text: "HÉLLO", cached: true });
  });

  it("does so for as long as the operator said", async () => {
    const { call, clock } = testApp({ cache: { ttlSeconds: 50 } });
    await call("echo_cached", { text: "a" });
    clock.advance(55);
    expect(await call("echo_cached", { text: "a" })).toMatchObject({ cached: false });
  });
});
