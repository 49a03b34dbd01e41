// Several keys or writes in one request: how they are asked for, and what came of each. Sends nothing.
import { PAGE_MAX_BYTES } from "../limits.ts";
import { sentBytes } from "../text.ts";
import { projectionOf, UserExpressions } from "./expressions.ts";
import type { BatchRead, BatchWritten, Item, ReadOptions, TableShape } from "./item-store.ts";
import { type Attributes, fromAttributes, refuse, requireItemFits, toAttributes } from "./json.ts";
import { keyAttributes, requireAnswerFits, toKey } from "./keys.ts";
import { shown } from "./pages.ts";

/** DynamoDB's own bounds of one request. */
export const BATCH_GET_MAX_KEYS = 100;
export const BATCH_WRITE_MAX = 25;

interface Consumed {
  readonly ConsumedCapacity?: readonly { readonly CapacityUnits?: number | undefined }[] | undefined;
}
const consumedOf = ({ ConsumedCapacity = [] }: Consumed): number =>
  ConsumedCapacity.reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0);

const keyId = (key: Attributes): string => JSON.stringify(Object.entries(fromAttributes(key)).sort());

/** DynamoDB refuses a batch in which one key stands twice, and does not say which. */
function requireDistinct(keys: readonly (readonly [key: Attributes, field: string])[]): void {
  const seen = new Map<string, string>();
  for (const [key, field] of keys) {
    const id = keyId(key);
    const before = seen.get(id);
    if (before !== undefined) refuse(field, `it has the same key as ${before}; a batch holds each key once.`);
    seen.set(id, field);
  }
}

function requireCount(count: number, max: number, field: string, what: string): void {
  if (count === 0) refuse(field, `there is nothing to ${what}; give at least one.`);
  if (count > max) refuse(field, `there are ${count}; one call takes at most ${max}. Send the others in another call.`);
}

/** @throws ShapeMismatch, AppError `invalid_input` */
export function batchGetInput(shape: TableShape, given: readonly unknown[], options: ReadOptions) {
  requireCount(given.length, BATCH_GET_MAX_KEYS, "keys", "read");
  const keys = given.map((key, index) => toKey(shape, key, `keys[${index}]`));
  requireDistinct(keys.map((key, index) => [key, `keys[${index}]`]));
  const e = new UserExpressions(options);
  const keyNames = keyAttributes(shape).map(({ name }) => name);
  const projection = projectionOf(e, options.projection, keyNames);
  const unwanted = projection ? keyNames.filter((name) => !projection.tops.has(name)) : [];
  const input = {
    RequestItems: {
      [shape.name]: {
        Keys: keys,
        ConsistentRead: options.consistent,
        ...(projection && { ProjectionExpression: projection.sent }),
        ...e.placeholders(),
      },
    },
    ReturnConsumedCapacity: "TOTAL" as const,
  };
  return { expressions: e, keys, keyNames, unwanted, input };
}

interface BatchGetAnswer extends Consumed {
  readonly Responses?: Readonly<Record<string, Attributes[]>> | undefined;
  readonly UnprocessedKeys?: Readonly<Record<string, { readonly Keys?: Attributes[] | undefined }>> | undefined;
}

/** What does not fit into an answer counts as not processed, so that asking again goes on. */
export function toBatchRead(
  table: string,
  { keys, keyNames, unwanted }: ReturnType<typeof batchGetInput>,
  answer: BatchGetAnswer,
): BatchRead {
  const found = answer.Responses?.[table] ?? [];
  const skipped = answer.UnprocessedKeys?.[table]?.Keys ?? [];
  const items: Item[] = [];
  const unprocessed: Item[] = skipped.map(fromAttributes);
  const known = new Set(skipped.map(keyId));
  let bytes = 0;
  for (const stored of found) {
    known.add(keyId(Object.fromEntries(keyNames.flatMap((name) => (stored[name] ? [[name, stored[name]]] : [])))));
    const { item, key } = shown(stored, keyNames, unwanted);
    const size = sentBytes(item);
    if (size > PAGE_MAX_BYTES) requireAnswerFits(item, "projection", { key });
    if (bytes + size > PAGE_MAX_BYTES) unprocessed.push(key);
    else {
      items.push(item);
      bytes += size;
    }
  }
  const missing = keys.filter((key) => !known.has(keyId(key))).map(fromAttributes);
  return { items, missing, unprocessed, consumed: consumedOf(answer) };
}

/** @throws ShapeMismatch, AppError `invalid_input`, `too_large` */
export function batchWriteInput(shape: TableShape, puts: readonly unknown[], deletes: readonly unknown[]) {
  requireCount(puts.length + deletes.length, BATCH_WRITE_MAX, puts.length > 0 ? "puts" : "deletes", "write");
  const keyNames = keyAttributes(shape).map(({ name }) => name);
  const items = puts.map((given, index) => {
    const field = `puts[${index}]`;
    const item = toAttributes(given, field);
    requireItemFits(item, field);
    const present = Object.fromEntries(Object.entries(item).filter(([name]) => keyNames.includes(name)));
    return { item, key: toKey(shape, fromAttributes(present), field), field };
  });
  const keys = deletes.map((given, index) => ({
    key: toKey(shape, given, `deletes[${index}]`),
    field: `deletes[${index}]`,
  }));
  requireDistinct([...items, ...keys].map(({ key, field }) => [key, field]));
  return {
    RequestItems: {
      [shape.name]: [
        ...items.map(({ item }) => ({ PutRequest: { Item: item } })),
        ...keys.map(({ key }) => ({ DeleteRequest: { Key: key } })),
      ],
    },
    ReturnConsumedCapacity: "TOTAL" as const,
  };
}

interface BatchWriteAnswer extends Consumed {
  readonly UnprocessedItems?:
    | Readonly<
        Record<
          string,
          readonly {
            readonly PutRequest?: { readonly Item: Attributes | undefined } | undefined;
            readonly DeleteRequest?: { readonly Key: Attributes | undefined } | undefined;
          }[]
        >
      >
    | undefined;
}

export function toBatchWritten(
  table: string,
  given: { readonly puts: number; readonly deletes: number },
  answer: BatchWriteAnswer,
): BatchWritten {
  const left = answer.UnprocessedItems?.[table] ?? [];
  const puts = left.flatMap(({ PutRequest }) => (PutRequest?.Item ? [fromAttributes(PutRequest.Item)] : []));
  const deletes = left.flatMap(({ DeleteRequest }) => (DeleteRequest?.Key ? [fromAttributes(DeleteRequest.Key)] : []));
  return {
    put: given.puts - puts.length,
    deleted: given.deletes - deletes.length,
    unprocessed: { puts, deletes },
    consumed: consumedOf(answer),
  };
}
