// The log of a stream's messages: what expired is said to be gone, never skipped.

import { type Engine, startDynalite } from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pausedAt } from "../../../test-support/intercepted-store.ts";
import { systemClock } from "../../clock.ts";
import { createDynamoDBClient, DynamoDBStore } from "../../dynamodb.ts";
import { eventPartsPartition, eventsPartition, sequenceText } from "../../state/keys.ts";
import { setupTable } from "../../stores/dynamodb-table.ts";
import { MemoryStore } from "../../stores/memory-store.ts";
import type { StateStore } from "../../stores/state-store.ts";
import { EventLog, type StreamPlace } from "./events.ts";

const STREAM = { principal: "p", session: "s", stream: "call" };
const TWO_HOURS = 7200;

async function logOf(count: number) {
  let now = 1_800_000_000_000;
  const clock = { now: () => now };
  const log = new EventLog(new MemoryStore({ clock }), clock, () => {});
  for (let i = 1; i <= count; i++) await log.append(STREAM, `{"i":${i}}`);
  const later = (seconds: number) => {
    now += seconds * 1000;
  };
  return { log, later };
}

it("a stream is resumed after any event, the last one included", async () => {
  const { log } = await logOf(3);
  expect((await log.resume(STREAM, 0)).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  expect(await log.resume(STREAM, 3)).toEqual([]);
});

it("a stream whose events have all expired cannot be resumed, however many there were", async () => {
  for (const count of [3, 60]) {
    const { log, later } = await logOf(count);
    later(TWO_HOURS);
    await expect(log.resume(STREAM, 2)).rejects.toThrow("cannot be resumed");
  }
});

it("a stream whose first events have expired is resumed after them, and not before", async () => {
  const { log, later } = await logOf(2);
  later(TWO_HOURS / 3);
  for (const message of ["third", "fourth"]) await log.append(STREAM, message);
  later(TWO_HOURS / 3);
  await expect(log.resume(STREAM, 1)).rejects.toThrow("cannot be resumed");
  expect(textsOf(await log.resume(STREAM, 2))).toEqual(["third", "fourth"]);
});

/** A session's own stream, as the table has it. */
const LASTING: StreamPlace = { principal: "p", session: "s", stream: "get", expiresAt: 4_000_000_000 };
const EVENTS = eventsPartition("p", "s", "get");
const PARTS = eventPartsPartition("p", "s", "get");
const KEPT = 1000;

/** One process on the table, and how to wait for what it does in the background. */
function processOn(store: StateStore) {
  const background: Promise<unknown>[] = [];
  const log = new EventLog(store, systemClock, (work) => void background.push(work));
  return { log, settled: () => Promise.all(background) };
}

const textsOf = (events: readonly { message: string }[]) => events.map(({ message }) => message);

async function appendMany({ log }: { log: EventLog }, count: number, name = "event"): Promise<void> {
  for (let i = 0; i < count; i++) await log.append(LASTING, `${name} ${i}`);
}

/** Everything after a sequence, page by page. */
async function readOn(log: EventLog, after: number): Promise<string[]> {
  const texts: string[] = [];
  for (;;) {
    const page = textsOf(await log.read(LASTING, after + texts.length));
    if (page.length === 0) return texts;
    texts.push(...page);
  }
}

describe("a session's own stream", () => {
  let engine: Engine;
  let client: ReturnType<typeof createDynamoDBClient>;
  let store: DynamoDBStore;
  beforeAll(async () => {
    engine = await startDynalite();
    client = createDynamoDBClient(engine.connection);
    await setupTable(client, "events", () => {});
    store = new DynamoDBStore({ client, table: "events" });
  });
  afterAll(async () => {
    client.destroy();
    await engine.stop();
  });

  it("keeps its last thousand events on a real engine, whoever appends them, and counts on", async () => {
    const processes = [processOn(store), processOn(store), processOn(store)];
    // Long enough for parts: they must go with their event.
    await processes[0]?.log.append(LASTING, "x".repeat(40_000));
    const appended = await Promise.all(
      Array.from({ length: 1_260 }, (_, i) => processes[i % 3]?.log.append(LASTING, `event ${i}`)),
    );
    for (const { settled } of processes) await settled();
    expect(new Set(appended).size).toBe(1_260);
    expect(Math.max(...appended.map(Number))).toBe(1_261);
    const { entries } = await store.list(EVENTS, { limit: 2_000 });
    expect(entries.map(({ key }) => Number(key.sk))).toEqual(Array.from({ length: 1_061 }, (_, i) => 201 + i));
    expect((await store.list(PARTS, { limit: 10 })).entries).toEqual([]);

    const { log } = processOn(store);
    await expect(log.resume(LASTING, 0)).rejects.toThrow("cannot be resumed");
    await expect(log.resume(LASTING, 199)).rejects.toThrow("cannot be resumed");
    const rest = await readOn(log, 1_261 - KEPT);
    expect(rest).toEqual(Array.from({ length: KEPT }, (_, i) => `event ${appended.indexOf(1_261 - KEPT + 1 + i)}`));
    expect(await log.resume(LASTING, 1_261)).toEqual([]);
    expect(await log.append(LASTING, "next")).toBe(1_262);
  }, 120_000);

  it("loses no event of a process that remembers a tail which has been trimmed since", async () => {
    const table = new MemoryStore();
    const [idle, busy] = [processOn(table), processOn(table)];
    await appendMany(idle, 20);
    await appendMany(busy, 1_200);
    await busy.settled();
    expect(await idle.log.append(LASTING, "of the idle one")).toBe(1_221);
    expect(textsOf(await busy.log.resume(LASTING, 1_220))).toEqual(["of the idle one"]);
  });

  it("shows nobody an event that arrived late where others were trimmed, and says it at the end", async () => {
    const table = new MemoryStore();
    const busy = processOn(table);
    await appendMany(busy, 99);
    const gate = pausedAt(table, ({ method, sk }) => method === "create" && sk === sequenceText(100));
    const late = processOn(gate.store).log.append(LASTING, `late ${"x".repeat(20_000)}`);
    await gate.reached;
    await appendMany(busy, 1_001);
    await busy.settled();
    gate.open();
    expect(await late).toBe(1_101);
    // The event it was paused before stands at 100 now, right before what is left.
    await expect(busy.log.resume(LASTING, 99)).rejects.toThrow("cannot be resumed");
    await appendMany(busy, 99);
    await busy.settled();
    expect((await readOn(busy.log, 1_100))[0]).toMatch(/^late x{20000}$/);
    expect((await table.list(EVENTS, { limit: 1 })).entries[0]?.key.sk).toBe(sequenceText(201));
  });

  it("is not the stream of a call, which is kept whole", async () => {
    const { log, settled } = processOn(new MemoryStore());
    for (let i = 0; i < 1_200; i++) await log.append(STREAM, `event ${i}`);
    await settled();
    expect(textsOf(await log.resume(STREAM, 0))[0]).toBe("event 0");
  });
});
