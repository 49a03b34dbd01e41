// How an entry lies in one flat DynamoDB item, and what such an item may hold. Every attribute name is chosen here.
// Knows nothing of clients, conditions or the AWS SDK, so that the memory store refuses exactly what DynamoDB refuses.
import { AppError } from "../errors.ts";
import type { Attributes, Change, Entry, Key, ListOptions, Slot, UpdateOptions } from "./state-store.ts";
import { TABLE_SHAPE } from "./table-shape.ts";

type Scalar = string | number | boolean;
export type StoredItem = Record<string, Scalar>;

/** The store's own attributes. No user attribute can meet them: those all begin with `a.`. */
export const FIELD = {
  pk: TABLE_SHAPE.partitionKey,
  sk: TABLE_SHAPE.sortKey,
  version: "v",
  /** The table's TTL attribute. */
  expiresAt: TABLE_SHAPE.ttl,
  /** Present on a tombstone only. */
  dead: "dead",
  createdBy: "op",
  watermark: "wm",
} as const;

export const attributeField = (name: string): string => `a.${name}`;

/** Flat, not a map of slots: SET of a nested path fails when the map, or the whole item, does not exist yet. */
export const slotFields = (slot: string) => ({ stamp: `s.${slot}`, version: `sv.${slot}`, result: `sr.${slot}` });

export const isExpired = (expiresAt: number | undefined, now: number): boolean =>
  expiresAt !== undefined && expiresAt <= now;

export function toItem(entry: Omit<Entry, "dead"> & { buried: boolean }): StoredItem {
  const fields: [string, Scalar][] = [
    [FIELD.pk, entry.key.pk],
    [FIELD.sk, entry.key.sk],
    [FIELD.version, entry.version],
  ];
  if (entry.expiresAt !== undefined) fields.push([FIELD.expiresAt, entry.expiresAt]);
  if (entry.buried) fields.push([FIELD.dead, true]);
  if (entry.createdBy !== undefined) fields.push([FIELD.createdBy, entry.createdBy]);
  if (entry.watermark !== 0) fields.push([FIELD.watermark, entry.watermark]);
  for (const [name, value] of Object.entries(entry.attributes)) fields.push([attributeField(name), value]);
  for (const [name, slot] of Object.entries(entry.slots)) {
    const field = slotFields(name);
    fields.push([field.stamp, slot.stamp], [field.version, slot.version]);
    if (slot.result !== undefined) fields.push([field.result, slot.result]);
  }
  return Object.fromEntries(fields);
}

/** `now` in epoch seconds decides whether the entry counts as dead. */
export function toEntry(item: StoredItem, now: number): Entry {
  const { buried, ...entry } = toStoredEntry(item);
  return { ...entry, dead: buried || isExpired(entry.expiresAt, now) };
}

/** The entry as it was written, dead or alive. */
export function toStoredEntry(item: StoredItem): Omit<Entry, "dead"> & { buried: boolean } {
  const attributes: [string, Scalar][] = [];
  const slots: [string, Slot][] = [];
  for (const [field, value] of Object.entries(item)) {
    if (field.startsWith("a.")) attributes.push([field.slice(2), value]);
    if (!field.startsWith("s.")) continue;
    const name = field.slice(2);
    const fields = slotFields(name);
    const slot = { stamp: Number(value), version: Number(item[fields.version]) };
    const result = item[fields.result];
    slots.push([name, result === undefined ? slot : { ...slot, result: Number(result) }]);
  }
  const expiresAt = item[FIELD.expiresAt] === undefined ? undefined : Number(item[FIELD.expiresAt]);
  const createdBy = item[FIELD.createdBy];
  return {
    key: { pk: String(item[FIELD.pk]), sk: String(item[FIELD.sk]) },
    // fromEntries, not assignment: an attribute may be called `__proto__`.
    attributes: Object.fromEntries(attributes),
    version: Number(item[FIELD.version]),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(createdBy === undefined ? {} : { createdBy: String(createdBy) }),
    slots: Object.fromEntries(slots),
    watermark: Number(item[FIELD.watermark] ?? 0),
    buried: item[FIELD.dead] !== undefined,
  };
}

/** DynamoDB's bound for one item: names and values together. */
const ENTRY_MAX_BYTES = 400 * 1024;
const MAX_PK_BYTES = 2048;
const MAX_SK_BYTES = 1024;

const utf8Bytes = (text: string): number => Buffer.byteLength(text, "utf8");

function scalarBytes(value: Scalar): number {
  if (typeof value === "string") return utf8Bytes(value);
  if (typeof value === "boolean") return 1;
  // Two decimal digits per byte, one byte for the exponent and one for the sign.
  return Math.ceil(value.toExponential().replace(/e.*|\D/g, "").length / 2) + 2;
}

function entryBytes(item: StoredItem): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(item)) bytes += utf8Bytes(name) + scalarBytes(value);
  return bytes;
}

export function tooLarge(bytes: number | undefined, cause?: unknown): AppError {
  const size = bytes === undefined ? "" : ` of ${bytes} bytes`;
  return new AppError(
    "too_large",
    `The entry${size} does not fit into one table item, which holds at most ${ENTRY_MAX_BYTES} bytes. Store less in it, or split it.`,
    { details: { max_bytes: ENTRY_MAX_BYTES }, cause },
  );
}

/** The item's size in bytes, when it fits. */
export function requireEntryFits(item: StoredItem): number {
  const bytes = entryBytes(item);
  if (bytes > ENTRY_MAX_BYTES) throw tooLarge(bytes);
  return bytes;
}

export function sumOutOfRange(cause?: unknown): AppError {
  return new AppError(
    "invalid_input",
    "The sum cannot be stored: it needs more than 38 digits, or its magnitude is outside 1e-130 to 1e126. Set the value instead.",
    { cause },
  );
}

// What follows refuses mistakes of the calling code, so it throws plain RangeErrors: nothing a user sends should get here.

function requireText(text: string, what: string): void {
  if (!text.isWellFormed()) throw new RangeError(`${what} holds half of a surrogate pair, which UTF-8 cannot carry.`);
}

function requireKeyPart(text: string, what: string, maxBytes: number): void {
  requireText(text, what);
  if (utf8Bytes(text) > maxBytes)
    throw new RangeError(`${what} has ${utf8Bytes(text)} bytes; at most ${maxBytes} fit.`);
}

export function requireKey(key: Key): void {
  if (key.pk === "" || key.sk === "") throw new RangeError("Neither part of a key may be empty.");
  requireKeyPart(key.pk, "The partition key", MAX_PK_BYTES);
  requireKeyPart(key.sk, "The sort key", MAX_SK_BYTES);
}

/** As many as one request reads, and none twice: the engine refuses that. */
export function requireKeys(keys: readonly Key[]): void {
  for (const key of keys) requireKey(key);
  if (keys.length < 1 || keys.length > 100)
    throw new RangeError(`${keys.length} keys are read at once; 1 to 100 can be.`);
  if (new Set(keys.map(({ pk, sk }) => JSON.stringify([pk, sk]))).size < keys.length)
    throw new RangeError("A key is read twice at once.");
}

export function requireListing(pk: string, { prefix = "", after = "", limit }: ListOptions): void {
  requireKeyPart(pk, "The partition key", MAX_PK_BYTES);
  requireKeyPart(prefix, "The prefix", MAX_SK_BYTES);
  requireKeyPart(after, "The sort key to continue after", MAX_SK_BYTES);
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new RangeError(`The limit is ${limit}; it must be a whole number from 1.`);
}

/** DynamoDB's numbers: 38 digits (a double has 17), 1e-130 up to, not including, 1e126, and no negative zero. */
export function isStorableNumber(value: number): boolean {
  if (value === 0) return !Object.is(value, -0);
  return Number.isFinite(value) && Math.abs(value) >= 1e-130 && Math.abs(value) < 1e126;
}

function requireNumber(value: number, what: string): void {
  if (isStorableNumber(value)) return;
  const given = Object.is(value, -0) ? "-0" : String(value);
  throw new RangeError(`${what} is ${given}; a number must be 0 or between 1e-130 and 1e126 in magnitude.`);
}

export function requireAttributes(attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    requireText(name, "An attribute's name");
    if (typeof value === "string") requireText(value, `The attribute "${name}"`);
    else if (typeof value === "number") requireNumber(value, `The attribute "${name}"`);
    else if (typeof value !== "boolean")
      throw new RangeError(`The attribute "${name}" is neither text, number nor boolean.`);
  }
}

export function requireEpochSeconds(expiresAt: number | null | undefined): void {
  if (expiresAt === undefined || expiresAt === null || (Number.isSafeInteger(expiresAt) && expiresAt >= 0)) return;
  throw new RangeError(`expiresAt is ${expiresAt}; it must be whole epoch seconds.`);
}

/** One update writes each place once: an attribute or slot named twice has no defined outcome. */
export function requireChange(change: Change, options: UpdateOptions): void {
  requireAttributes(change.set ?? {});
  requireAttributes(options.match ?? {});
  requireEpochSeconds(change.expiresAt);
  requireEpochSeconds(change.expiresAtIfNone);
  if (change.expiresAt !== undefined && change.expiresAtIfNone !== undefined)
    throw new RangeError("expiresAt and expiresAtIfNone exclude each other.");
  if (change.increment) requireNumber(change.increment.by, "The increment");
  if (options.operation && !(options.operation.stamp > 0))
    throw new RangeError("An operation's stamp must be above 0.");
  const names = [...Object.keys(change.set ?? {}), ...(change.remove ?? [])];
  if (change.increment) names.push(change.increment.attribute);
  if (change.copy) names.push(change.copy.to);
  if (new Set(names).size !== names.length)
    throw new RangeError(`A change names one attribute twice: ${names.join(", ")}.`);
  if (change.bury && (change.set || change.increment || change.copy))
    throw new RangeError("A burial leaves no attributes: set, increment and copy have no place in it.");
  if (change.versions === 0 && options.on !== "live" && !change.bury)
    throw new RangeError(
      "A change that may bring an entry to life counts as a version: version 0 means that none lives.",
    );
  if (options.operation && Object.hasOwn(change.forget?.slots ?? {}, options.operation.slot))
    throw new RangeError("An operation cannot forget its own slot.");
}
