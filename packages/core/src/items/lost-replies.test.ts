// An update that counts is applied once or said to be unknown; the others are sent again until they are answered.
import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { type Engine, FaultProxy, loopback, type OrderedFault, Random, startDynalite } from "@stateful-mcp/rig";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDynamoDBClient, type SdkClient } from "../dynamodb.ts";
import { DynamoDBItems } from "./dynamodb-items.ts";

let engine: Engine;
let proxy: FaultProxy;
let client: SdkClient;
let items: DynamoDBItems;
const KEY = { id: "a" };

beforeAll(async () => {
  engine = await startDynalite();
  proxy = await FaultProxy.start({ engine: { port: engine.port }, random: new Random(1) });
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
  await proxy.close();
  await engine.stop();
});

const first = (fault: OrderedFault) =>
  proxy.order((_, operation) =>
    operation === "UpdateItem" && proxy.seen.filter((one) => one === "UpdateItem").length === 1 ? fault : undefined,
  );
const stored = async () => (await items.get("things", KEY, { consistent: true })).item;
const update = (updates: object) => items.update("things", KEY, updates, { mustExist: false });

it.each([
  ["commit-then-drop", 1],
  ["cut-reply", 1],
  ["nonsense", 0],
  ["server-error", 0],
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
  first("commit-then-drop");
  await update({ text: "set", tags: { $add: { $set: ["a"] } } });
  expect(await stored()).toEqual({ ...KEY, n: 1, text: "set", tags: { $set: ["a"] } });
});
