// What bars run on: one engine with one table, proxies that inject faults, apps in this process as independent instances, and
// fleets of server processes. Knows no bar.
import { fileURLToPath } from "node:url";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import { type App, type AppOptions, type Clock, createApp, type StateStore, systemClock } from "@stateful-mcp/core";
import { createDynamoDBClient, createStateClient, DynamoDBStore, setupTable } from "@stateful-mcp/core/dynamodb";
import {
  type Engine,
  FaultProxy,
  Fleet,
  type FleetOptions,
  findDynoxide,
  freePort,
  loopback,
  type Random,
  type Rule,
  ServerProcess,
  startDynalite,
  WRITES,
} from "@stateful-mcp/rig";
import { Client } from "../client.ts";
import { serveFromCheckout } from "../serve-from-checkout.ts";
import { addAll } from "./tally.ts";

export const TABLE = "torture";

/** How long a holder that says nothing is believed to be alive, as the product documents it. */
export const LEASE_MS = 6_000;

/** A network and a table on a bad day, mild enough for nine in ten operations to succeed. */
export const ROUGH: readonly Rule[] = [
  { fault: { kind: "commit-then-drop" }, chance: 0.03, operations: WRITES },
  { fault: { kind: "drop-before" }, chance: 0.01 },
  { fault: { kind: "throttle" }, chance: 0.02 },
  { fault: { kind: "server-error" }, chance: 0.01 },
  // Longer than a client waits for an answer: it has sent the request again by then.
  { fault: { kind: "delay-before", milliseconds: 2_500 }, chance: 0.003, operations: WRITES },
  { fault: { kind: "delay-before", milliseconds: 8 }, chance: 0.1 },
  { fault: { kind: "delay-after", milliseconds: 15 }, chance: 0.05 },
];

/** An app of its own, as another process would have it, behind a fault proxy of its own. */
export interface Instance {
  readonly app: App;
  readonly proxy: FaultProxy;
}

export interface JoinOptions extends Omit<AppOptions, "store"> {
  readonly clock?: Clock;
  /** Puts something between the app and its store. */
  readonly around?: (store: StateStore) => StateStore;
}

/** Dynoxide where it is installed, under the watchdog's eye; else dynalite in this process. */
async function startEngine(): Promise<Pick<Engine, "port" | "stop">> {
  const found = findDynoxide();
  if ("missing" in found) return startDynalite();
  const port = await freePort();
  const args = ["serve", "--host", "127.0.0.1", "--port", String(port)];
  const server = await ServerProcess.start({ command: found.path, args, ready: new URL(`http://127.0.0.1:${port}/`) });
  return { port, stop: () => server.kill() };
}

/** One engine with one table, and the instances that share it. */
export class Cluster implements AsyncDisposable {
  readonly engine: Pick<Engine, "port" | "stop">;
  /** Faults of every instance so far. */
  readonly faults: Record<string, number> = {};
  rules: readonly Rule[];
  readonly #random: Random;
  readonly #live = new Set<Instance & { close(): Promise<void> }>();
  #joined = 0;

  private constructor(engine: Pick<Engine, "port" | "stop">, random: Random, rules: readonly Rule[]) {
    this.engine = engine;
    this.#random = random;
    this.rules = rules;
  }

  static async start(random: Random, rules: readonly Rule[] = []): Promise<Cluster> {
    const engine = await startEngine();
    const client = createDynamoDBClient(loopback(engine.port));
    await setupTable(client, TABLE, () => {});
    client.destroy();
    return new Cluster(engine, random.fork("faults"), rules);
  }

  /** A fault proxy before the engine; the one that asks for it closes it. */
  async proxy(): Promise<FaultProxy> {
    const random = this.#random.fork(this.#joined++);
    return FaultProxy.start({ engine: { port: this.engine.port }, random, rules: this.rules });
  }

  async join({ around = (store) => store, ...options }: JoinOptions = {}): Promise<Instance> {
    const proxy = await this.proxy();
    const client = createStateClient(loopback(Number(new URL(proxy.endpoint).port)));
    const { clock } = options;
    const store = new DynamoDBStore({ client, table: TABLE, ...(clock && { clock }) });
    const app = createApp({ ...options, store: around(store) });
    const close = async () => {
      await app.close();
      client.destroy();
      await proxy.close();
      addAll(this.faults, proxy.faults);
    };
    const instance = { app, proxy, close };
    this.#live.add(instance);
    return instance;
  }

  /** What a `kill -9` looks like from the table: requests that have arrived there take effect, no other one ever comes. */
  kill(instance: Instance): Promise<void> {
    instance.proxy.beginOutage("reset");
    const member = [...this.#live].find((one) => one.app === instance.app);
    if (!member) return Promise.resolve();
    this.#live.delete(member);
    return member.close();
  }

  /** Every item as it stands in the table, dead ones included. */
  async items(): Promise<StoredItem[]> {
    const table = createDynamoDBClient(loopback(this.engine.port));
    const found: StoredItem[] = [];
    let after: StoredItem | undefined;
    do {
      const input = { TableName: TABLE, ConsistentRead: true, ...(after && { ExclusiveStartKey: after }) };
      const page = await table.send(new ScanCommand(input));
      found.push(...(page.Items ?? []));
      after = page.LastEvaluatedKey;
    } while (after);
    table.destroy();
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#live].map((member) => member.close()));
    await this.engine.stop();
  }
}

/** The time of this machine, moved ahead. */
export class MovedClock implements Clock {
  #aheadMs = 0;

  /** A view of this clock that is off by so many milliseconds. */
  skewedBy(skewMs: number): Clock {
    return { now: () => this.now() + skewMs };
  }

  now(): number {
    return systemClock.now() + this.#aheadMs;
  }

  advance(seconds: number): void {
    this.#aheadMs += seconds * 1000;
  }
}

export type StoredItem = Record<string, AttributeValue>;

export interface Rig extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly fleet: Fleet;
  readonly client: Client;
  /** Every item as it stands in the table, dead ones included. */
  items(): Promise<StoredItem[]>;
}

export interface RigOptions {
  readonly random: Random;
  /** Server processes. Default 4. */
  readonly size?: number;
  /** Added to their environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the ready server. */
  readonly serve?: FleetOptions["serve"];
}

/** An engine with the table, the proxy before it, and server processes that know only the proxy. */
export async function startRig({ random, size = 4, env = {}, serve = serveFromCheckout }: RigOptions): Promise<Rig> {
  await using starting = new AsyncDisposableStack();
  const cluster = starting.use(await Cluster.start(random));
  const proxy = await cluster.proxy();
  starting.defer(() => proxy.close());
  const fleet = await Fleet.start({
    size,
    serve,
    env: {
      MCP_STATE_BACKEND: "dynamodb",
      MCP_STATE_TABLE: TABLE,
      DYNAMODB_ENDPOINT_URL: proxy.endpoint,
      AWS_REGION: "local",
      AWS_ACCESS_KEY_ID: "torture",
      AWS_SECRET_ACCESS_KEY: "torture",
      LOG_LEVEL: "error",
      ...env,
    },
  });
  starting.use(fleet);
  const client = starting.use(new Client(() => fleet.live.map((member) => member.address)));
  const started = starting.move();
  const items = () => cluster.items();
  return { proxy, fleet, client, items, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

const TALKING = fileURLToPath(new URL("../servers/talking.ts", import.meta.url));

/** Servers with the ready tools and `talk`, on the table behind this endpoint. */
export const talkingServer = (endpoint: string, nodeOptions: readonly string[] = []): Omit<FleetOptions, "size"> => ({
  env: { DYNAMODB_ENDPOINT_URL: endpoint, MCP_STATE_TABLE: TABLE },
  serve: (port) => ({ command: process.execPath, args: [...nodeOptions, "--import", "tsx", TALKING, String(port)] }),
});
