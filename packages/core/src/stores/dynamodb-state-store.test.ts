import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateTableCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import {
  type Engine,
  findDynoxide,
  recordConsumedCapacity,
  startDynalite,
  startDynaliteOnSocket,
  startDynoxide,
} from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createDynamoDBClient,
  createStateClient,
  DynamoDBStore,
  inspectTable,
  type SdkClient,
  setupTable,
  teardownTable,
} from "../dynamodb.ts";
import { describeStateStore, movableClock } from "../testing/contracts/store-contract.ts";

const TABLE = "mcp_state";

async function harnessOn(start: () => Promise<Engine>) {
  const engine = await start();
  const clock = movableClock();
  // Two clients, as two processes would have; the store takes the AWS SDK's too.
  const sdk = createDynamoDBClient(engine.connection);
  const clients = [createStateClient(engine.connection), sdk] as const;
  await setupTable(sdk, TABLE, () => {});
  const [store, other] = clients.map((client) => new DynamoDBStore({ client, table: TABLE, clock })) as [
    DynamoDBStore,
    DynamoDBStore,
  ];
  const close = async () => {
    for (const client of clients) client.destroy();
    await engine.stop();
  };
  return { store, other, clock, close };
}

const sums = "dynalite stores sums of any length and magnitude";
describeStateStore("DynamoDBStore on dynalite", () => harnessOn(startDynalite), { broken: { sums } });

const dynoxide = findDynoxide();
if ("missing" in dynoxide) {
  // biome-ignore lint/suspicious/noConsole: a skip must be heard.
  console.warn(`The store contract is not run on Dynoxide: ${dynoxide.missing}.`);
  describe.skip(`DynamoDBStore on Dynoxide (SKIPPED: ${dynoxide.missing})`, () => {
    it("keeps the store contract", () => {});
  });
} else {
  describeStateStore("DynamoDBStore on Dynoxide", () => harnessOn(startDynoxide));
  describeEngine("Dynoxide", startDynoxide, "on");
  describeCapacity();
}

describeEngine("dynalite", startDynalite, "off");

function describeEngine(name: string, start: () => Promise<Engine>, ttl: "on" | "off"): void {
  describe(`the table on ${name}`, () => {
    let engine: Engine;
    let client: SdkClient;
    beforeAll(async () => {
      engine = await start();
      client = createDynamoDBClient(engine.connection);
    });
    afterAll(async () => {
      client.destroy();
      await engine.stop();
    });

    it("is created once, looked at, deleted once, and every step is told", async () => {
      const told: string[] = [];
      const tell = (text: string) => told.push(text);
      expect(await inspectTable(client, "fresh")).toEqual({ exists: false });
      const state = { exists: true, status: "ACTIVE", keySchemaOk: true, ttl };
      expect(await setupTable(client, "fresh", tell)).toEqual(state);
      expect(told[0]).toContain("Creating");
      expect(told.at(-1)).toContain(ttl === "on" ? "turned on" : "sweeps expired entries by itself");
      expect(await setupTable(client, "fresh", tell)).toEqual(state);
      expect(await inspectTable(client, "fresh")).toEqual(state);
      await teardownTable(client, "fresh", tell);
      expect(await inspectTable(client, "fresh")).toEqual({ exists: false });
      await teardownTable(client, "fresh", tell);
      expect(told.at(-1)).toContain("nothing to delete");
    });

    it("two setups at the same time both succeed", async () => {
      const states = await Promise.all([1, 2].map(() => setupTable(client, "twice", () => {})));
      expect(states.map((state) => state.exists && state.status)).toEqual(["ACTIVE", "ACTIVE"]);
    });

    it("is refused when its keys are others", async () => {
      await client.send(
        new CreateTableCommand({
          TableName: "foreign",
          BillingMode: "PAY_PER_REQUEST",
          AttributeDefinitions: [{ AttributeName: "id", AttributeType: "N" }],
          KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
        }),
      );
      await expect(setupTable(client, "foreign", () => {})).rejects.toThrow(/other keys: id \(HASH, N\)/);
      expect(await inspectTable(client, "foreign")).toMatchObject({ exists: true, keySchemaOk: false });
    });

    it("that does not exist makes every method unavailable, with what to do", async () => {
      const store = new DynamoDBStore({ client, table: "absent" });
      const key = { pk: "p", sk: "s" };
      const calls = [
        () => store.ping(),
        () => store.get(key),
        () => store.create(key, {}, { id: "i" }),
        () => store.update(key, {}, { on: "live" }),
        () => store.delete(key),
        () => store.list("p", { limit: 1 }),
      ];
      for (const call of calls) {
        await expect(call()).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("setup") });
      }
    });
  });
}

function describeCapacity(): void {
  it("one method is one request, billed as one small read or write", async () => {
    const engine = await startDynoxide();
    const client = createDynamoDBClient(engine.connection);
    try {
      await setupTable(client, TABLE, () => {});
      const lean = createStateClient(engine.connection);
      const consumed = recordConsumedCapacity(lean);
      const store = new DynamoDBStore({ client: lean, table: TABLE });
      const key = { pk: "p", sk: "s" };
      const operation = { slot: "w", stamp: 1 };
      await store.create(key, { text: "x".repeat(800) }, { id: "i" });
      await store.update(key, { increment: { attribute: "n", by: 1 } }, { on: "live", operation });
      // Refused: the engine hands the entry over with the refusal, so that no read follows.
      await store.update(key, { increment: { attribute: "n", by: 1 } }, { on: "live", operation });
      await store.get(key);
      await store.list("p", { limit: 10 });
      await store.delete(key);
      expect(consumed).toEqual([
        { operation: "PutItem", units: 1 },
        { operation: "UpdateItem", units: 1 },
        { operation: "GetItem", units: 1 },
        { operation: "Query", units: 1 },
        { operation: "DeleteItem", units: 1 },
      ]);
    } finally {
      client.destroy();
      await engine.stop();
    }
  });
}

it("ignores attributes that it does not write, of kinds that it does not know", async () => {
  const engine = await startDynalite();
  const sdk = createDynamoDBClient(engine.connection);
  const client = createStateClient(engine.connection);
  try {
    await setupTable(sdk, TABLE, () => {});
    const store = new DynamoDBStore({ client, table: TABLE });
    const key = { pk: "p", sk: "s" };
    await store.create(key, { n: 1 }, { id: "i" });
    const kinds = {
      list: { L: [{ S: "x" }] },
      map: { M: { x: { N: "1" } } },
      none: { NULL: true },
      bytes: { B: new Uint8Array([1, 2]) },
      texts: { SS: ["x"] },
      numbers: { NS: ["1"] },
    };
    for (const [name, value] of Object.entries(kinds))
      for (const attribute of [name, `a.${name}`, `s.${name}`])
        await sdk.send(
          new UpdateItemCommand({
            TableName: TABLE,
            Key: { pk: { S: "p" }, sk: { S: "s" } },
            UpdateExpression: "SET #a = :v",
            ExpressionAttributeNames: { "#a": attribute },
            ExpressionAttributeValues: { ":v": value },
          }),
        );
    expect(await store.get(key)).toMatchObject({ attributes: { n: 1 }, slots: {}, version: 1 });
    expect((await store.list("p", { limit: 10 })).entries).toHaveLength(1);
    expect(await store.update(key, { increment: { attribute: "n", by: 1 } }, { on: "live" })).toMatchObject({
      applied: true,
      result: 2,
    });
  } finally {
    client.destroy();
    sdk.destroy();
    await engine.stop();
  }
});

it("reaches an engine through a Unix socket", { skip: process.platform === "win32" }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "stores-"));
  const engine = await startDynaliteOnSocket(join(folder, "engine.sock"));
  const sdk = createDynamoDBClient(engine.connection);
  const client = createStateClient(engine.connection);
  try {
    await setupTable(sdk, TABLE, () => {});
    const store = new DynamoDBStore({ client, table: TABLE });
    await store.create({ pk: "p", sk: "s" }, { n: 1 }, { id: "i" });
    expect((await store.get({ pk: "p", sk: "s" }))?.attributes).toEqual({ n: 1 });
  } finally {
    sdk.destroy();
    client.destroy();
    await engine.stop();
    await rm(folder, { recursive: true });
  }
});
