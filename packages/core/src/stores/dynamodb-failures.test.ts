import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { Agent, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Duplex } from "node:stream";
import {
  type Engine,
  FaultProxy,
  freePort,
  loopback,
  type OrderedFault,
  Random,
  startDynalite,
} from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type ClientOptions, createDynamoDBClient, createStateClient, DynamoDBStore, setupTable } from "../dynamodb.ts";
import type { Client } from "./dynamodb-send.ts";
import type { StateStore } from "./state-store.ts";

const TABLE = "mcp_state";
const newKey = () => ({ pk: randomUUID(), sk: "s" });

/** Every method, each against its own fresh key. */
const METHODS: [string, (store: StateStore) => Promise<unknown>][] = [
  ["get", (store) => store.get(newKey())],
  ["create", (store) => store.create(newKey(), {}, { id: "i" })],
  ["update", (store) => store.update(newKey(), { set: { n: 1 } }, { on: "live-or-missing" })],
  ["delete", (store) => store.delete(newKey())],
  ["getMany", (store) => store.getMany([newKey(), newKey()])],
  ["list", (store) => store.list(randomUUID(), { limit: 1 })],
  ["ping", (store) => store.ping()],
];

let engine: Engine;
let proxy: FaultProxy;
let direct: ReturnType<typeof createDynamoDBClient>;
/** Looks at the table past the proxy. */
let witness: DynamoDBStore;

beforeAll(async () => {
  engine = await startDynalite();
  proxy = await FaultProxy.start({ engine: { port: engine.port }, random: new Random(1) });
  direct = createDynamoDBClient(engine.connection);
  await setupTable(direct, TABLE, () => {});
  witness = new DynamoDBStore({ client: direct, table: TABLE });
});
afterAll(async () => {
  direct.destroy();
  await proxy.close();
  await engine.stop();
});

const firstOnly =
  (fault: OrderedFault) =>
  (n: number): OrderedFault | undefined =>
    n === 1 ? fault : undefined;

async function answersUnavailable(call: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  await expect(call()).rejects.toMatchObject({ name: "AppError", code: "unavailable", retryAfterSeconds: 1 });
  // The promise made to callers: an outage is answered within 5 s.
  expect(performance.now() - started).toBeLessThan(5_000);
}

/** What differs between the clients is how a request is sent; what a failure means does not. */
const CLIENTS = [
  { name: "our client", create: createStateClient as (options: ClientOptions) => Client },
  { name: "the AWS SDK's client", create: createDynamoDBClient as (options: ClientOptions) => Client },
];

describe.each(CLIENTS)("through $name", ({ create }) => {
  let client: Client;
  let store: DynamoDBStore;
  beforeAll(() => {
    client = create(loopback(proxy.port));
    store = new DynamoDBStore({ client, table: TABLE });
  });
  afterAll(() => client.destroy());

  describe("a passing fault is not noticed", () => {
    const faults: OrderedFault[] = [
      "throttle",
      "server-error",
      "nonsense",
      "commit-then-drop",
      "cut-reply",
      "black-hole",
    ];
    it.each(faults)("%s", async (fault) => {
      proxy.order((n) => (n <= METHODS.length ? fault : undefined));
      const results = await Promise.all(METHODS.map(([, call]) => call(store)));
      expect(results[1]).toMatchObject({ written: true });
      expect(results[2]).toMatchObject({ applied: true });
    });

    it("one attempt follows another until the fourth", async () => {
      proxy.order((n) => (n < 4 ? "throttle" : undefined));
      await store.create(newKey(), {}, { id: "i" });
      expect(proxy.seen).toEqual(["PutItem", "PutItem", "PutItem", "PutItem"]);
    });
  });

  describe("a lasting fault is unavailable within 5 s, and the store recovers by itself", () => {
    it.each(["throttle", "server-error", "nonsense", "commit-then-drop", "black-hole"] as const)(
      "%s",
      async (fault) => {
        proxy.order(() => fault);
        await Promise.all(METHODS.map(([, call]) => answersUnavailable(() => call(store))));
        proxy.order(() => undefined);
        for (const [, call] of METHODS) await call(store);
      },
    );

    it("a refused condition whose look afterwards hangs", async () => {
      const key = newKey();
      await witness.create(key, {}, { id: "first" });
      proxy.order((_, operation) => (operation === "GetItem" ? "black-hole" : undefined));
      await answersUnavailable(() => store.create(key, {}, { id: "second" }));
    });

    it("an engine that accepts connections and never answers", async () => {
      const hole = await FaultProxy.start({ engine: { port: 1 }, random: new Random(1) });
      hole.beginOutage("black-hole");
      const lost = create(loopback(hole.port));
      const stranded = new DynamoDBStore({ client: lost, table: TABLE });
      await Promise.all(METHODS.map(([, call]) => answersUnavailable(() => call(stranded))));
      lost.destroy();
      await hole.close();
    });

    it("a port where nobody listens, and a socket that is not there", async () => {
      const port = await freePort();
      const clients = [create(loopback(port)), create({ socketPath: `/tmp/${randomUUID()}.sock` })];
      for (const refused of clients) {
        const stranded = new DynamoDBStore({ client: refused, table: TABLE });
        await Promise.all(METHODS.map(([, call]) => answersUnavailable(() => call(stranded))));
        refused.destroy();
      }
    });

    it("an embedded engine that cannot be started", async () => {
      class Unstartable extends Agent {
        override createConnection(): Duplex {
          return new Duplex().destroy(new Error("There is no space left for the data."));
        }
      }
      const stranded = create({ agent: new Unstartable() });
      const store = new DynamoDBStore({ client: stranded, table: TABLE });
      await Promise.all(METHODS.map(([, call]) => answersUnavailable(() => call(store))));
      stranded.destroy();
    });

    it("credentials that cannot be had, whose provider never answers", async () => {
      const never = create({
        endpoint: `http://127.0.0.1:${proxy.port}`,
        region: "local",
        credentials: () => new Promise(() => {}),
        credentialsTimeoutMs: 50,
      });
      const store = new DynamoDBStore({ client: never, table: TABLE });
      await answersUnavailable(() => store.ping());
      await expect(store.ping()).rejects.toThrow(/AWS credentials could not be fetched.*within 0.05 s/);
      never.destroy();
    });
  });

  describe("a write that was done and whose reply was lost has one effect and is answered as done", () => {
    const faults: OrderedFault[] = ["commit-then-drop", "cut-reply"];

    it.each(faults)("put: %s", async (fault) => {
      const key = newKey();
      proxy.order(firstOnly(fault));
      const result = await store.create(key, { n: 1 }, { id: "mine" });
      expect(result).toMatchObject({ written: true, repeated: true, entry: { attributes: { n: 1 }, version: 1 } });
      expect(await witness.get(key)).toMatchObject({ createdBy: "mine", version: 1 });
    });

    it.each(faults)("update: %s", async (fault) => {
      const key = newKey();
      await witness.create(key, { n: 1 }, { id: "i" });
      proxy.order(firstOnly(fault));
      const options = { on: "live", version: 1, operation: { slot: "w", stamp: 1 } } as const;
      expect(await store.update(key, { set: { n: 2 } }, options)).toMatchObject({
        applied: true,
        repeated: true,
        version: 2,
      });
      expect(await witness.get(key)).toMatchObject({ attributes: { n: 2 }, version: 2 });
    });

    it.each(faults)("increment: %s", async (fault) => {
      const key = newKey();
      const change = { increment: { attribute: "n", by: 1 } };
      for (let stamp = 1; stamp <= 10; stamp += 1) {
        proxy.order(firstOnly(fault));
        const options = { on: "live-or-missing", operation: { slot: "w", stamp } } as const;
        const result = await store.update(key, change, options);
        expect(result).toMatchObject({ applied: true, repeated: true, version: stamp, result: stamp });
      }
      expect(await witness.get(key)).toMatchObject({ attributes: { n: 10 }, version: 10 });
    });

    it("burial, and revival", async () => {
      const key = newKey();
      await witness.create(key, { n: 1 }, { id: "i" });
      proxy.order(firstOnly("commit-then-drop"));
      const burial = { on: "live", operation: { slot: "w", stamp: 1 } } as const;
      expect(await store.update(key, { bury: true, remove: ["n"] }, burial)).toMatchObject({
        applied: true,
        version: 2,
      });
      proxy.order(firstOnly("commit-then-drop"));
      const revival = { on: "dead", operation: { slot: "w", stamp: 2 } } as const;
      const result = await store.update(key, { increment: { attribute: "n", by: 5 } }, revival);
      expect(result).toMatchObject({ applied: true, repeated: true, version: 3, result: 5 });
      expect(await witness.get(key)).toMatchObject({ attributes: { n: 5 }, version: 3 });
    });

    it("a refusal tells whether an attempt before it got no answer", async () => {
      const key = newKey();
      await witness.create(key, { n: 1 }, { id: "i" });
      const options = { on: "live", version: 2, operation: { slot: "w", stamp: 1 } } as const;
      proxy.order(firstOnly("commit-then-drop"));
      expect(await store.update(key, { set: { n: 2 } }, options)).toMatchObject({ applied: false, straggler: true });
      proxy.order(() => undefined);
      expect(await store.update(key, { set: { n: 2 } }, options)).not.toHaveProperty("straggler");
    });

    it("another's entry is still another's", async () => {
      const key = newKey();
      await witness.create(key, { n: 1 }, { id: "theirs" });
      proxy.order(firstOnly("commit-then-drop"));
      const result = await store.create(key, { n: 2 }, { id: "mine" });
      expect(result).toMatchObject({ written: false, current: { createdBy: "theirs", attributes: { n: 1 } } });
    });
  });

  it("no credentials: what to do is said, and nothing is sent", async () => {
    proxy.order(() => undefined);
    const anonymous = create({
      endpoint: `http://127.0.0.1:${proxy.port}`,
      region: "local",
      credentials: async () => {
        throw Object.assign(new Error("none"), { name: "CredentialsProviderError" });
      },
    });
    const call = new DynamoDBStore({ client: anonymous, table: TABLE }).ping();
    await expect(call).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("No credentials"),
    });
    expect(proxy.seen).toEqual([]);
    anonymous.destroy();
  });

  it("credentials that take longer than a request may: the request still has its own time", async () => {
    proxy.order(firstOnly("throttle"));
    const late = Promise.withResolvers<{ accessKeyId: string; secretAccessKey: string }>();
    const client = create({ ...loopback(proxy.port), credentials: () => late.promise });
    vi.useFakeTimers({ toFake: ["performance"] });
    const ping = new DynamoDBStore({ client, table: TABLE }).ping();
    await vi.advanceTimersByTimeAsync(10_000);
    vi.useRealTimers();
    late.resolve({ accessKeyId: "test", secretAccessKey: "test" });
    await ping;
    expect(proxy.seen).toEqual(["GetItem", "GetItem"]);
    client.destroy();
  });

  describe("answers of the engine", () => {
    /** Answers each request with the next of these, and then with an empty success. */
    async function engineThatSays(answers: [status: number, body: object, headers?: Record<string, string>][]) {
      const dates: string[] = [];
      const bodies: string[] = [];
      const server = createServer((request, response) => {
        dates.push(String(request.headers["x-amz-date"]));
        let text = "";
        request.setEncoding("utf8").on("data", (chunk) => {
          text += chunk;
        });
        request.once("end", () => {
          bodies.push(text);
          const [status, body, headers] = answers.shift() ?? [200, {}];
          response.writeHead(status, { "content-type": "application/x-amz-json-1.0", ...headers });
          response.end(JSON.stringify(body));
        });
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      const client = create(loopback((server.address() as AddressInfo).port));
      const stop = async () => {
        client.destroy();
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      };
      return { store: new DynamoDBStore({ client, table: TABLE }), dates, bodies, stop };
    }
    const refusal = (name: string): [number, object] => [
      400,
      { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message: "No." },
    ];

    it.each(["TransactionConflictException", "ReplicatedWriteConflictException", "ThrottlingException"])(
      "%s is tried again, and is unavailable when it lasts",
      async (name) => {
        const once = await engineThatSays([refusal(name)]);
        await once.store.ping();
        expect(once.dates).toHaveLength(2);
        await once.stop();
        const lasting = await engineThatSays(Array.from({ length: 4 }, () => refusal(name)));
        await expect(lasting.store.ping()).rejects.toMatchObject({ code: "unavailable", retryable: true });
        expect(lasting.dates).toHaveLength(4);
        await lasting.stop();
      },
    );

    it("parts of a batch that are left out are asked for again, alone, and are unavailable when that lasts", async () => {
      const keys = [newKey(), newKey()];
      const item = ({ pk, sk }: { pk: string; sk: string }) => ({ pk: { S: pk }, sk: { S: sk }, v: { N: "1" } });
      const [first, second] = keys.map(item);
      const left = { [TABLE]: { Keys: [{ pk: second?.pk, sk: second?.sk }] } };
      const passing = await engineThatSays([
        [200, { Responses: { [TABLE]: [first] }, UnprocessedKeys: left }],
        [200, { Responses: { [TABLE]: [second] }, UnprocessedKeys: {} }],
      ]);
      expect(await passing.store.getMany(keys)).toMatchObject(keys.map((key) => ({ key, version: 1 })));
      expect(JSON.parse(passing.bodies[1] ?? "")).toEqual({
        RequestItems: { [TABLE]: { Keys: left[TABLE]?.Keys, ConsistentRead: true } },
      });
      await passing.stop();
      const lasting = await engineThatSays(Array.from({ length: 4 }, () => [200, { UnprocessedKeys: left }]));
      await expect(lasting.store.getMany(keys)).rejects.toMatchObject({ code: "unavailable" });
      await lasting.stop();
    });

    it("a refusal that is not known is blamed on nobody's input, and not repeated", async () => {
      const { store, dates, stop } = await engineThatSays([refusal("NovelException")]);
      await expect(store.ping()).rejects.toMatchObject({
        code: "internal",
        message: expect.stringContaining("NovelException"),
      });
      expect(dates).toHaveLength(1);
      await stop();
    });

    it("a denied action is named, and trying again is not advised", async () => {
      const { store, stop } = await engineThatSays([refusal("AccessDeniedException")]);
      await expect(store.list("p", { limit: 1 })).rejects.toMatchObject({
        code: "unavailable",
        retryable: false,
        retryAfterSeconds: undefined,
        message: expect.stringContaining("dynamodb:Query"),
      });
      await stop();
    });

    it("a clock that is wrong is corrected by the server's, once and for the requests that follow", async () => {
      const hour = 3_600_000;
      const skewed: [number, object, Record<string, string>] = [
        ...refusal("InvalidSignatureException"),
        { date: new Date(Date.now() + hour).toUTCString() },
      ];
      const { store, dates, stop } = await engineThatSays([skewed]);
      await store.ping();
      expect(dates).toHaveLength(2);
      const at = (text = "") =>
        Date.parse(
          text.replace(/(....)(..)(..)T(..)(..)(..)Z/, (_, ...p) => `${p[0]}-${p[1]}-${p[2]}T${p[3]}:${p[4]}:${p[5]}Z`),
        );
      expect(at(dates[1]) - at(dates[0])).toBeGreaterThan(hour - 10_000);
      await stop();
    });
  });
});
