// The keys of users' tables: read from the table, remembered, and what a request says held against them.
import type { AttributeValue, TableDescription } from "@aws-sdk/client-dynamodb";
import { AppError } from "../errors.ts";
import { PAGE_MAX_BYTES } from "../limits.ts";
import { byteLength } from "../text.ts";
import type { Token } from "./expressions.ts";
import type { Item, KeyAttribute, KeySchema, TableIndex, TableShape } from "./item-store.ts";
import { type Attributes, fromAttribute, isObject, refuse, toAttribute, toName, valueBytes } from "./json.ts";

/** DynamoDB's own bounds. */
const PARTITION_KEY_MAX_BYTES = 2048;
const SORT_KEY_MAX_BYTES = 1024;

const TYPES = { S: "string", N: "number", B: "binary" } as const;
const CODES = { string: "S", number: "N", binary: "B" } as const;

/** Asks once for each table, until told to forget. */
export class TableShapes {
  readonly #ask: (table: string) => Promise<TableDescription | undefined>;
  readonly #known = new Map<string, Promise<TableShape>>();

  constructor(ask: (table: string) => Promise<TableDescription | undefined>) {
    this.#ask = ask;
  }

  get(table: string, fresh: boolean): Promise<TableShape> {
    const known = fresh ? undefined : this.#known.get(table);
    if (known) return known;
    const asked = this.#ask(table).then((found) => toShape(table, found ?? {}));
    this.#known.set(table, asked);
    // Who waits for it is told; whoever comes later asks again.
    asked.catch(() => this.#known.get(table) === asked && this.forget(table));
    return asked;
  }

  forget(table: string): void {
    this.#known.delete(table);
  }
}

function toShape(name: string, found: TableDescription): TableShape {
  const typeOf = (attribute: string): KeyAttribute["type"] => {
    const definition = found.AttributeDefinitions?.find(({ AttributeName }) => AttributeName === attribute);
    return TYPES[definition?.AttributeType ?? "S"];
  };
  const schema = (keys: TableDescription["KeySchema"] = []): KeySchema => {
    const named = (role: string) => keys.find(({ KeyType }) => KeyType === role)?.AttributeName;
    const [partition = "", sort] = [named("HASH"), named("RANGE")];
    return {
      partition: { name: partition, type: typeOf(partition) },
      ...(sort !== undefined && { sort: { name: sort, type: typeOf(sort) } }),
    };
  };
  const indexes = (kind: TableIndex["kind"], all: TableDescription["LocalSecondaryIndexes"] = []): TableIndex[] =>
    all.map(({ IndexName = "", KeySchema, Projection }) => ({
      name: IndexName,
      kind,
      ...schema(KeySchema),
      holds:
        Projection?.ProjectionType === "ALL"
          ? "all"
          : Projection?.ProjectionType === "INCLUDE"
            ? (Projection.NonKeyAttributes ?? [])
            : "keys",
    }));
  return {
    name,
    ...schema(found.KeySchema),
    indexes: [...indexes("global", found.GlobalSecondaryIndexes), ...indexes("local", found.LocalSecondaryIndexes)],
    itemCount: found.ItemCount ?? 0,
    sizeBytes: found.TableSizeBytes ?? 0,
  };
}

/** The attributes of a table's key, and those of an index besides. */
export function keyAttributes(table: KeySchema, index?: KeySchema): KeyAttribute[] {
  const all = [table.partition, table.sort, index?.partition, index?.sort].filter((one) => one !== undefined);
  return [...new Map(all.map((attribute) => [attribute.name, attribute])).values()];
}

/** A key with exactly these attributes, of their types. @throws AppError `invalid_input` */
export function toKey(table: TableShape, given: unknown, field: string, index?: TableIndex): Attributes {
  const attributes = keyAttributes(table, index);
  const wanted = attributes.map(({ name, type }) => `${name} (${type})`).join(" and ");
  const of = index ? `a key of the index ${index.name}` : `the key of ${table.name}`;
  if (!isObject(given)) return refuse(field, `${of} is an object with ${wanted}.`);
  const members = new Map(Object.entries(given).map(([key, value]) => [toName(key, field), value]));
  const names = [...members.keys()].slice(0, 10).join(", ").slice(0, 200);
  if (members.size !== attributes.length || attributes.some(({ name }) => !members.has(name)))
    return refuse(field, `${of} has exactly ${wanted}; it was given ${names || "none of them"}.`);
  return Object.fromEntries(
    attributes.map((attribute) => {
      const value = toAttribute(members.get(attribute.name), `${field}.${attribute.name}`);
      requireKeyValue(value, attribute, attribute === table.partition || attribute === index?.partition, field);
      return [attribute.name, value];
    }),
  );
}

function requireKeyValue(value: AttributeValue, attribute: KeyAttribute, isPartition: boolean, field: string): void {
  const { name, type } = attribute;
  if (Object.keys(value)[0] !== CODES[type])
    refuse(field, `${name} must be a ${type}${type === "binary" ? ': {"$binary": "<base64>"}' : ""}.`);
  const bytes = valueBytes(value);
  const max = isPartition ? PARTITION_KEY_MAX_BYTES : SORT_KEY_MAX_BYTES;
  if (type !== "number" && (bytes === 0 || bytes > max))
    refuse(field, `${name} must have 1 to ${max} bytes; it has ${bytes}.`);
}

/** A key attribute's value as text, one for each value. */
export const keyText = (value: AttributeValue): string => JSON.stringify(fromAttribute(value));

/**
 * The partition that a key condition means: `partition = :value`, alone or with a condition on the sort key.
 * @throws AppError `invalid_input`
 */
export function partitionIn(tokens: readonly Token[], { partition, sort }: KeySchema): AttributeValue {
  const keys = `${partition.name}${sort ? ` and ${sort.name}` : ""}`;
  let found: AttributeValue | undefined;
  for (const [index, { attribute, value }] of tokens.entries()) {
    if (attribute !== undefined && attribute !== partition.name && attribute !== sort?.name)
      return refuse(
        "key_condition",
        `${attribute.slice(0, 100)} is not part of this key, which is ${keys}; use filter_expression, or an index as index_name.`,
      );
    if (value === undefined) continue;
    const [left, middle] = [tokens[index - 2], tokens[index - 1]];
    const [operator, right] = [tokens[index + 1], tokens[index + 2]];
    const equal =
      (middle?.text === "=" && left?.attribute === partition.name) ||
      (operator?.text === "=" && right?.attribute === partition.name);
    if (equal) {
      requireKeyValue(value, partition, true, "key_condition");
      found = value;
    } else if (sort && Object.keys(value)[0] !== CODES[sort.type])
      return refuse("key_condition", `${sort.name} must be compared with a ${sort.type}.`);
  }
  return (
    found ??
    refuse(
      "key_condition",
      `it must name one partition: ${partition.name} = :value${sort ? `, and may go on with AND and a condition on ${sort.name}` : ""}.`,
    )
  );
}

/** @throws AppError `too_large` for an item with more bytes than a model reads. */
export function requireAnswerFits(item: Item, remedy: string, details: Record<string, unknown> = {}): void {
  const bytes = byteLength(JSON.stringify(item));
  if (bytes <= PAGE_MAX_BYTES) return;
  throw new AppError(
    "too_large",
    `The item has ${bytes} bytes as JSON; an answer has at most ${PAGE_MAX_BYTES}. Name the attributes you need in ${remedy}.${"last_evaluated_key" in details ? ` The items after it begin at last_evaluated_key ${JSON.stringify(details.last_evaluated_key)}.` : ""}`,
    { details: { field: remedy, ...details } },
  );
}
