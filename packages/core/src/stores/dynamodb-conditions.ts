// The conditions of every write, one named clause each, and the changes they protect, as DynamoDB expressions.
// A clause that goes missing here is a lost, doubled or revived write somewhere else: remove none without reading its comment.
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { attributeField, FIELD, slotFields } from "./dynamodb-layout.ts";
import type { Attributes, Change, CreateOptions, UpdateOptions } from "./state-store.ts";

type Scalar = string | number | boolean;

export function toAttributeValue(value: Scalar): AttributeValue {
  if (typeof value === "number") return { N: String(value) };
  return typeof value === "string" ? { S: value } : { BOOL: value };
}

/** Collects names and values: every name goes through a placeholder, so that none is ever read as a word of the language. */
export class StateExpression {
  /** Epoch seconds. */
  readonly now: number;
  readonly #names = new Map<string, string>();
  readonly #values = new Map<Scalar, string>();

  constructor(now: number) {
    this.now = now;
  }

  name(field: string): string {
    const placeholder = this.#names.get(field) ?? `#n${this.#names.size}`;
    this.#names.set(field, placeholder);
    return placeholder;
  }

  value(value: Scalar): string {
    const placeholder = this.#values.get(value) ?? `:v${this.#values.size}`;
    this.#values.set(value, placeholder);
    return placeholder;
  }

  /** To be called last. DynamoDB refuses empty maps. */
  placeholders() {
    const names = Object.fromEntries([...this.#names].map(([field, name]) => [name, field]));
    const values = Object.fromEntries([...this.#values].map(([value, name]) => [name, toAttributeValue(value)]));
    return {
      ...(this.#names.size === 0 ? {} : { ExpressionAttributeNames: names }),
      ...(this.#values.size === 0 ? {} : { ExpressionAttributeValues: values }),
    };
  }
}

/** One reason to refuse a write: comparisons joined by OR, never nested, for some engines' parsers are slow on nested ones. */
type Clause = (e: StateExpression) => string;

const all = (e: StateExpression, clauses: readonly Clause[]): string =>
  clauses
    .map((clause) => clause(e))
    .map((text) => (text.includes(" OR ") ? `(${text})` : text))
    .join(" AND ");

const EXISTS: Clause = (e) => `attribute_exists(${e.name(FIELD.pk)})`;

/** Protects against reviving what was deleted. Also met where there is no item at all. */
const NO_TOMBSTONE: Clause = (e) => `attribute_not_exists(${e.name(FIELD.dead)})`;

/** DynamoDB removes expired items up to days late; until then every write has to look past them. Also met by no item at all. */
const NOT_EXPIRED: Clause = (e) =>
  `attribute_not_exists(${e.name(FIELD.expiresAt)}) OR ${e.name(FIELD.expiresAt)} > ${e.value(e.now)}`;

/** Protects against reviving what was deleted or has expired. */
const IS_LIVE: readonly Clause[] = [EXISTS, NO_TOMBSTONE, NOT_EXPIRED];

const IS_LIVE_OR_MISSING: readonly Clause[] = [NO_TOMBSTONE, NOT_EXPIRED];

/** Protects a live entry from a write that takes it for gone. */
const IS_DEAD: Clause = (e) =>
  `attribute_exists(${e.name(FIELD.dead)}) OR ${e.name(FIELD.expiresAt)} <= ${e.value(e.now)}`;

/** Protects what another writer created first. */
const NOTHING_LIVE: Clause = (e) => `attribute_not_exists(${e.name(FIELD.pk)}) OR ${IS_DEAD(e)}`;

/** Protects against writing over a change the writer has not seen. */
const VERSION_IS =
  (version: number): Clause =>
  (e) =>
    `${e.name(FIELD.version)} = ${e.value(version)}`;

/** Protects against acting on an entry that no longer says what the writer read in it. */
const ATTRIBUTE_EQUALS =
  (name: string, value: Scalar): Clause =>
  (e) =>
    `${e.name(attributeField(name))} = ${e.value(value)}`;

/** Protects against a second effect of a creation whose reply was lost, also after the entry was buried or has expired since. */
const NOT_CREATED_BY =
  (id: string): Clause =>
  (e) =>
    `attribute_not_exists(${e.name(FIELD.createdBy)}) OR ${e.name(FIELD.createdBy)} <> ${e.value(id)}`;

/** Protects against a second effect of an operation that was sent again, or arrives after its writer's next one. */
const NOT_YET_APPLIED =
  (slot: string, stamp: number): Clause =>
  (e) => {
    const field = e.name(slotFields(slot).stamp);
    return `attribute_not_exists(${field}) OR ${field} < ${e.value(stamp)}`;
  };

/** Protects against a second effect of an operation whose slot has been forgotten. */
const ABOVE_WATERMARK =
  (stamp: number): Clause =>
  (e) => {
    const field = e.name(FIELD.watermark);
    return `attribute_not_exists(${field}) OR ${field} < ${e.value(stamp)}`;
  };

/**
 * Protects a value of another kind from arithmetic, which the engine would answer with a validation error, and a sum from growing
 * past what its readers can hold.
 */
const IS_MISSING_OR_TAKES =
  ({ attribute, from }: NonNullable<Change["increment"]>): Clause =>
  (e) => {
    const field = e.name(attributeField(attribute));
    // Bounds of a number are met by no other kind of value.
    const fits = from
      ? `${field} BETWEEN ${e.value(from.min)} AND ${e.value(from.max)}`
      : `attribute_type(${field}, ${e.value("N")})`;
    return `attribute_not_exists(${field}) OR ${fits}`;
  };

/** Protects against a copy of nothing, which the engine would answer with a validation error. */
const HAS_ATTRIBUTE =
  (name: string): Clause =>
  (e) =>
    `attribute_exists(${e.name(attributeField(name))})`;

/** Protects an operation recorded since the slot was chosen to be forgotten. */
const SLOT_STILL_HOLDS =
  (slot: string, stamp: number): Clause =>
  (e) =>
    `${e.name(slotFields(slot).stamp)} = ${e.value(stamp)}`;

/** Protects against lowering the watermark, which would let forgotten operations in again. */
const WATERMARK_NOT_ABOVE =
  (watermark: number): Clause =>
  (e) => {
    const field = e.name(FIELD.watermark);
    return `attribute_not_exists(${field}) OR ${field} <= ${e.value(watermark)}`;
  };

/** Protects what a later holder of a lease wrote from one that was overtaken. */
const RISES =
  (name: string, value: number): Clause =>
  (e) => {
    const field = e.name(attributeField(name));
    return `attribute_not_exists(${field}) OR ${field} < ${e.value(value)}`;
  };

const equalsEach = (match: Attributes = {}): Clause[] =>
  Object.entries(match).map(([name, value]) => ATTRIBUTE_EQUALS(name, value));

export const createCondition = (e: StateExpression, { id }: CreateOptions): string =>
  all(e, [NOTHING_LIVE, NOT_CREATED_BY(id)]);

const APPLIES_ON: Readonly<Record<UpdateOptions["on"], readonly Clause[]>> = {
  live: IS_LIVE,
  "live-or-missing": IS_LIVE_OR_MISSING,
  dead: [IS_DEAD],
};

export function updateCondition(e: StateExpression, change: Change, options: UpdateOptions): string {
  const { on, operation, version, match, rising } = options;
  const clauses = [...APPLIES_ON[on]];
  if (version === 0) clauses.push(NOTHING_LIVE);
  else if (version !== undefined) clauses.push(...IS_LIVE, VERSION_IS(version));
  clauses.push(...equalsEach(match));
  if (rising) clauses.push(RISES(rising.attribute, rising.value));
  if (operation) clauses.push(NOT_YET_APPLIED(operation.slot, operation.stamp), ABOVE_WATERMARK(operation.stamp));
  if (change.increment && on !== "dead") clauses.push(IS_MISSING_OR_TAKES(change.increment));
  if (change.copy) clauses.push(HAS_ATTRIBUTE(change.copy.from));
  if (change.forget) {
    clauses.push(WATERMARK_NOT_ABOVE(change.forget.watermark));
    for (const [slot, stamp] of Object.entries(change.forget.slots)) clauses.push(SLOT_STILL_HOLDS(slot, stamp));
  }
  return all(e, clauses);
}

export function updateExpression(e: StateExpression, change: Change, { on, operation }: UpdateOptions): string {
  const set: string[] = [];
  const remove: string[] = [];
  const assign = (field: string, to: string) => set.push(`${e.name(field)} = ${to}`);
  const drop = (field: string) => remove.push(e.name(field));
  const revives = on === "dead";

  const version = `if_not_exists(${e.name(FIELD.version)}, ${e.value(0)}) + ${e.value(change.versions ?? 1)}`;
  assign(FIELD.version, version);
  for (const [name, value] of Object.entries(change.set ?? {})) assign(attributeField(name), e.value(value));
  for (const name of change.remove ?? []) drop(attributeField(name));
  let sum: string | undefined;
  if (change.increment) {
    const field = attributeField(change.increment.attribute);
    const by = e.value(change.increment.by);
    sum = revives ? by : `if_not_exists(${e.name(field)}, ${e.value(0)}) + ${by}`;
    assign(field, sum);
  }
  if (change.copy) assign(attributeField(change.copy.to), e.name(attributeField(change.copy.from)));
  if (change.bury) assign(FIELD.dead, e.value(true));
  else if (revives) drop(FIELD.dead);
  if (typeof change.expiresAt === "number") assign(FIELD.expiresAt, e.value(change.expiresAt));
  else if (change.expiresAtIfNone !== undefined) {
    const otherwise = e.value(change.expiresAtIfNone);
    assign(FIELD.expiresAt, revives ? otherwise : `if_not_exists(${e.name(FIELD.expiresAt)}, ${otherwise})`);
  } else if (change.expiresAt === null || revives) drop(FIELD.expiresAt);
  if (operation) {
    // Every right-hand side is computed from the item as it was, so the slot records exactly what the change made.
    const field = slotFields(operation.slot);
    assign(field.stamp, e.value(operation.stamp));
    assign(field.version, version);
    if (sum === undefined) drop(field.result);
    else assign(field.result, sum);
  }
  if (change.forget) {
    for (const slot of Object.keys(change.forget.slots)) Object.values(slotFields(slot)).forEach(drop);
    assign(FIELD.watermark, e.value(change.forget.watermark));
  }
  return `SET ${set.join(", ")}${remove.length === 0 ? "" : ` REMOVE ${remove.join(", ")}`}`;
}
