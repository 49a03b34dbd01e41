// What several bars share: apps over one table as independent instances, calls with an answer or a reason, and a tally.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type App,
  AppError,
  type AppOptions,
  type Clock,
  createApp,
  LOCAL_PRINCIPAL,
  type Principal,
  type StateStore,
} from "@stateful-mcp/core";
import { createDynamoDBClient, DynamoDBStore, setupTable } from "@stateful-mcp/core/dynamodb";
import {
  type Engine,
  FaultProxy,
  findDynoxide,
  freePort,
  loopback,
  type Random,
  type Rule,
  ServerProcess,
  startDynalite,
  WRITES,
} from "@stateful-mcp/rig";
import type { Progress } from "../progress.ts";

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

  /** A fault proxy before the engine; whoever asks for one closes it. */
  async proxy(): Promise<FaultProxy> {
    const random = this.#random.fork(this.#joined++);
    return FaultProxy.start({ engine: { port: this.engine.port }, random, rules: this.rules });
  }

  async join({ around = (store) => store, ...options }: JoinOptions = {}): Promise<Instance> {
    const proxy = await this.proxy();
    const client = createDynamoDBClient(loopback(Number(new URL(proxy.endpoint).port)));
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

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#live].map((member) => member.close()));
    await this.engine.stop();
  }
}

export type Result = Readonly<Record<string, unknown>>;

export type Reply =
  | { readonly result: Result; readonly replayed: boolean }
  /** `code` is the product's, or `lost` when the connection broke. */
  | { readonly code: string; readonly message: string; readonly details: Result };

/** Calls a tool of an app in this process. */
export async function callApp(
  app: App,
  name: string,
  args: Result,
  principal: Principal = LOCAL_PRINCIPAL,
): Promise<Reply> {
  try {
    const { structured, replayed } = await app.call({ name, arguments: args, principal });
    return { result: structured, replayed };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { code: error.code, message: error.message, details: error.details ?? {} };
  }
}

/** Calls a tool of a server process. */
export async function callServer(address: string, name: string, args: Result): Promise<Reply> {
  try {
    const response = await fetch(new URL("/mcp/call_tool", address), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name, arguments: args }),
    });
    const body = (await response.json()) as { result?: Result; code?: string; error?: string };
    if (body.result) return { result: body.result, replayed: response.headers.has("idempotency-replayed") };
    return { code: body.code ?? String(response.status), message: body.error ?? "", details: {} };
  } catch (error) {
    return { code: "lost", message: String(error), details: {} };
  }
}

/** True when it is open what became of the call, so that only sending it again can tell. */
export const isOpen = (reply: Reply): boolean =>
  "code" in reply && ["lost", "unavailable", "in_progress"].includes(reply.code);

/** Sends a call with an idempotency key until its answer is known, each time as `send` likes; the last reply may still be open. */
export async function resend(send: () => Promise<Reply>, attempts = 40): Promise<Reply> {
  for (let attempt = 1; ; attempt++) {
    const reply = await send();
    if (!isOpen(reply) || attempt === attempts) return reply;
    await sleep(Math.min(25 * attempt, 500));
  }
}

/** What a bar has seen: counted operations and sentences of complaint, each kind of sentence once. */
export class Tally {
  readonly violations: string[] = [];
  operations = 0;
  failed = 0;
  readonly #progress: Progress;
  readonly #total: number;

  constructor(progress: Progress, total: number) {
    this.#progress = progress;
    this.#total = total;
  }

  /** Notes an operation; `succeeded` is false when it failed for a reason that is no fault window. */
  count(succeeded = true): void {
    this.operations++;
    if (!succeeded) this.failed++;
    const { operations: done, failed } = this;
    this.#progress.update({ done, total: this.#total, ok: done - failed, faults: 0 });
  }

  /** Complains unless the claim is true. */
  expect(claim: boolean, complaint: () => string): void {
    if (!claim && this.violations.length < 50) this.violations.push(complaint());
  }

  outcome(faults: Readonly<Record<string, number>>) {
    const { operations, violations } = this;
    return { operations, successRatio: operations === 0 ? 1 : 1 - this.failed / operations, faults, violations };
  }
}

export function addAll(sum: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + count;
}

/** Runs the tasks with at most `width` of them under way, in order of their start. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  task: (item: T, at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const at = next++;
      await task(items[at] as T, at);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}
