import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  CreateTableCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import dynalite from "dynalite";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { FaultProxy, type Rule, WRITES } from "../src/fault-proxy.ts";
import { Random } from "../src/random.ts";

let engine: Server;
let port: number;
let nextKey = 0;
const clients: DynamoDBClient[] = [];

beforeAll(async () => {
  engine = dynalite({ createTableMs: 0 });
  await new Promise<void>((resolve) => engine.listen(0, "127.0.0.1", resolve));
  port = (engine.address() as AddressInfo).port;
  await connect(`http://127.0.0.1:${port}`).send(
    new CreateTableCommand({
      TableName: "table",
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
    }),
  );
});

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});

afterAll(() => new Promise<void>((resolve) => void engine.close(() => resolve())));

function connect(endpoint: string, config: DynamoDBClientConfig = {}): DynamoDBClient {
  const client = new DynamoDBClient({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    ...config,
  });
  clients.push(client);
  return client;
}

async function start(rules: Rule[], config?: DynamoDBClientConfig) {
  const proxy = await FaultProxy.start({ engine: { port }, random: new Random(1), rules });
  onTestFinished(() => proxy.close());
  return { proxy, client: connect(proxy.endpoint, config), key: { pk: { S: `k${nextKey++}` } } };
}

const once: DynamoDBClientConfig = { maxAttempts: 1 };
type Key = { pk: { S: string } };

const increment = (Key: Key) =>
  new UpdateItemCommand({
    TableName: "table",
    Key,
    UpdateExpression: "ADD n :one",
    ExpressionAttributeValues: { ":one": { N: "1" } },
    ReturnValues: "UPDATED_NEW",
  });
const put = ({ pk }: Key, n: number) => new PutItemCommand({ TableName: "table", Item: { pk, n: { N: String(n) } } });
const get = (Key: Key, ConsistentRead = true) => new GetItemCommand({ TableName: "table", Key, ConsistentRead });

/** What the engine holds, past every proxy. */
async function stored({ pk }: Key): Promise<string | undefined> {
  const direct = connect(`http://127.0.0.1:${port}`);
  return (await direct.send(get({ pk }))).Item?.n?.N;
}

test("without rules everything passes and is counted as IAM actions", async () => {
  const { proxy, client, key } = await start([]);
  await client.send(put(key, 7));
  expect((await client.send(get(key))).Item?.n?.N).toBe("7");
  expect(proxy.actions).toEqual(["dynamodb:GetItem", "dynamodb:PutItem"]);
  expect(proxy.total).toBe(2);
  expect(proxy.faults).toEqual({});
});

test("commit-then-drop on first attempts makes the SDK apply a plain increment twice", async () => {
  const { proxy, client, key } = await start([
    { fault: { kind: "commit-then-drop" }, operations: WRITES, firstAttemptOnly: true },
  ]);
  const answer = await client.send(increment(key));
  expect(answer.Attributes?.n?.N).toBe("2");
  expect(answer.$metadata.attempts).toBe(2);
  expect(proxy.faults).toEqual({ "commit-then-drop": 1 });
});

test("commit-then-drop commits and the client sees only a broken connection", async () => {
  const { client, key } = await start([{ fault: { kind: "commit-then-drop" } }], once);
  await expect(client.send(increment(key))).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(await stored(key)).toBe("1");
});

test("drop-before breaks the connection and commits nothing", async () => {
  const { client, key } = await start([{ fault: { kind: "drop-before" } }], once);
  await expect(client.send(increment(key))).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(await stored(key)).toBeUndefined();
});

test("a throttled request is refused in DynamoDB's own words and the SDK retries it", async () => {
  const { client, key } = await start([{ fault: { kind: "throttle" }, firstAttemptOnly: true }]);
  const answer = await client.send(increment(key));
  expect(answer.$metadata).toMatchObject({ attempts: 2 });
  expect(answer.Attributes?.n?.N).toBe("1");

  const { client: patient } = await start([{ fault: { kind: "throttle" } }], once);
  await expect(patient.send(get(key))).rejects.toMatchObject({
    name: "ProvisionedThroughputExceededException",
    $metadata: { httpStatusCode: 400 },
  });
});

test("a server error is refused as InternalServerError and the SDK retries it", async () => {
  const { client, key } = await start([{ fault: { kind: "server-error" }, firstAttemptOnly: true }]);
  expect((await client.send(increment(key))).$metadata.attempts).toBe(2);

  const { client: patient } = await start([{ fault: { kind: "server-error" } }], once);
  await expect(patient.send(get(key))).rejects.toMatchObject({
    name: "InternalServerError",
    $metadata: { httpStatusCode: 500 },
  });
});

test("partial batches report what they left out, and repeating that completes them", async () => {
  const { proxy, client } = await start([{ fault: { kind: "partial-batch" } }]);
  const keys = Array.from({ length: 10 }, (_, at) => ({ pk: { S: `batch${at}` } }));
  let pending = { table: keys.map((Item) => ({ PutRequest: { Item } })) } as NonNullable<
    ConstructorParameters<typeof BatchWriteItemCommand>[0]["RequestItems"]
  >;
  let rounds = 0;
  while (Object.keys(pending).length > 0) {
    pending = (await client.send(new BatchWriteItemCommand({ RequestItems: pending }))).UnprocessedItems ?? {};
    rounds++;
  }
  expect(rounds).toBeGreaterThan(1);
  expect(proxy.faults["partial-batch"]).toBeGreaterThan(0);

  const { Responses, UnprocessedKeys } = await client.send(
    new BatchGetItemCommand({ RequestItems: { table: { Keys: keys, ConsistentRead: true } } }),
  );
  const left = UnprocessedKeys?.table?.Keys ?? [];
  expect(left.length).toBeGreaterThan(0);
  expect(UnprocessedKeys?.table?.ConsistentRead).toBe(true);
  expect([...(Responses?.table ?? []), ...left].map((item) => item.pk?.S).sort()).toEqual(keys.map(({ pk }) => pk.S));
});

test("a stale read shows the state before the last change, a consistent one does not", async () => {
  const { proxy, client, key } = await start([{ fault: { kind: "stale-read" } }]);
  const weakly = async () => (await client.send(get(key, false))).Item?.n?.N;
  await client.send(put(key, 1));
  expect(await weakly()).toBeUndefined();
  await client.send(put(key, 2));
  expect(await weakly()).toBe("1");
  expect((await client.send(get(key))).Item?.n?.N).toBe("2");

  const { Items } = await client.send(
    new QueryCommand({
      TableName: "table",
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: { ":pk": key.pk },
    }),
  );
  expect(Items).toEqual([]);
  expect(proxy.faults).toEqual({ "stale-read": 3 });
});

test("a late duplicate reaches the engine after the answer was given", async () => {
  const { proxy, client, key } = await start([{ fault: { kind: "late-duplicate", milliseconds: 20 } }]);
  expect((await client.send(increment(key))).Attributes?.n?.N).toBe("1");
  await proxy.settled();
  expect(await stored(key)).toBe("2");
});

test("a delayed request reaches the engine although the client has given up", async () => {
  const { proxy, client, key } = await start([{ fault: { kind: "delay-before", milliseconds: 100 } }], once);
  const controller = new AbortController();
  const given = client.send(increment(key), { abortSignal: controller.signal });
  const gaveUp = expect(given).rejects.toThrow();
  await expect.poll(() => proxy.total).toBeGreaterThan(0);
  controller.abort();
  await gaveUp;
  await proxy.settled();
  expect(await stored(key)).toBe("1");
});

test("a delayed answer is not there yet when its write is committed", async () => {
  const { client, key } = await start([{ fault: { kind: "delay-after", milliseconds: 60_000 } }], once);
  const patience = new AbortController();
  const answer = client.send(increment(key), { abortSignal: patience.signal });
  const givenUp = expect(answer).rejects.toThrow();
  await expect.poll(() => stored(key), { interval: 5 }).toBe("1");
  patience.abort();
  await givenUp;
});

test("a black hole never answers and commits nothing", async () => {
  const { proxy, client, key } = await start([{ fault: { kind: "black-hole" } }], once);
  await expect(client.send(increment(key), { abortSignal: AbortSignal.timeout(50) })).rejects.toThrow();
  expect(proxy.faults).toEqual({ "black-hole": 1 });
  expect(await stored(key)).toBeUndefined();
});

test.each(["reset", "black-hole"] as const)(
  "during a %s outage nothing is served, after it everything is",
  async (kind) => {
    const { proxy, client, key } = await start([], once);
    await client.send(increment(key));
    proxy.beginOutage(kind);
    await expect(client.send(increment(key), { abortSignal: AbortSignal.timeout(200) })).rejects.toThrow();
    proxy.endOutage();
    expect((await client.send(increment(key))).Attributes?.n?.N).toBe("2");
    expect(proxy.faults.outage).toBeGreaterThan(0);
  },
);

test("rules choose by operation and by a look at the body", async () => {
  const { proxy, client, key } = await start(
    [{ fault: { kind: "throttle" }, operations: ["GetItem"], when: ({ body }) => body.ConsistentRead === true }],
    once,
  );
  await client.send(put(key, 1));
  await client.send(get(key, false));
  await expect(client.send(get(key))).rejects.toMatchObject({ name: "ProvisionedThroughputExceededException" });
  expect(proxy.faults).toEqual({ throttle: 1 });
});

test("the same seed draws the same faults", async () => {
  const draws = async () => {
    const { client, key } = await start([{ fault: { kind: "throttle" }, chance: 0.3 }], once);
    const drawn: boolean[] = [];
    for (let n = 0; n < 40; n++)
      drawn.push(
        await client.send(get(key)).then(
          () => false,
          () => true,
        ),
      );
    return drawn;
  };
  const first = await draws();
  expect(first.filter(Boolean).length).toBeGreaterThan(3);
  expect(await draws()).toEqual(first);
});

test("an engine on a Unix socket is reached too", async () => {
  const socketPath = `/tmp/fault-proxy-${process.pid}.sock`;
  const onSocket = dynalite({ createTableMs: 0 });
  await new Promise<void>((resolve) => onSocket.listen(socketPath, () => resolve()));
  onTestFinished(() => new Promise<void>((resolve) => void onSocket.close(() => resolve())));
  const proxy = await FaultProxy.start({ engine: { socketPath }, random: new Random(1) });
  onTestFinished(() => proxy.close());
  await expect(connect(proxy.endpoint, once).send(put({ pk: { S: "k" } }, 1))).rejects.toMatchObject({
    name: "ResourceNotFoundException",
  });
});
