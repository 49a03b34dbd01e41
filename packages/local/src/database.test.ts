import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import storage, { type Store } from "dynalite/db/index.js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Database, openDatabase } from "./database.ts";

let directory: string;
let database: Database | undefined;
let store: Store;
const { create } = storage;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "database-"));
  storage.create = (options) => {
    store = create(options);
    return store;
  };
});
afterEach(async () => {
  storage.create = create;
  await database?.close();
  await rm(directory, { recursive: true });
});

test("every query gives back its snapshot of the database", async () => {
  let opened = 0;
  let closed = 0;
  storage.create = (options) => {
    store = create(options);
    const values = store.db.values.bind(store.db);
    store.db.values = (range) => {
      const iterator = values(range);
      const close = iterator.close.bind(iterator);
      opened += 1;
      iterator.close = async () => {
        closed += 1;
        return close();
      };
      return iterator;
    };
    return store;
  };
  database = await open();
  await createTable();
  for (let i = 0; i < 20; i++) {
    await database?.call("PutItem", { TableName: "table", Item: { pk: { S: "p" }, sk: { S: `${i}` } } });
  }
  for (let i = 0; i < 20; i++) {
    await database?.call("Query", {
      TableName: "table",
      // The first stops in the middle, the others read to the end.
      ...(i === 0 && { Limit: 5 }),
      KeyConditionExpression: "pk = :p",
      ExpressionAttributeValues: { ":p": { S: "p" } },
    });
  }
  await expect.poll(() => [opened, closed]).toEqual([20, 20]);
});

test("a table that a kill left in creation can be used, and one left in deletion is gone", async () => {
  database = await open();
  const whole = await createTable();
  await database?.call("PutItem", { TableName: "table", Item: { pk: { S: "p" }, sk: { S: "s" } } });
  await store.db.put("table~half", { ...whole, TableName: "half", TableStatus: "CREATING" });
  await store.db.put("table~table", { ...whole, TableStatus: "DELETING" });
  await database?.close();

  database = await open();
  await database?.call("PutItem", { TableName: "half", Item: { pk: { S: "p" }, sk: { S: "s" } } });
  await expect.poll(() => database?.call("ListTables", {})).toEqual({ TableNames: ["half"] });
  await createTable();
  expect(await database?.call("Scan", { TableName: "table" })).toMatchObject({ Count: 0 });
});

async function open(): Promise<Database> {
  const opened = await openDatabase(join(directory, "db"));
  if (opened === undefined) throw new Error("Somebody else has the database of this test open.");
  await new Promise<void>((resolve) => {
    opened.server.listen(join(directory, "socket"), resolve);
  });
  return opened;
}

async function createTable(): Promise<object> {
  await database?.call("CreateTable", {
    TableName: "table",
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: ["pk", "sk"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
    KeySchema: [
      { AttributeName: "pk", KeyType: "HASH" },
      { AttributeName: "sk", KeyType: "RANGE" },
    ],
  });
  let table: { TableStatus: string } | undefined;
  await expect
    .poll(async () => {
      table = (await database?.call<{ Table: { TableStatus: string } }>("DescribeTable", { TableName: "table" }))
        ?.Table;
      return table?.TableStatus;
    })
    .toBe("ACTIVE");
  return table ?? {};
}
