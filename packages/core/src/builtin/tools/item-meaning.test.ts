// What callers write to the item tools means what it says, on real engines: literals, paths, operations, names, batches, shapes, scopes.
import { CreateTableCommand, DeleteTableCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { type Engine, findDynoxide, startDynalite, startDynoxide } from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDynamoDBClient, DynamoDBItems, type SdkClient, setupDemoTable } from "../../dynamodb.ts";
import { AppError } from "../../errors.ts";
import { LOCAL_PRINCIPAL } from "../../principal.ts";
import { testApp } from "../../testing/test-app.ts";

type Json = Record<string, unknown>;

const failed = async (call: Promise<unknown>): Promise<AppError> => {
  const thrown: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(AppError);
  return thrown as AppError;
};

const dynoxide = findDynoxide();
const engines = [
  { name: "dynalite", start: startDynalite },
  ...("path" in dynoxide ? [{ name: "Dynoxide", start: startDynoxide }] : []),
];
if ("missing" in dynoxide)
  // biome-ignore lint/suspicious/noConsole: a skip must be heard.
  console.warn(`What the item tools mean is not tried on Dynoxide: ${dynoxide.missing}.`);

describe.each(engines)("item tools on $name", ({ start }) => {
  let engine: Engine;
  let client: SdkClient;
  const requests: string[] = [];
  const serve = (table: string) =>
    testApp({ items: { store: new DynamoDBItems({ client }), tables: [{ name: table, mode: "read-write" }] } });
  const createTable = (TableName: string, hash = "id", index?: string) =>
    client.send(
      new CreateTableCommand({
        TableName,
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: [hash, ...(index ? [index] : [])].map((AttributeName) => ({
          AttributeName,
          AttributeType: "S",
        })),
        KeySchema: [{ AttributeName: hash, KeyType: "HASH" }],
        ...(index && {
          GlobalSecondaryIndexes: [
            {
              IndexName: "index",
              KeySchema: [{ AttributeName: index, KeyType: "HASH" as const }],
              Projection: { ProjectionType: "ALL" as const },
            },
          ],
        }),
      }),
    );
  let call: (name: string, args: Json) => Promise<Json>;
  const put = (item: Json) => call("put_item", { item });
  const get = async (id: string) => (await call("get_item", { key: { id }, consistent: true })).item as Json;
  const update = (id: string, updates: Json, more: Json = {}) => call("update_item", { key: { id }, updates, ...more });

  beforeAll(async () => {
    engine = await start();
    client = createDynamoDBClient(engine.connection);
    client.middlewareStack.add(
      (next, context) => (args) => {
        requests.push(String(context.commandName).replace("Command", ""));
        return next(args);
      },
      { step: "initialize" },
    );
    await createTable("things");
    call = serve("things").call;
  });
  afterAll(async () => {
    client.destroy();
    await engine.stop();
  });

  it("true, false and null in an expression are values", async () => {
    await put({ id: "locked", locked: true, owner: null, open: false });
    const remove = (condition: string) => call("delete_item", { key: { id: "locked" }, condition });
    for (const condition of [
      "locked <> true",
      "locked <> TRUE",
      "NOT locked = true",
      "owner <> null",
      "open = true",
      "locked IN (false, null)",
      "true <> locked",
      "NOT (locked = true AND owner = null)",
    ])
      expect(await failed(remove(condition))).toMatchObject({ code: "conflict" });
    const filtered = await call("scan", { filter_expression: "locked = true AND owner = null AND NOT open = true" });
    expect(filtered).toMatchObject({ count: 1 });
    expect(await remove("locked = true AND NOT NOT open = false")).toMatchObject({ deleted: true });
  });

  it("names that look like literals or operators are reached as members and placeholders", async () => {
    await put({ id: "names", true: 1, a: { null: 2, AND: 3 } });
    const found = await call("scan", {
      filter_expression: "#true = :one AND a.null = :two AND a.AND = :three",
      expression_names: { "#true": "true" },
      expression_values: { ":one": 1, ":two": 2, ":three": 3 },
    });
    expect(found).toMatchObject({ count: 1 });
  });

  it("a condition cannot undo must_exist, nor reach out of its place", async () => {
    for (const [condition, code] of [
      ["a = :x) OR (attribute_not_exists(a)", "invalid_input"],
      ["a = :x OR attribute_not_exists(a)", "conflict"],
    ] as const) {
      const args = { must_exist: true, condition, expression_values: { ":x": 1 } };
      expect(await failed(update("absent", { b: 1 }, args))).toMatchObject({ code });
    }
    expect(await call("get_item", { key: { id: "absent" } })).toMatchObject({ found: false });
  });

  it("a path in updates is the path it is in a projection", async () => {
    await put({ id: "paths", address: { city: "Rome", zip: "1" }, lines: [{ quantity: 1 }, { quantity: 2 }] });
    const { item } = await update(
      "paths",
      {
        "address.city": "Oslo",
        "lines[0].quantity": 5,
        "address.zip": { $remove: true },
        '["a.b"]': 1,
        $$ref: 2,
        '["#tag"]': 3,
        "#n": 4,
        "address.new": null,
      },
      { expression_names: { "#n": "odd name" } },
    );
    const stored = {
      id: "paths",
      address: { city: "Oslo", new: null },
      lines: [{ quantity: 5 }, { quantity: 2 }],
      "a.b": 1,
      $$ref: 2,
      "#tag": 3,
      "odd name": 4,
    };
    expect(item).toEqual(stored);
    const see = async (...projection: string[]) => (await call("get_item", { key: { id: "paths" }, projection })).item;
    expect(await see("address.city", "lines[1].quantity")).toEqual({
      address: { city: "Oslo" },
      lines: [{ quantity: 2 }],
    });
    expect(await see("$$ref", "a.b", '["#tag"]')).toEqual({ $$ref: 2, "a.b": 1, "#tag": 3 });
    expect(
      await call("get_item", { key: { id: "paths" }, projection: ["#n"], expression_names: { "#n": "odd name" } }),
    ).toMatchObject({ item: { "odd name": 4 } });
    expect((await failed(call("get_item", { key: { id: "paths" }, projection: ["#tag"] }))).message).toContain(
      '["#tag"]',
    );
    const missing = await failed(update("paths", { "none.city": 1 }));
    expect(missing.message).toMatch(/^updates: .*\["a\.b"\]/);
    for (const key of ["a..b", "[0]", ".a", "a[x]", "a[0", '["a', '["a"]b', "", "id", "id.x", '["id"]'])
      expect(await failed(update("paths", { [key]: 1 }))).toMatchObject({ details: { field: "updates" } });
    expect(await get("paths")).toEqual(stored);
  });

  it("numbers, lists and sets are changed in place", async () => {
    await put({ id: "ops", n: 1, m: { n: { $number: "12345678901234567890" } }, list: [1], set: { $set: ["a", "b"] } });
    const { item } = await update("ops", {
      n: { $add: 2 },
      "m.n": { $add: 1 },
      "m.fresh": { $add: -1.5 },
      list: { $append: [2, { x: null }] },
      started: { $prepend: ["first"] },
      set: { $delete: { $set: ["a", "x"] } },
      more: { $add: { $set: [1, 2] } },
    });
    expect(item).toEqual({
      id: "ops",
      n: 3,
      m: { n: { $number: "12345678901234567891" }, fresh: -1.5 },
      list: [1, 2, { x: null }],
      started: ["first"],
      set: { $set: ["b"] },
      more: { $set: expect.arrayContaining([1, 2]) },
    });
    for (const value of [
      { $add: "1" },
      { $add: [1] },
      { $append: 1 },
      { $delete: 1 },
      { $delete: ["a"] },
      { $remove: false },
      { $add: 1, $remove: true },
      { $inc: 1 },
      { S: "full" },
    ])
      expect(await failed(update("ops", { n: value }))).toMatchObject({
        code: "invalid_input",
        details: { field: "updates" },
      });
    expect(await failed(update("ops", { list: { $add: 1 } }))).toMatchObject({ code: "invalid_input" });
  });

  it("values in the form of DynamoDB's API are not taken for maps", async () => {
    const scan = { filter_expression: "status = :t", expression_values: { ":t": { S: "full" } } };
    expect((await failed(call("scan", scan))).message).toMatch(/^expression_values.:t: .*plain JSON: "full"/);
    expect((await failed(call("get_item", { key: { id: { S: "a" } } }))).message).toMatch(/^key: .*plain JSON: "a"/);
    expect((await failed(put({ id: { S: "a" } }))).message).toMatch(/^item: .*plain JSON: "a"/);
  });

  it("expressions are bounded before they are sent", async () => {
    const filter = (filter_expression: string, values = 0) => {
      const expression_values = Object.fromEntries(Array.from({ length: values }, (_, n) => [`:v${n}`, n]));
      return call("scan", { filter_expression, ...(values > 0 && { expression_values }) });
    };
    const nest = (n: number, start: string) => `${start.repeat(n)}a = true${")".repeat(n)}`;
    requests.length = 0;
    for (const [text, values] of [
      ["((((((((((((", 0],
      [nest(33, "("), 0],
      [nest(12, "NOT (b = true AND "), 0],
      [nest(12, "(b = false OR (c = true AND "), 0],
      [Array.from({ length: 12 }, () => "(a = true AND ").join(""), 0],
      ["NOT ".repeat(5000), 0],
      [Array(200).fill("a = true").join(" OR "), 0],
      [`a IN (${Array.from({ length: 101 }, (_, n) => `:v${n}`).join(", ")})`, 101],
      [Array.from({ length: 40 }, () => "(a = true AND b = true)").join(" OR "), 0],
      [`a${".bbbbbbbbbbbb".repeat(1000)} = true`, 0],
      [`${"x".repeat(20_000)} = true`, 0],
    ] as const)
      expect(await failed(filter(text, values))).toMatchObject({ code: "invalid_input" });
    const many = Object.fromEntries(Array.from({ length: 250_000 }, (_, n) => [`#n${n}`, "a"]));
    const started = performance.now();
    expect(await failed(call("scan", { filter_expression: "a = true", expression_names: many }))).toMatchObject({
      details: { field: "expression_names" },
    });
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(requests.filter((name) => name === "Scan")).toEqual([]);
    expect(await filter(nest(32, "("))).toMatchObject({ count: 0 });
    expect(await filter("NOT (a = true OR (b = true AND (c = true OR d = true)))")).toMatchObject({ table: "things" });
  });

  it("several items are read and written in one request each", async () => {
    requests.length = 0;
    const written = await call("batch_write", {
      puts: [1, 2, 3].map((n) => ({ id: `b${n}`, n })),
      deletes: [{ id: "b0" }],
    });
    expect(written).toMatchObject({ put: 3, deleted: 1, unprocessed: { puts: [], deletes: [] } });
    const keys = ["b0", "b1", "b2", "b3"].map((id) => ({ id }));
    const read = await call("batch_get", { keys, projection: ["n"], consistent: true });
    expect(read).toMatchObject({ count: 3, missing_keys: [{ id: "b0" }], unprocessed_keys: [] });
    expect((read.items as Json[]).map(({ n }) => n).sort()).toEqual([1, 2, 3]);
    expect(read.items).not.toContainEqual(expect.objectContaining({ id: "b1" }));
    expect(requests).toEqual(["BatchWriteItem", "BatchGetItem"]);
    expect(await call("batch_write", { deletes: keys.slice(1) })).toMatchObject({ put: 0, deleted: 3 });
    expect(await call("batch_get", { keys })).toMatchObject({ count: 0, missing_keys: keys });
    for (const [tool, args, field] of [
      ["batch_write", {}, "deletes"],
      ["batch_write", { puts: [{ id: "a" }], deletes: [{ id: "a" }] }, "deletes"],
      ["batch_write", { puts: [{ id: "a" }, { n: 1 }] }, "puts"],
      ["batch_write", { deletes: [{ id: "a", n: 1 }] }, "deletes"],
      ["batch_write", { puts: Array(20).fill({ id: "a" }), deletes: Array(6).fill({ id: "b" }) }, "puts"],
      ["batch_get", { keys: [{ id: "a" }, { id: "a" }] }, "keys"],
      ["batch_get", { keys: [{ n: 1 }] }, "keys"],
    ] as const)
      expect(await failed(call(tool, args))).toMatchObject({ code: "invalid_input", details: { field } });
  });

  it("what does not fit into an answer of a batch is left to ask for again", async () => {
    const text = "x".repeat(30_000);
    await call("batch_write", { puts: [1, 2, 3].map((n) => ({ id: `large${n}`, text })) });
    let keys: unknown[] = [1, 2, 3].map((n) => ({ id: `large${n}` }));
    const seen: unknown[] = [];
    while (keys.length > 0) {
      const read = await call("batch_get", { keys });
      expect(Number(read.count)).toBeGreaterThan(0);
      seen.push(...(read.items as Json[]).map(({ id }) => id));
      keys = read.unprocessed_keys as unknown[];
    }
    expect(seen.sort()).toEqual(["large1", "large2", "large3"]);
  });

  it("an index that is added, and a table that is made anew, are known at once; other refusals do not look", async () => {
    await createTable("changing");
    const changing = serve("changing");
    await changing.call("put_item", { item: { id: "a", color: "red" } });
    const query = {
      index_name: "index",
      key_condition: "color = :c",
      expression_values: { ":c": "red" },
    };
    requests.length = 0;
    expect(await failed(changing.call("query", query))).toMatchObject({ details: { field: "index_name" } });
    expect(requests).toEqual(["DescribeTable"]);
    await client.send(new DeleteTableCommand({ TableName: "changing" }));
    await createTable("changing", "color", "id");
    await changing.call("put_item", { item: { id: "a", color: "red" } });
    expect(await changing.call("get_item", { key: { color: "red" } })).toMatchObject({ found: true });
    expect(
      await changing.call("query", { ...query, key_condition: "id = :c", expression_values: { ":c": "a" } }),
    ).toMatchObject({ count: 1 });
    requests.length = 0;
    for (const filter_expression of ["nonsense(", "size(a", "a = :missing", "a = true AND"])
      await failed(changing.call("scan", { filter_expression }));
    expect(
      await failed(changing.call("query", { key_condition: "color > :c", expression_values: { ":c": "a" } })),
    ).toMatchObject({ code: "invalid_input" });
    expect(requests.filter((name) => name === "DescribeTable").length).toBeLessThanOrEqual(1);
  });

  it("a caller that may only write reads nothing, neither through conditions nor through answers", async () => {
    await put({ id: "secret", text: "do not tell", n: 1 });
    const { app } = serve("things");
    const writer = { ...LOCAL_PRINCIPAL, scopes: ["items:write"] };
    const blind = (name: string, args: Json) => app.call({ name, arguments: args, principal: writer });
    const key = { id: "secret" };
    requests.length = 0;
    for (const [name, args] of [
      ["delete_item", { key, condition: "n = false" }],
      ["update_item", { key, updates: { n: 2 }, condition: "n = false" }],
      ["put_item", { item: key, condition: "n = false" }],
    ] as const) {
      const error = await failed(blind(name, args));
      expect(error.code).toBe("conflict");
      expect(JSON.stringify([error.message, error.details])).not.toMatch(/do not tell|no item/);
    }
    const updated = await blind("update_item", { key, updates: { n: { $add: 1 } } });
    const deleted = await blind("delete_item", { key });
    expect(JSON.stringify([updated.structured, deleted.structured])).not.toContain("do not tell");
    expect(deleted.structured).toMatchObject({ deleted: true });
    expect(requests).not.toContain("GetItem");
    for (const name of ["get_item", "batch_get", "query", "scan"])
      expect(await failed(blind(name, {}))).toMatchObject({ code: "forbidden" });
  });

  it("the demo table is never written into a table that exists", async () => {
    await createTable("customers", "PK");
    await client.send(new PutItemCommand({ TableName: "customers", Item: { PK: { S: "mine" } } }));
    const error = await failed(setupDemoTable(client, "customers", () => {}));
    expect(error).toMatchObject({ code: "conflict" });
    const { call } = serve("customers");
    expect(await call("scan", {})).toMatchObject({ count: 1 });
  });
});
