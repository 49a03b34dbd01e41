// What processes leave of what they did: exact after they have ended, also when the table fails meanwhile, and never in the way of an answer.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { interceptStore } from "../../test-support/intercepted-store.ts";
import { type AppOptions, createApp } from "../app.ts";
import type { CallRecord } from "../call-record.ts";
import { AppError } from "../errors.ts";
import { SqliteStore } from "../sqlite.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import type { JournalOptions } from "./journal.ts";
import { callsText, readCalls } from "./journal-format.ts";
import type { ServiceRow } from "./journal-reader.ts";

const FAR: JournalOptions = { mode: "calls", label: "test", callsEverySeconds: 600, rollUpEverySeconds: 600 };

/** A process that serves the store, and a way to call its tools as a program does. */
function instance(store: StateStore, options: AppOptions = {}) {
  const app = createApp({ store, journal: FAR, ...options });
  const call = async (tool: string, given: object) => {
    const headers = { host: "localhost", "content-type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify(given) };
    const answer = await app.fetch(new Request(`http://localhost/tools/${tool}`, init), { address: "127.0.0.1" });
    return { status: answer.status, body: (await answer.json()) as { code?: string; cached?: boolean } };
  };
  return { app, call };
}

const outcomesOf = (rows: readonly ServiceRow[], tool: string) => rows.find((row) => row.tool === tool)?.outcomes;

const inFile = () => {
  const directory = mkdtempSync(join(tmpdir(), "stateful-mcp-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return SqliteStore.open(join(directory, "state.sqlite"));
};

describe.each<[string, () => Promise<StateStore>]>([
  ["memory", async () => new MemoryStore()],
  ["SQLite", inFile],
])("in %s", (_, openStore) => {
  it("three processes under mixed load: what is read equals what was done, once they have ended", async () => {
    const store = await openStore();
    const processes = [1, 2, 3].map((n) => instance(store, { journal: { ...FAR, label: `p${n}` } }));
    const done = { ok: 0, invalid_input: 0, hits: 0, misses: 0, replayed: 0, notes: 0 };
    await Promise.all(
      processes.map(async ({ app, call }, p) => {
        for (let i = 0; i < 40; i++) {
          expect((await call("list_sessions", {})).status).toBe(200);
          done.ok += 1;
          expect((await call("list_sessions", { limit: "x" })).body.code).toBe("invalid_input");
          done.invalid_input += 1;
          done[(await call("echo_cached", { text: `t${i % 7}` })).body.cached ? "hits" : "misses"] += 1;
          const note = { note: "n", session_id: `s${p}`, idempotency_key: `k${i % 10}` };
          expect((await call("add_note", note)).status).toBe(200);
          done[i < 10 ? "notes" : "replayed"] += 1;
        }
        await app.close();
      }),
    );
    const { journal } = createApp({ store });
    const { rows, dropped } = await journal.service("1h");
    expect(outcomesOf(rows, "list_sessions")).toEqual({ ok: done.ok, invalid_input: done.invalid_input });
    expect(outcomesOf(rows, "add_note")).toEqual({ ok: done.notes, replayed: done.replayed });
    expect(rows.find(({ tool }) => tool === "echo_cached")).toMatchObject({ hits: done.hits, misses: done.misses });
    expect(dropped).toBe(0);
    // The copies for a month say the same.
    expect((await journal.service("24h")).rows).toEqual(rows);
    const all = [];
    for (let cursor: string | undefined, more = true; more; ) {
      const page = await journal.calls({ limit: 100, cursor });
      all.push(...page.calls);
      cursor = page.next;
      more = cursor !== undefined;
    }
    expect(all).toHaveLength(3 * 160);
    expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).toSorted((a, b) => b - a));
    const failed = await journal.calls({ outcome: "failed", limit: 500 });
    expect(failed.calls).toHaveLength(done.invalid_input);
    expect((await journal.calls({ tool: "add_note", process: "p1", limit: 500 })).calls).toHaveLength(40);
    expect((await journal.fleet()).map(({ label, state }) => [label, state]).toSorted()).toEqual(
      ["p1", "p2", "p3"].map((label) => [label, "ended"]),
    );
    await store.close();
  });
});

it("counts are exact though the table loses requests and replies", async () => {
  const store = new MemoryStore();
  let lost = 0;
  const losing = interceptStore(store, async ({ pk, sk }, send) => {
    if (!pk.startsWith("F#") || !sk.startsWith("M#") || lost >= 4) return send();
    lost += 1;
    // Every other one is written all the same.
    if (lost % 2 === 0) await send();
    throw new AppError("unavailable", "There was no answer.");
  });
  const { app, call } = instance(losing, { journal: { ...FAR, mode: "rollup", rollUpEverySeconds: 0.005 } });
  let calls = 0;
  while (lost < 4) {
    await call("list_sessions", {});
    calls += 1;
    await new Promise(setImmediate);
  }
  await app.close();
  const { rows } = await createApp({ store }).journal.service("1h");
  expect(outcomesOf(rows, "list_sessions")).toEqual({ ok: calls });
});

it("an entry that the table will never take costs what it holds, and nothing after it", async () => {
  const store = new MemoryStore();
  let refused = 0;
  const refusing = interceptStore(store, async ({ sk }, send) => {
    if (!sk.startsWith("M#") || refused > 0) return send();
    refused += 1;
    throw new AppError("too_large", "The entry is too large.");
  });
  const { app, call } = instance(refusing, { journal: { ...FAR, rollUpEverySeconds: 0.005 } });
  await call("get_value", {});
  while (refused === 0) await new Promise(setImmediate);
  await call("list_sessions", {});
  await app.close();
  const { rows } = await createApp({ store }).journal.service("1h");
  expect(rows.map(({ tool }) => tool)).toEqual(["list_sessions"]);
});

it("calls are answered while the table takes no journal, and what has no room is counted as dropped", async () => {
  const store = new MemoryStore();
  const release = Promise.withResolvers<void>();
  const holding = interceptStore(store, async ({ sk }, send) => {
    if (sk.startsWith("C#")) await release.promise;
    return send();
  });
  const { app, call } = instance(holding);
  const calls = 3_000;
  for (let i = 0; i < calls; i++) expect((await call("no_such_tool", {})).status).toBe(404);
  release.resolve();
  await app.close();
  const { journal } = createApp({ store });
  const { rows, dropped } = await journal.service("1h");
  expect(rows).toMatchObject([{ tool: "", calls, failed: calls }]);
  // One entry was on its way, and four times as many waited.
  expect(dropped).toBe(calls - 2_500);
});

it("a process that has nothing to tell asks nothing, also when it ends", async () => {
  const asked: string[] = [];
  const store = interceptStore(new MemoryStore(), ({ pk }, send) => {
    asked.push(pk);
    return send();
  });
  const { app } = instance(store);
  await app.settle();
  app.drain();
  await app.close();
  expect(asked).toEqual([]);
});

it("nothing of a call's arguments or results is kept, nor the handle of a session that is its own key", async () => {
  const texts: string[] = [];
  const store = interceptStore(new MemoryStore(), ({ method, pk }, send) => {
    if (pk.startsWith("F#")) texts.push(method);
    return send();
  });
  const memory = new MemoryStore();
  const app = createApp({ store: memory, journal: FAR, access: { mode: "anonymous" } });
  onTestFinished(() => store.close());
  const post = async (tool: string, given: object) => {
    const headers = { host: "localhost", "content-type": "application/json" };
    const answer = await app.fetch(
      new Request(`http://localhost/tools/${tool}`, { method: "POST", headers, body: JSON.stringify(given) }),
      { address: "192.0.2.1" },
    );
    return (await answer.json()) as { session_id: string };
  };
  const { session_id } = await post("create_session", {});
  await post("add_note", { session_id, note: "canary-4711" });
  await app.close();
  const { calls } = await createApp({ store: memory }).journal.calls();
  expect(calls.map(({ tool }) => tool)).toEqual(["add_note", "create_session"]);
  expect(calls[0]?.session).toMatch(/^\S{10,}$/);
  expect(JSON.stringify(calls)).not.toContain("canary-4711");
  expect(JSON.stringify(calls)).not.toContain(session_id);
});

it("records come back as they were, but for the rest of a request's id", async () => {
  const calls: CallRecord[] = Array.from({ length: 300 }, (_, n) => ({
    at: 1_764_000_000_000 + n * 37,
    durationMs: n / 10,
    ...{ method: "tools/call", tool: `tool_${n % 7}`, outcome: n % 5 ? "ok" : "not_found", transport: "http" },
    ...{ era: n % 2 ? "modern" : "legacy", cached: [undefined, true, false][n % 3], requestId: crypto.randomUUID() },
    ...{ principal: `p${n % 3}`, principalName: "ä", client: 'c "1"', session: "s" },
    traceId: n % 4 ? "" : crypto.randomUUID().replaceAll("-", ""),
    table: n % 2 ? { requests: n, attempts: n, units: n / 2 } : undefined,
    ...{ argumentBytes: n * 3, resultBytes: n * 1_000 },
  }));
  const read = await readCalls(await callsText(calls), calls.length);
  expect(read).toEqual(
    calls.map(({ requestId, table, ...rest }) => ({
      ...rest,
      requestIdPrefix: requestId.replaceAll("-", "").slice(0, 12),
      tableRequests: table?.requests ?? 0,
      tableUnits: table?.units ?? 0,
    })),
  );
});
