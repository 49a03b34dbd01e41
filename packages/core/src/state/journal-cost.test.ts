// What the journal asks of a DynamoDB table, by the units that a real engine tells: docs/operate.md has the price.
import { findDynoxide, recordConsumedCapacity, startDynalite, startDynoxide } from "@stateful-mcp/rig";
import { expect, it, onTestFinished } from "vitest";
import { createApp } from "../app.ts";
import type { CallRecord } from "../call-record.ts";
import { createDynamoDBClient, setupTable } from "../dynamodb.ts";
import { createStateClient, DynamoDBStore } from "../dynamodb-store.ts";
import { principalNamed } from "../testing/test-app.ts";
import { Background } from "./background.ts";
import { Journal } from "./journal.ts";

const TOOLS = ["add_note", "get_notes", "get_value", "store_value", "list_sessions", "search_memory"];

/** A table on an engine of its own, and what is asked of it. */
async function table() {
  const engine = await ("path" in findDynoxide() ? startDynoxide() : startDynalite());
  onTestFinished(() => engine.stop());
  const setup = createDynamoDBClient(engine.connection);
  await setupTable(setup, "state", () => {});
  setup.destroy();
  const client = createStateClient(engine.connection);
  const asked = recordConsumedCapacity(client);
  onTestFinished(() => client.destroy());
  return { store: new DynamoDBStore({ client, table: "state" }), asked };
}

const record = (n: number, at: number): CallRecord => ({
  at,
  durationMs: ((n * 7919) % 4000) / 10,
  ...{ method: "tools/call", tool: TOOLS[n % TOOLS.length]!, outcome: n % 11 ? "ok" : "invalid_input" },
  ...{ transport: "http", era: "modern", cached: undefined, requestId: crypto.randomUUID() },
  ...{ principal: principalNamed(`user${n % 5}`).id, principalName: `user${n % 5}`, client: "claude-code 2.1.0" },
  ...{ session: `project-${n % 9}`, traceId: "", table: { requests: 2, attempts: 2, units: 1.5 + (n % 4) / 2 } },
  ...{ argumentBytes: 20 + ((n * 7907) % 400), resultBytes: 90 + ((n * 6151) % 1_500) },
});

it("a minute of six tools with two outcomes is one put of one unit, and so is the hour's copy", async () => {
  const { store, asked } = await table();
  const parts = { store, clock: { now: () => Date.now() }, background: new Background(), version: "1.0.0" };
  const journal = new Journal(parts, { mode: "rollup", label: "ip-10-0-31-177.eu-central-1.compute.internal:1 http" });
  for (let n = 0; n < 5_000; n++) journal.call(record(n, Date.now()));
  await journal.close();
  expect(asked).toEqual([
    { operation: "PutItem", units: 1 },
    { operation: "PutItem", units: 1 },
  ]);
});

it("records cost at most 1.2 units for 50 calls", async () => {
  const { store, asked } = await table();
  let now = Date.now();
  const parts = { store, clock: { now: () => now }, background: new Background(), version: "1.0.0" };
  const journal = new Journal(parts, { mode: "calls", label: "p" });
  for (let n = 0; n < 2_000; n++) {
    now += 1 + ((n * 31) % 240);
    journal.call(record(n, now));
    await parts.background.settle();
  }
  await journal.close();
  const counts = 2;
  expect(asked).toHaveLength(2_000 / 500 + counts);
  const units = asked.slice(0, -counts).reduce((sum, one) => sum + one.units, 0);
  expect(units / (2_000 / 50)).toBeLessThanOrEqual(1.2);
});

it("a process without requests asks nothing of the table", async () => {
  const { store, asked } = await table();
  const app = createApp({ store, journal: { mode: "calls", label: "p" } });
  await app.settle();
  app.drain();
  await app.close();
  expect(asked).toEqual([]);
});
