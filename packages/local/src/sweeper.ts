// Deletes what has expired, as DynamoDB's TTL does and dynalite does not. It sees only DynamoDB requests.
import { setTimeout as delay } from "node:timers/promises";
import { isNamed } from "./call.ts";
import type { Database } from "./database.ts";

const PAGE_ITEMS = 100;
/** A rest between pages, so that requests of clients come in between. */
const PAGE_PAUSE_MS = 10;
/** A sweep of a large table is followed by a pause of this many times its duration. */
const REST_FACTOR = 20;

/** As connect.ts creates state tables. */
const STATE_KEYS = ["pk", "sk"];

type Item = Record<string, Record<string, unknown>>;
type Call = Database["call"];

/** Sweeps every `intervalSeconds`, or less often where a sweep takes long, until the signal aborts. Never rejects. */
export async function sweepRegularly(
  call: Call,
  options: {
    intervalSeconds: number;
    signal: AbortSignal;
    log: (message: string) => void;
  },
): Promise<void> {
  let pauseMs = options.intervalSeconds * 1000;
  while (await pause(pauseMs, options.signal)) {
    const startedAt = performance.now();
    try {
      const deleted = await sweep(call, options.signal);
      if (deleted > 0) options.log(`deleted ${deleted} expired items`);
    } catch (error) {
      options.log(`could not sweep expired items: ${error instanceof Error ? error.message : error}`);
    }
    pauseMs = Math.max(options.intervalSeconds * 1000, REST_FACTOR * (performance.now() - startedAt));
  }
}

/** Deletes every item of every state table whose number `expiresAt` (epoch seconds) is in the past; returns how many. */
async function sweep(call: Call, signal: AbortSignal): Promise<number> {
  let deleted = 0;
  let lastName: string | undefined;
  do {
    const page = await call<{
      TableNames: string[];
      LastEvaluatedTableName?: string;
    }>("ListTables", {
      ...(lastName && { ExclusiveStartTableName: lastName }),
    });
    for (const name of page.TableNames) deleted += await sweepTable(call, name, signal);
    lastName = page.LastEvaluatedTableName;
  } while (lastName && !signal.aborted);
  return deleted;
}

async function sweepTable(call: Call, TableName: string, signal: AbortSignal): Promise<number> {
  const { Table } = await call<{
    Table: { KeySchema: { AttributeName: string }[] };
  }>("DescribeTable", { TableName });
  const keyNames = Table.KeySchema.map((key) => key.AttributeName);
  // A table of the user's own has no TTL: what is called `expiresAt` there is none of our business.
  if (keyNames.join() !== STATE_KEYS.join()) return 0;
  const keyAliases = Object.fromEntries(keyNames.map((name, index) => [`#k${index}`, name]));
  const expired = {
    ExpressionAttributeValues: {
      ":now": { N: String(Math.floor(Date.now() / 1000)) },
    },
    ExpressionAttributeNames: { "#e": "expiresAt" },
  };
  let deleted = 0;
  let lastKey: Item | undefined;
  do {
    const page: { Items: Item[]; LastEvaluatedKey?: Item } = await call("Scan", {
      TableName,
      Limit: PAGE_ITEMS,
      FilterExpression: "#e < :now",
      ProjectionExpression: Object.keys(keyAliases).join(", "),
      ...expired,
      ExpressionAttributeNames: {
        ...expired.ExpressionAttributeNames,
        ...keyAliases,
      },
      ...(lastKey && { ExclusiveStartKey: lastKey }),
    });
    for (const Key of page.Items) {
      try {
        await call("DeleteItem", {
          TableName,
          Key,
          ConditionExpression: "#e < :now",
          ...expired,
        });
        deleted += 1;
      } catch (error) {
        // Somebody has just written it anew.
        if (!isNamed(error, "ConditionalCheckFailedException")) throw error;
      }
    }
    lastKey = page.LastEvaluatedKey;
  } while (lastKey && (await pause(PAGE_PAUSE_MS, signal)));
  return deleted;
}

/** Waits; false when the signal has aborted. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return delay(milliseconds, true, { signal }).catch(() => false);
}
