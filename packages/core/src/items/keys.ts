// The keys of users' tables: read from the table, remembered, and what a request says held against them.
import type { AttributeValue, TableDescription } from "@aws-sdk/client-dynamodb";
import { AppError } from "../errors.ts";
import { PAGE_MAX_BYTES } from "../limits.ts";
import { cutText, sentBytes } from "../text.ts";
import type { Item, KeyAttribute, KeySchema, TableIndex, TableShape } from "./item-store.ts";
import {
  type Attributes,
  fromAttribute,
  isObject,
  refuse,
  toAttribute,
  toName,
  typedForm,
  valueBytes,
} from "./json.ts";
import type { Condition, Operand } from "./syntax.ts";

/** DynamoDB's own bounds. */
const PARTITION_KEY_MAX_BYTES = 2048;
const SORT_KEY_MAX_BYTES = 1024;

const TYPES = { S: "string", N: "number", B: "binary" } as const;
const CODES = { string: "S", number: "N", binary: "B" } as const;

/** What a caller asks does not fit the table as it is remembered: it may fit the table as it is now. */
export class ShapeMismatch extends AppError {
  constructor(field: string, why: string) {
    super("invalid_input", `${field}: ${why}`, { details: { field: /^[^.[]*/.exec(field)?.[0] ?? field } });
  }
}

/** Asks once for each table, and again when something does not fit what it was told. */
export class TableShapes {
  readonly #ask: (table: string) => Promise<TableDescription | undefined>;
  readonly #known = new Map<string, Promise<TableShape>>();

  constructor(ask: (table: string) => Promise<TableDescription | undefined>) {
    this.#ask = ask;
  }

  get(table: string, fresh = false): Promise<TableShape> {
    const known = fresh ? undefined : this.#known.get(table);
    if (known) return known;
    const asked = this.#ask(table).then((found) => toShape(table, found ?? {}));
    this.#known.set(table, asked);
    // The caller that waits for it is told; the next one asks again.
    asked.catch(() => this.#known.get(table) === asked && this.forget(table));
    return asked;
  }

  /** Resolves to what `use` makes of the table's shape. A mismatch with a remembered shape is tried on the table as it is now. */
  async fit<T>(table: string, use: (shape: TableShape) => T): Promise<T> {
    const remembered = this.#known.get(table);
    try {
      return use(await (remembered ?? this.get(table)));
    } catch (error) {
      if (!remembered || !(error instanceof ShapeMismatch)) throw error;
      // Several calls that are refused together look together.
      const now = this.#known.get(table);
      return use(await (now === remembered || !now ? this.get(table, true) : now));
    }
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
    const inRole = (role: string): KeyAttribute[] =>
      keys
        .filter(({ KeyType }) => KeyType === role)
        .map(({ AttributeName = "" }) => ({ name: AttributeName, type: typeOf(AttributeName) }));
    return { partition: inRole("HASH"), sort: inRole("RANGE") };
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
  const all = [...table.partition, ...table.sort, ...(index?.partition ?? []), ...(index?.sort ?? [])];
  return [...new Map(all.map((attribute) => [attribute.name, attribute])).values()];
}

/** A key with exactly these attributes, of their types. @throws ShapeMismatch, AppError `invalid_input` */
export function toKey(table: TableShape, given: unknown, field: string, index?: TableIndex): Attributes {
  const attributes = keyAttributes(table, index);
  const wanted = attributes.map(({ name, type }) => `${name} (${type})`).join(" and ");
  const of = index ? `a key of the index ${index.name}` : `the key of ${table.name}`;
  if (!isObject(given)) return refuse(field, `${of} is an object with ${wanted}.`);
  const members = new Map(Object.entries(given).map(([key, value]) => [toName(key, field), value]));
  const names = cutText([...members.keys()].slice(0, 10).join(", "), 200);
  if (members.size !== attributes.length || attributes.some(({ name }) => !members.has(name)))
    throw new ShapeMismatch(field, `${of} has exactly ${wanted}; it was given ${names || "none of them"}.`);
  const partition = new Set([...table.partition, ...(index?.partition ?? [])].map(({ name }) => name));
  return Object.fromEntries(
    attributes.map((attribute) => {
      const { name } = attribute;
      const member = members.get(name);
      const value = toAttribute(member, `${field}.${name}`);
      requireKeyValue(value, attribute, partition.has(name), field, typedForm(member));
      return [name, value];
    }),
  );
}

function requireKeyValue(
  value: AttributeValue,
  { name, type }: KeyAttribute,
  isPartition: boolean,
  field: string,
  plain?: string,
): void {
  if (Object.keys(value)[0] !== CODES[type]) {
    const form = type === "binary" ? ': {"$binary": "<base64>"}' : "";
    const hint = plain === undefined ? "" : ` It is in the form of DynamoDB's API; give it as plain JSON: ${plain}.`;
    throw new ShapeMismatch(field, `${name} must be a ${type}${form}.${hint}`);
  }
  const bytes = valueBytes(value);
  const max = isPartition ? PARTITION_KEY_MAX_BYTES : SORT_KEY_MAX_BYTES;
  if (type !== "number" && (bytes === 0 || bytes > max))
    refuse(field, `${name} must have 1 to ${max} bytes; it has ${bytes}.`);
}

/** A key attribute's value as text, one for each value. */
export const keyText = (value: AttributeValue): string => JSON.stringify(fromAttribute(value));

const FIELD = "key_condition";

/**
 * The partition that a key condition means, by attribute: `partition = :value` for each of its attributes, alone or with conditions
 * on the sort key.
 * @throws ShapeMismatch, AppError `invalid_input`
 */
export function partitionIn(condition: Condition, schema: KeySchema): ReadonlyMap<string, AttributeValue> {
  const keys = keyAttributes(schema);
  const names = keys.map(({ name }) => name).join(" and ");
  const found = new Map<string, AttributeValue>();
  for (const part of condition.kind === "and" ? condition.members : [condition]) {
    const { path, values, equal } = keyPart(part, names);
    const attribute = keys.find(({ name }) => name === path);
    if (!attribute)
      throw new ShapeMismatch(
        FIELD,
        `${cutText(path, 100)} is not part of this key, which is ${names}; use filter_expression, or an index as index_name.`,
      );
    const isPartition = schema.partition.includes(attribute);
    for (const value of values) {
      if (equal || isPartition) requireKeyValue(value, attribute, isPartition, FIELD);
      else if (Object.keys(value)[0] !== CODES[attribute.type])
        throw new ShapeMismatch(FIELD, `${attribute.name} must be compared with a ${attribute.type}.`);
      if (isPartition && equal) found.set(attribute.name, value);
    }
  }
  if (schema.partition.every(({ name }) => found.has(name))) return found;
  const wanted = schema.partition.map(({ name }) => `${name} = :value`).join(" AND ");
  const more = schema.sort.map(({ name }) => name).join(", ");
  throw new ShapeMismatch(
    FIELD,
    `it must name one partition: ${wanted}${more ? `, and may go on with AND and a condition on ${more}` : ""}.`,
  );
}

/** One condition of a key condition: the attribute it is about, and what that is compared with. */
function keyPart(part: Condition, names: string): { path: string; values: AttributeValue[]; equal: boolean } {
  const of = (path: Operand, values: readonly Operand[], equal = false) => {
    const [attribute = "", more] = path.kind === "path" ? path.path : [];
    const given = values.flatMap((one) => (one.kind === "value" ? [one.value] : []));
    if (path.kind !== "path" || more !== undefined || given.length !== values.length) return undefined;
    return { path: attribute, values: given, equal };
  };
  const read = () => {
    if (part.kind === "between") return of(part.operand, [part.low, part.high]);
    if (part.kind === "call" && part.name === "begins_with")
      return part.operands[0] && of(part.operands[0], part.operands.slice(1));
    if (part.kind !== "compare" || part.operator === "<>") return undefined;
    const { left, right, operator } = part;
    return left.kind === "path" ? of(left, [right], operator === "=") : of(right, [left], operator === "=");
  };
  return (
    read() ??
    refuse(
      FIELD,
      `it compares ${names} with =, <, <=, >, >=, BETWEEN or begins_with and joins these with AND; put the rest into filter_expression.`,
    )
  );
}

/** @throws AppError `too_large` for an item with more bytes than a model reads. */
export function requireAnswerFits(item: Item, remedy: string, details: Record<string, unknown> = {}): void {
  const bytes = sentBytes(item);
  if (bytes <= PAGE_MAX_BYTES) return;
  throw new AppError(
    "too_large",
    `The item has ${bytes} bytes as JSON text; an answer has at most ${PAGE_MAX_BYTES}. Name the attributes you need in ${remedy}.${"last_evaluated_key" in details ? ` The items after it begin at last_evaluated_key ${JSON.stringify(details.last_evaluated_key)}.` : ""}`,
    { details: { field: remedy, ...details } },
  );
}
