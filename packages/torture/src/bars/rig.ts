// What bars share: a fleet on one table behind the fault proxy, and a look at the raw table. Knows no bar.
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import { createDynamoDBClient, setupTable } from "@stateful-mcp/core/dynamodb";
import { FaultProxy, Fleet, findDynoxide, type Random, startDynalite, startDynoxide } from "@stateful-mcp/rig";
import type { Outcome } from "../bars.ts";
import { Client } from "../client.ts";
import type { Progress } from "../progress.ts";
import { serveFromCheckout } from "../serve-from-checkout.ts";

const TABLE = "torture";

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
}

/** An engine with the table, the proxy before it, and server processes that know only the proxy. */
export async function startRig({ random, size = 4, env = {} }: RigOptions): Promise<Rig> {
  await using starting = new AsyncDisposableStack();
  const engine = await ("path" in findDynoxide() ? startDynoxide() : startDynalite());
  starting.defer(() => engine.stop());
  const table = createDynamoDBClient(engine.connection);
  starting.defer(() => table.destroy());
  await setupTable(table, TABLE, () => {});
  const proxy = await FaultProxy.start({ engine, random: random.fork("proxy") });
  starting.defer(() => proxy.close());
  const fleet = await Fleet.start({
    size,
    serve: serveFromCheckout,
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
  const items = async () => {
    const found: StoredItem[] = [];
    let after: StoredItem | undefined;
    do {
      const input = { TableName: TABLE, ConsistentRead: true, ...(after && { ExclusiveStartKey: after }) };
      const page = await table.send(new ScanCommand(input));
      found.push(...(page.Items ?? []));
      after = page.LastEvaluatedKey;
    } while (after);
    return found;
  };
  return { proxy, fleet, client, items, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** Runs the task once for each index, at most `width` at a time. */
export async function inParallel(count: number, width: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker));
}

/** Violations beyond this many are counted and not told one by one. */
const TOLD_VIOLATIONS = 20;

/** Counts what a bar has checked, keeps what it found wrong, and shows how far it has come. */
export class Run {
  #checked = 0;
  readonly #violations: string[] = [];
  #untold = 0;
  readonly #rig: Rig;
  readonly #progress: Progress;
  readonly #total: number;

  constructor(rig: Rig, progress: Progress, total: number) {
    this.#rig = rig;
    this.#progress = progress;
    this.#total = total;
  }

  get checked(): number {
    return this.#checked;
  }

  /** Counts one operation as checked. */
  step(): void {
    this.#checked++;
    const faults = Object.values(this.#rig.proxy.faults).reduce((sum, count) => sum + count, 0);
    const ok = Math.floor(this.#checked * this.#rig.client.successRatio);
    this.#progress.update({ done: this.#checked, total: this.#total, ok, faults });
  }

  /** Notes a violation unless the claim holds. */
  expect(holds: boolean, violation: () => string): void {
    if (holds) return;
    if (this.#violations.length < TOLD_VIOLATIONS) this.#violations.push(violation());
    else this.#untold++;
  }

  /** `faults` besides those of the proxy; `successRatio` where that of the client would count a fault window. */
  outcome(more: { faults?: Record<string, number>; successRatio?: number } = {}): Outcome {
    return {
      operations: this.#checked,
      successRatio: more.successRatio ?? this.#rig.client.successRatio,
      faults: { ...this.#rig.proxy.faults, ...more.faults },
      violations: this.#untold === 0 ? this.#violations : [...this.#violations, `and ${this.#untold} more`],
    };
  }
}
