// C7: with any arguments of the item tools, only listed tables are reached, read-only ones are never written, no call costs
// more than 128 read units unless it asks for consistency or for a batch, and nothing fails inside or holds the engine, however
// expressions nest.
import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { type App, AppError, createApp, LOCAL_PRINCIPAL } from "@stateful-mcp/core";
import { createDynamoDBClient, DynamoDBItems, type SdkClient, setupDemoTable } from "@stateful-mcp/core/dynamodb";
import {
  FaultProxy,
  findDynoxide,
  loopback,
  type Random,
  startDynalite,
  startDynoxide,
  WRITES,
} from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";

const LISTED = ["writable", "readable"] as const;
const SECRET = "secret";
const READ_UNITS_MAX = 128;
/** Enough for two pages of the engine, so that pages are what bounds a call. */
const LARGE_ITEMS = 50;
const LARGE_BYTES = 40_000;

const TOOLS = [
  "put_item",
  "get_item",
  "update_item",
  "delete_item",
  "query",
  "scan",
  "batch_get",
  "batch_write",
] as const;
const NAMES = [
  "PK",
  "SK",
  "GSI1PK",
  "status",
  "name",
  "size",
  "__proto__",
  "constructor",
  "$set",
  "$$a",
  "",
  "a.b",
  "a[0]",
  "é",
  "\ud800",
  "x".repeat(300),
];
const WORDS = [
  ...NAMES,
  "=",
  "<",
  "<>",
  "AND",
  "OR",
  "NOT",
  "BETWEEN",
  "IN",
  "(",
  ")",
  "[",
  "]",
  ",",
  ".",
  ":a",
  ":b",
  "#a",
  "size(",
  "begins_with(",
  "drop",
  "'",
  ";",
  "--",
  "5",
];
const KEY = { PK: "CUSTOMER#ana", SK: "PROFILE" };

function hostileValue(random: Random, depth = 0): unknown {
  const scalar = [
    null,
    true,
    0,
    -1.5,
    1e300,
    "",
    "CUSTOMER#ana",
    "\u0000",
    "x".repeat(3000),
    { $number: "1e999" },
    { $binary: "?" },
    { $set: [] },
    { $set: ["a", "b"] },
    { $remove: true },
    { $add: 1 },
    { $append: ["x"] },
    { $delete: { $set: ["a"] } },
    { S: "full" },
    2512292042121000000,
  ];
  if (depth > 3 || random.chance(0.6)) return random.pick(scalar);
  const members = Array.from({ length: random.int(0, 3) }, () => [random.pick(NAMES), hostileValue(random, depth + 1)]);
  return random.chance(0.5) ? Object.fromEntries(members) : members.map(([, value]) => value);
}

/** Nested as deep as some engines cannot bear, closed or not. */
function nestedExpression(random: Random): string {
  const opening = ["(", "NOT (", "(status = :a AND ", "(status = true OR ", "NOT (PK = :a OR "];
  const levels = random.int(1, 40);
  const start = Array.from({ length: levels }, () => random.pick(opening)).join("");
  return `${start}status = :a${")".repeat(random.chance(0.8) ? levels : random.int(0, levels))}`;
}

const hostileExpression = (random: Random): unknown => {
  if (random.chance(0.2)) return nestedExpression(random);
  return random.chance(0.3)
    ? random.pick(["PK = :a", "attribute_exists(PK)", "status = :a OR #a = :b", "PK = :a AND SK > :b"])
    : Array.from({ length: random.int(0, 8) }, () => random.pick(WORDS)).join(random.pick(["", " "]));
};

function hostileCall(random: Random): { name: string; arguments: Record<string, unknown> } {
  const object = () => (random.chance(0.5) ? { ...KEY } : hostileValue(random));
  const fields: Record<string, () => unknown> = {
    table: () => random.pick([...LISTED, ...LISTED, ...LISTED, SECRET, "__proto__", "", "../secret", 5]),
    item: object,
    key: object,
    updates: () => hostileValue(random),
    key_condition: () => hostileExpression(random),
    filter_expression: () => hostileExpression(random),
    condition: () => hostileExpression(random),
    expression_values: () => (random.chance(0.5) ? { ":a": "CUSTOMER#ana" } : hostileValue(random)),
    expression_names: () => (random.chance(0.5) ? { "#a": random.pick(NAMES) } : hostileValue(random)),
    projection: () => [random.pick(WORDS), random.pick(NAMES)],
    index_name: () => random.pick(["GSI1", "GSI9", "", SECRET]),
    limit: () => random.pick([1, 1000, 0, -1, 1e9, "all"]),
    last_evaluated_key: object,
    keys: () => Array.from({ length: random.int(0, 3) }, object),
    puts: () => Array.from({ length: random.int(0, 3) }, object),
    deletes: () => Array.from({ length: random.int(0, 3) }, object),
    must_exist: () => random.chance(0.5),
    scan_forward: () => random.chance(0.5),
  };
  const name = random.pick(TOOLS);
  const required: Record<string, readonly string[]> = {
    put_item: ["table", "item"],
    get_item: ["table", "key"],
    update_item: ["table", "key", "updates"],
    delete_item: ["table", "key"],
    query: ["table", "key_condition", "expression_values"],
    scan: ["table"],
    batch_get: ["table", "keys"],
    batch_write: ["table", "puts"],
  };
  const optional: Record<string, readonly string[]> = {
    put_item: ["condition", "expression_values", "expression_names"],
    get_item: ["projection", "expression_names"],
    batch_get: ["projection", "expression_names"],
    batch_write: ["deletes"],
    update_item: ["condition", "expression_values", "expression_names", "must_exist"],
    delete_item: ["condition", "expression_values", "expression_names"],
    query: [
      "filter_expression",
      "expression_names",
      "projection",
      "index_name",
      "limit",
      "last_evaluated_key",
      "scan_forward",
    ],
    scan: [
      "filter_expression",
      "expression_values",
      "expression_names",
      "projection",
      "index_name",
      "limit",
      "last_evaluated_key",
    ],
  };
  const chosen = [...(required[name] ?? []), ...(optional[name] ?? []).filter(() => random.chance(0.25))];
  return { name, arguments: Object.fromEntries(chosen.map((field) => [field, fields[field]?.()])) };
}

/** A call of good will that reads as much as it can. */
function greedyCall(random: Random): { name: string; arguments: Record<string, unknown> } {
  const common = { table: random.pick(LISTED), limit: 1000, ...(random.chance(0.5) && { projection: ["SK"] }) };
  const query = { ...common, key_condition: "PK = :p", expression_values: { ":p": "LARGE" } };
  return random.chance(0.5)
    ? { name: "query", arguments: { ...query, scan_forward: random.chance(0.5) } }
    : {
        name: "scan",
        arguments: { ...common, ...(random.chance(0.5) && { filter_expression: "attribute_exists(nothing)" }) },
      };
}

/** Batches name their tables inside. */
const tablesOf = ({ TableName, RequestItems }: Readonly<Record<string, unknown>>): string[] =>
  RequestItems ? Object.keys(RequestItems) : [String(TableName)];

async function fill(client: SdkClient): Promise<void> {
  for (const table of [...LISTED, SECRET]) await setupDemoTable(client, table, () => {});
  const items = new DynamoDBItems({ client });
  for (const table of LISTED)
    for (let n = 0; n < LARGE_ITEMS; n++)
      await items.put(table, { PK: "LARGE", SK: String(n), text: "x".repeat(LARGE_BYTES) }, {});
  // A table that the operator lists and that is keyed otherwise must not confuse anybody either.
  await client.send(
    new CreateTableCommand({
      TableName: "keyed-otherwise",
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "N" }],
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    }),
  );
}

export default defineBar<{ readonly calls: number }>({
  id: "C7",
  title: "item tools reach only listed tables, write only where they may, and read at most 128 units a call",
  test: { calls: 1_500 },
  full: { calls: 100_000 },
  async run({ scale: { calls }, random, progress }) {
    await using cleanup = new AsyncDisposableStack();
    const exact = "path" in findDynoxide();
    const engine = await (exact ? startDynoxide() : startDynalite());
    cleanup.defer(() => engine.stop());
    const direct = createDynamoDBClient(engine.connection);
    cleanup.defer(() => direct.destroy());
    await fill(direct);
    const violations: string[] = [];
    const proxy = await FaultProxy.start({
      engine,
      random: random.fork("proxy"),
      // Takes no request: it only looks at every one.
      rules: [
        {
          fault: { kind: "throttle" },
          when: ({ operation, body }) =>
            tablesOf(body)
              .map((table) => look(operation, table))
              .includes(true),
        },
      ],
    });
    cleanup.defer(() => proxy.close());
    let requests = 0;
    let writable = true;
    const look = (operation: string, table: string): boolean => {
      requests++;
      if (!LISTED.some((listed) => listed === table)) violations.push(`${operation} reached the table ${table}`);
      if (WRITES.includes(operation) && (!writable || table !== "writable"))
        violations.push(`${operation} wrote to ${table}`);
      return false;
    };
    const client = createDynamoDBClient(loopback(Number(new URL(proxy.endpoint).port)));
    cleanup.defer(() => client.destroy());
    const serve = (mode: "read-only" | "read-write"): App =>
      createApp({
        items: {
          store: new DynamoDBItems({ client }),
          tables: [
            { name: "writable", mode },
            { name: "readable", mode: "read-only" },
          ],
        },
      });

    let checked = 0;
    let succeeded = 0;
    const choices = random.fork("choices");
    for (const app of [serve("read-only"), serve("read-write")]) {
      writable = app.tools.some(({ name }) => name === "put_item");
      for (let n = 0; n < calls / 2; n++) {
        const call = choices.chance(0.1) ? greedyCall(choices) : hostileCall(choices);
        requests = 0;
        try {
          const { structured } = await app.call({ ...call, principal: LOCAL_PRINCIPAL });
          succeeded++;
          const units = Number(structured.consumed_capacity);
          // Only one of the engines counts as DynamoDB does.
          if (exact && !["put_item", "batch_write"].includes(call.name) && !(units <= READ_UNITS_MAX))
            violations.push(`${JSON.stringify(call)} cost ${units} units`);
          if (requests > 2) violations.push(`${JSON.stringify(call)} took ${requests} requests`);
        } catch (error) {
          const fine = error instanceof AppError && error.status < 500 && !/\n|\bat .*:\d+:\d+/.test(error.message);
          if (!fine) violations.push(`${JSON.stringify(call).slice(0, 500)} ended with ${String(error).slice(0, 300)}`);
        }
        progress.update({ done: ++checked, total: calls, ok: checked, faults: 0 });
      }
      await app.close();
    }
    // Where nothing gets through, nothing has been shown.
    if (succeeded < calls / 20) violations.push(`only ${succeeded} of ${calls} calls succeeded`);
    return { operations: checked, successRatio: 1, faults: {}, violations: violations.slice(0, 20) };
  },
});
