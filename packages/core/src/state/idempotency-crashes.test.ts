import { startDynalite } from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endingAfter } from "../../test-support/intercepted-store.ts";
import { createDynamoDBClient, DynamoDBStore, setupTable } from "../dynamodb.ts";
import { LOCAL_PRINCIPAL } from "../principal.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import { type MovableClock, movableClock } from "../testing/contracts/store-harness.ts";
import { type TestApp, testApp } from "../testing/test-app.ts";
import { LEASE_MS } from "./lease.ts";

const LEASE_SECONDS = LEASE_MS / 1000 + 1;

const replayOf = async ({ app }: TestApp, name: string, args: Record<string, unknown>) => {
  const { structured, replayed } = await app.call({ name, arguments: args, principal: LOCAL_PRINCIPAL });
  return { ...structured, replayed };
};

/** A keyed call, what stands before it, and what its one effect looks like afterwards. */
interface Scenario {
  name: string;
  args: Record<string, unknown>;
  before?: [string, Record<string, unknown>][];
  answer: Record<string, unknown>;
  effect(call: TestApp["call"]): Promise<unknown>;
  expected: unknown;
  /** For the limit of sessions to be met by the call's own effect. */
  sessionsPerPrincipal?: number;
}

const notes = async (call: TestApp["call"]) => (await call("get_notes")).notes;
const value = async (call: TestApp["call"]) => {
  const { found, value, version } = await call("get_value", { key: "k" });
  return { found, value, version };
};
const sessions = async (call: TestApp["call"]) => ((await call("list_sessions")).sessions as unknown[]).length;

const SCENARIOS: Scenario[] = [
  {
    name: "add_note",
    args: { note: "once" },
    before: [["add_note", { note: "before" }]],
    answer: { count: 2 },
    effect: notes,
    expected: ["before", "once"],
  },
  { name: "add_note", args: { note: "first" }, answer: { count: 1 }, effect: notes, expected: ["first"] },
  {
    name: "store_value",
    args: { key: "k", value: { a: 1 } },
    before: [["store_value", { key: "k", value: 0 }]],
    answer: { stored: true, version: 2 },
    effect: value,
    expected: { found: true, value: { a: 1 }, version: 2 },
  },
  {
    name: "store_value",
    args: { key: "k", value: "new", if_version: 0 },
    answer: { version: 1 },
    effect: value,
    expected: { found: true, value: "new", version: 1 },
  },
  {
    name: "increment_value",
    args: { key: "k", by: 2 },
    before: [["store_value", { key: "k", value: 5 }]],
    answer: { value: 7, version: 2 },
    effect: value,
    expected: { found: true, value: 7, version: 2 },
  },
  {
    name: "delete_value",
    args: { key: "k", if_version: 1 },
    before: [["store_value", { key: "k", value: 5 }]],
    answer: { deleted: true },
    effect: value,
    expected: { found: false, value: null, version: 0 },
  },
  {
    name: "reset_session",
    args: {},
    before: [
      ["add_note", { note: "1" }],
      ["add_note", { note: "2" }],
    ],
    answer: { cleared: 2 },
    effect: notes,
    expected: [],
  },
  { name: "create_session", args: {}, answer: {}, effect: sessions, expected: 1, sessionsPerPrincipal: 1 },
  {
    name: "create_session",
    args: { name: "plan" },
    answer: { session_id: "plan" },
    effect: sessions,
    expected: 1,
    sessionsPerPrincipal: 1,
  },
  {
    name: "delete_session",
    args: { session_id: "default" },
    before: [["add_note", { note: "gone" }]],
    answer: { deleted: true },
    effect: sessions,
    expected: 0,
  },
];

interface Backend {
  name: string;
  /** A store with nothing in it and the clock it goes by. */
  fresh(): Promise<{ store: StateStore; clock: MovableClock }>;
}

function describeCrashes(backend: Backend): void {
  describe(`a process that ends after any of its requests (${backend.name})`, () => {
    it.each(SCENARIOS)("$name $args: the re-send has one effect and the right answer", async (scenario) => {
      const args = { ...scenario.args, idempotency_key: "key" };
      const limits = { sessionsPerPrincipal: scenario.sessionsPerPrincipal ?? 500 };
      for (let requests = 0, ended = true; ended; requests++) {
        const place = await backend.fresh();
        const other = testApp({ ...place, limits });
        for (const [name, given] of scenario.before ?? []) await other.call(name, given);
        await other.app.close();

        const doomed = testApp({ ...place, limits, store: endingAfter(place.store, requests) });
        ended = await doomed.call(scenario.name, args).then(
          () => false,
          () => true,
        );
        await doomed.app.close();
        place.clock.advance(LEASE_SECONDS);

        const where = `after ${requests} requests`;
        const answer = await testApp({ ...place, limits }).call(scenario.name, args);
        expect(answer, where).toMatchObject(scenario.answer);
        expect(await replayOf(testApp({ ...place, limits }), scenario.name, args), where).toEqual({
          ...answer,
          replayed: true,
        });
        const after = testApp({ ...place, limits });
        expect(await scenario.effect(after.call), where).toEqual(scenario.expected);
        if (!ended) expect(requests, "a keyed write takes a claim, an effect and a completion").toBeGreaterThan(3);
      }
    });
  });
}

describeCrashes({
  name: "memory",
  fresh: async () => {
    const clock = movableClock();
    return { store: new MemoryStore({ clock }), clock };
  },
});

describe("on dynalite", () => {
  let engine: Awaited<ReturnType<typeof startDynalite>>;
  let client: ReturnType<typeof createDynamoDBClient>;
  let tables = 0;
  beforeAll(async () => {
    engine = await startDynalite();
    client = createDynamoDBClient(engine.connection);
  });
  afterAll(async () => {
    client.destroy();
    await engine.stop();
  });
  describeCrashes({
    name: "dynalite",
    fresh: async () => {
      const clock = movableClock();
      const table = `crash_${tables++}`;
      await setupTable(client, table, () => {});
      return { store: new DynamoDBStore({ client, table, clock }), clock };
    },
  });
});
