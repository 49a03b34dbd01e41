// An update that counts is applied once or said to be unknown; the others are sent again until they are answered.
import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import {
  type Engine,
  type FaultyProxy,
  loopback,
  type OrderedFault,
  startDynalite,
  startFaultyProxy,
} from "@stateful-mcp/rig";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDynamoDBClient, type SdkClient } from "../dynamodb.ts";
import { DynamoDBItems } from "./dynamodb.ts";

let engine: Engine;
let proxy: FaultyProxy;
let client: SdkClient;
let items: DynamoDBItems;
const KEY = { id: "a" };

beforeAll(async () => {
  engine = await startDynalite();
  proxy = await startFaultyProxy(engine.port);
  client = createDynamoDBClient(loopback(proxy.port));
  items = new DynamoDBItems({ client });
  await client.send(
    new CreateTableCommand({
      TableName: "things",
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    }),
  );
});
afterAll(async () => {
  client.destroy();
  await proxy.stop();
  await engine.stop();
});

const first = (fault: OrderedFault) =>
  proxy.plan((_, operation) =>
    operation === "UpdateItem" && proxy.seen.filter((one) => one === "UpdateItem").length === 1 ? fault : "pass",
  );
const stored = async () => (await items.get("things", KEY, { consistent: true })).item;
const update = (updates: object) => items.update("things", KEY, updates, { mustExist: false });

it.each([
  ["lose the reply", 1],
  ["cut the reply", 1],
  ["answer nonsense", 0],
  ["fail with 500", 0],
] as const)("an addition whose first attempt meets '%s' is not sent again", async (fault, applied) => {
  await items.put("things", { ...KEY, n: 0, list: [] }, {});
  for (const updates of [{ n: { $add: 1 } }, { list: { $append: [1] } }]) {
    first(fault);
    await expect(update(updates)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("not known"),
    });
    expect(proxy.seen).toEqual(["UpdateItem"]);
  }
  expect(await stored()).toEqual({ ...KEY, n: applied, list: applied ? [1] : [] });
});

it("an addition that is throttled goes again, as does a plain update that gets no answer", async () => {
  await items.put("things", { ...KEY, n: 0 }, {});
  first("throttle");
  await update({ n: { $add: 1 } });
  first("lose the reply");
  await update({ text: "set", tags: { $add: { $set: ["a"] } } });
  expect(await stored()).toEqual({ ...KEY, n: 1, text: "set", tags: { $set: ["a"] } });
});
