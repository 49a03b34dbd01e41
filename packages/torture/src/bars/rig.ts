// What bars run on: one engine with one table and proxies that inject faults, or one SQLite file; apps in this process as independent
// instances, and fleets of server processes. Knows no bar.
import { fileURLToPath } from "node:url";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import { type Clock, createApp, systemClock } from "@stateful-mcp/core";
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
import type { Place } from "../bars.ts";
import { Client } from "../client.ts";
import { serveFromCheckout } from "../serve-from-checkout.ts";
import type { Ground, Instance, JoinOptions } from "./ground.ts";
import { OneFile } from "./one-file.ts";
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

/** One that reaches the table through a fault proxy of its own. */
export interface TableInstance extends Instance {
  readonly proxy: FaultProxy;
}

/** `rules` are for the network before a table. */
export const startGround = (place: Place, random: Random, rules: readonly Rule[] = []): Promise<Ground> =>
  place === "table" ? Cluster.start(random, rules) : OneFile.start();

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
export class Cluster implements Ground {
  readonly engine: Pick<Engine, "port" | "stop">;
  rules: readonly Rule[];
  readonly #random: Random;
  readonly #live = new Set<TableInstance & { close(): Promise<void> }>();
  /** Of instances and servers, closed ones included. */
  readonly #proxies: FaultProxy[] = [];
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

  get faults(): Readonly<Record<string, number>> {
    const sum: Record<string, number> = {};
    for (const { faults } of this.#proxies) addAll(sum, faults);
    return sum;
  }

  async forServers(): Promise<Readonly<Record<string, string>>> {
    const proxy = await this.proxy();
    this.#proxies.push(proxy);
    return tableAt(proxy.endpoint);
  }

  /** A fault proxy before the engine; the one that asks for it closes it. */
  async proxy(): Promise<FaultProxy> {
    const random = this.#random.fork(this.#joined++);
    return FaultProxy.start({ engine: { port: this.engine.port }, random, rules: this.rules });
  }

  async join({ around = (store) => store, ...options }: JoinOptions = {}): Promise<TableInstance> {
    const proxy = await this.proxy();
    this.#proxies.push(proxy);
    const client = createStateClient(loopback(Number(new URL(proxy.endpoint).port)));
    const { clock } = options;
    const store = new DynamoDBStore({ client, table: TABLE, ...(clock && { clock }) });
    const app = createApp({ ...options, store: around(store) });
    const close = async () => {
      await app.close();
      client.destroy();
      await proxy.close();
    };
    const instance = { app, proxy, close };
    this.#live.add(instance);
    return instance;
  }

  /** What a `kill -9` looks like from the table: requests that have arrived there take effect, no other one ever comes. */
  kill(instance: Instance): Promise<void> {
    const member = [...this.#live].find((one) => one.app === instance.app);
    if (!member) return Promise.resolve();
    member.proxy.beginOutage("reset");
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
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
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

interface RigAnywhere extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly client: Client;
  /** Injected so far. */
  readonly faults: Readonly<Record<string, number>>;
}

export interface Rig extends RigAnywhere {
  readonly place: "table";
  readonly proxy: FaultProxy;
  /** Every item as it stands in the table, dead ones included. */
  items(): Promise<StoredItem[]>;
}

export interface FileRig extends RigAnywhere {
  readonly place: "file";
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
export async function startRig({ random, ...servers }: RigOptions): Promise<Rig> {
  await using starting = new AsyncDisposableStack();
  const cluster = starting.use(await Cluster.start(random));
  const proxy = await cluster.proxy();
  starting.defer(() => proxy.close());
  const { fleet, client } = await startServers(starting, servers, {
    MCP_STATE_BACKEND: "dynamodb",
    MCP_STATE_TABLE: TABLE,
    DYNAMODB_ENDPOINT_URL: proxy.endpoint,
    AWS_REGION: "local",
    AWS_ACCESS_KEY_ID: "torture",
    AWS_SECRET_ACCESS_KEY: "torture",
  });
  const started = starting.move();
  const items = () => cluster.items();
  const { faults } = proxy;
  return { place: "table", proxy, fleet, client, faults, items, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** Server processes that share one file, or a table as `startRig` has it. */
export async function startRigOn(place: Place, options: RigOptions): Promise<Rig | FileRig> {
  if (place === "table") return startRig(options);
  await using starting = new AsyncDisposableStack();
  const file = starting.use(await OneFile.start());
  const { fleet, client } = await startServers(starting, options, {
    MCP_STATE_BACKEND: "local",
    STATEFUL_MCP_DATA_DIR: file.directory,
  });
  const started = starting.move();
  return { place, fleet, client, faults: {}, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** Processes of which each finds the state by this environment, and a client that calls any of them. */
async function startServers(
  starting: AsyncDisposableStack,
  { size = 4, env = {}, serve = serveFromCheckout }: Omit<RigOptions, "random">,
  state: Readonly<Record<string, string>>,
): Promise<Pick<RigAnywhere, "fleet" | "client">> {
  const fleet = await Fleet.start({ size, serve, env: { ...state, LOG_LEVEL: "error", ...env } });
  starting.use(fleet);
  const client = starting.use(new Client(() => fleet.live.map((member) => member.address)));
  return { fleet, client };
}

/** How the servers of `servers/` find the table behind an endpoint. */
export const tableAt = (endpoint: string) => ({ DYNAMODB_ENDPOINT_URL: endpoint, MCP_STATE_TABLE: TABLE });

const TALKING = fileURLToPath(new URL("../servers/talking.ts", import.meta.url));

/** Servers with the ready tools and `talk`, on the state that this environment names. */
export const talkingServer = (
  env: Readonly<Record<string, string>>,
  nodeOptions: readonly string[] = [],
): Omit<FleetOptions, "size"> => ({
  env,
  serve: (port) => ({ command: process.execPath, args: [...nodeOptions, "--import", "tsx", TALKING, String(port)] }),
});
