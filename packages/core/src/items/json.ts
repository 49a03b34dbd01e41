// Tagged JSON to DynamoDB's attribute values and back, without loss: what cannot be kept is refused. Pure; knows no table.
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { AppError } from "../errors.ts";
import { type Decimal, decimalOf, sameDecimal } from "../json.ts";
import { byteLength, cutText } from "../text.ts";

export type Attributes = Record<string, AttributeValue>;

/** DynamoDB's own bounds. */
const NESTING_MAX = 32;
const NUMBER_MAX_DIGITS = 38;
const NUMBER_MAX_LENGTH = 400;
const NUMBER_EXPONENTS = { min: -130, max: 125 };
const NAME_MAX_BYTES = 65_535;

/** DynamoDB's own bound. */
const ITEM_MAX_BYTES = 409_600;
/** From here on programs in JavaScript, such as most MCP hosts, write numbers with an exponent: no identifiers. */
const EXPONENT_FROM = 1e21;

/** Refuses what a caller sent under `field`, which may be a path such as `item.address`. */
export function refuse(field: string, why: string): never {
  throw new AppError("invalid_input", `${field}: ${why}`, { details: { field: /^[^.[]*/.exec(field)?.[0] ?? field } });
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** An object's members as attributes. @throws AppError `invalid_input` */
export function toAttributes(value: unknown, field: string): Attributes {
  if (!isObject(value)) return refuse(field, "it must be a JSON object of attribute names and values.");
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      const name = toName(key, field);
      if (name === "") return refuse(field, "an attribute's name must not be empty.");
      return [name, toAttribute(member, `${field}.${key}`)];
    }),
  );
}

export const fromAttributes = (attributes: Attributes): Record<string, unknown> =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [fromName(name), fromAttribute(value)]));

/** The attribute name that a JSON key means. */
export function toName(key: string, field: string): string {
  if (key.startsWith("$") && !key.startsWith("$$"))
    return refuse(
      field,
      `"${cutText(key, 100)}" is no type tag here ($number, $binary, $set, alone in their object). A name that begins with $ is written with two: "$${cutText(key, 100)}".`,
    );
  return checkedName(key.startsWith("$") ? key.slice(1) : key, field);
}

export const fromName = (name: string): string => (name.startsWith("$") ? `$${name}` : name);

export function checkedName(name: string, field: string): string {
  // The AWS SDK and some engines lose this one without a word.
  if (name === "__proto__") return refuse(field, 'the attribute name "__proto__" cannot be stored.');
  if (!name.isWellFormed()) return refuse(field, "an attribute's name holds half of a surrogate pair.");
  if (byteLength(name) > NAME_MAX_BYTES)
    return refuse(field, `an attribute's name is longer than ${NAME_MAX_BYTES} bytes.`);
  return name;
}

export function toAttribute(value: unknown, field: string, depth = 1): AttributeValue {
  if (depth > NESTING_MAX + 1) return refuse(cutText(field, 200), `DynamoDB nests at most ${NESTING_MAX} levels.`);
  if (value === null) return { NULL: true };
  if (typeof value === "boolean") return { BOOL: value };
  if (typeof value === "number") return { N: checkedNumber(plainNumber(value, field), field) };
  if (typeof value === "string")
    return value.isWellFormed() ? { S: value } : refuse(field, "the text holds half of a surrogate pair.");
  if (Array.isArray(value))
    return { L: value.map((member, index) => toAttribute(member, `${field}[${index}]`, depth + 1)) };
  if (!isObject(value)) return refuse(field, "it is not JSON.");
  const entries = Object.entries(value);
  const [key, tagged] = entries[0] ?? [];
  if (entries.length === 1 && key === "$number")
    return { N: typeof tagged === "string" ? checkedNumber(tagged, field) : refuse(field, "$number holds a text.") };
  if (entries.length === 1 && key === "$binary") return { B: toBytes(tagged, field) };
  if (entries.length === 1 && key === "$set") return toSet(tagged, field);
  return {
    M: Object.fromEntries(
      entries.map(([name, member]) => [toName(name, field), toAttribute(member, `${field}.${name}`, depth + 1)]),
    ),
  };
}

export function fromAttribute(value: AttributeValue): unknown {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return fromNumber(value.N);
  if (value.BOOL !== undefined) return value.BOOL;
  if (value.NULL !== undefined) return null;
  if (value.L !== undefined) return value.L.map(fromAttribute);
  if (value.M !== undefined) return fromAttributes(value.M);
  if (value.B !== undefined) return { $binary: toBase64(value.B) };
  if (value.SS !== undefined) return { $set: value.SS };
  if (value.NS !== undefined) return { $set: value.NS.map(fromNumber) };
  if (value.BS !== undefined) return { $set: value.BS.map((bytes) => ({ $binary: toBase64(bytes) })) };
  throw new TypeError("DynamoDB answered with a type of value that did not exist when this was written.");
}

/**
 * A whole number beyond 2^53 may have been rounded by a program before this one, and would then name another item: its digits
 * are asked for as text.
 */
function plainNumber(value: number, field: string): string {
  if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < EXPONENT_FROM)
    return refuse(
      field,
      `the whole number ${value} is beyond ${Number.MAX_SAFE_INTEGER}, where JSON numbers lose digits on their way; give all its digits as {"$number": "…"}.`,
    );
  return String(value);
}

function checkedNumber(text: string, field: string): string {
  const number = text.length > NUMBER_MAX_LENGTH ? undefined : decimalOf(text);
  if (!number) return refuse(field, `${JSON.stringify(cutText(text, 60))} is not a decimal number.`);
  const { digits, exponent } = number;
  if (digits === "") return "0";
  if (digits.length > NUMBER_MAX_DIGITS)
    return refuse(field, `a number has at most ${NUMBER_MAX_DIGITS} significant digits; store it as text.`);
  const magnitude = exponent + digits.length - 1;
  if (magnitude < NUMBER_EXPONENTS.min || magnitude > NUMBER_EXPONENTS.max)
    return refuse(field, "DynamoDB's numbers reach from 1e-130 to 9.99…e125 (and 0); store it as text.");
  return text;
}

const numberId = (text: string): string => {
  const { negative, digits, exponent }: Decimal = decimalOf(text) ?? { negative: false, digits: text, exponent: 0 };
  return `${negative ? "-" : ""}${digits}e${exponent}`;
};

/** A plain JSON number where every program reads that as the same one. */
function fromNumber(text: string): number | { $number: string } {
  const number = Number(text);
  const isPlain = Number.isSafeInteger(number) || !Number.isInteger(number) || Math.abs(number) >= EXPONENT_FROM;
  return isPlain && sameDecimal(String(number), text) ? number || 0 : { $number: text };
}

function toBytes(value: unknown, field: string): Uint8Array {
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : undefined;
  // Buffer skips what is not base64 instead of refusing it.
  if (!bytes || bytes.toString("base64") !== value) return refuse(field, "$binary holds base64 text with padding.");
  return bytes;
}

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

function toSet(value: unknown, field: string): AttributeValue {
  if (!Array.isArray(value) || value.length === 0) return refuse(field, "$set holds a list with at least one member.");
  const members = value.map((member, index) => toAttribute(member, `${field}[${index}]`));
  const once = (ids: readonly string[]) =>
    new Set(ids).size === ids.length || refuse(field, "a set holds each member once.");
  const SS = members.flatMap((member) => member.S ?? []);
  const NS = members.flatMap((member) => member.N ?? []);
  const BS = members.flatMap((member) => (member.B === undefined ? [] : [member.B]));
  if (SS.length === members.length && once(SS)) return { SS };
  if (NS.length === members.length && once(NS.map(numberId))) return { NS };
  if (BS.length === members.length && once(BS.map(toBase64))) return { BS };
  return refuse(field, "the members of a set are all texts, all numbers, or all $binary.");
}

/** Bytes of an item as DynamoDB counts them, to within a few per number. */
export const itemBytes = (item: Attributes): number =>
  Object.entries(item).reduce((sum, [name, value]) => sum + byteLength(name) + valueBytes(value), 0);

export function valueBytes(value: AttributeValue): number {
  if (value.S !== undefined) return byteLength(value.S);
  if (value.N !== undefined) return Math.ceil((decimalOf(value.N)?.digits.length ?? 0) / 2) + 1;
  if (value.B !== undefined) return value.B.length;
  if (value.L !== undefined) return value.L.reduce((sum, member) => sum + 1 + valueBytes(member), 3);
  if (value.M !== undefined) return Object.keys(value.M).length + 3 + itemBytes(value.M);
  if (value.SS !== undefined) return value.SS.reduce((sum, text) => sum + byteLength(text), 0);
  if (value.NS !== undefined) return value.NS.reduce((sum, text) => sum + valueBytes({ N: text }), 0);
  if (value.BS !== undefined) return value.BS.reduce((sum, bytes) => sum + bytes.length, 0);
  return 1;
}

/** @throws AppError `too_large` for more than DynamoDB keeps in one item. */
export function requireItemFits(item: Attributes, field: string): void {
  const bytes = itemBytes(item);
  if (bytes > ITEM_MAX_BYTES)
    throw new AppError(
      "too_large",
      `${field}: it has ${bytes} bytes; DynamoDB keeps at most ${ITEM_MAX_BYTES} in one item. Split it into several.`,
      { details: { field } },
    );
}

const isText = (value: unknown): value is string => typeof value === "string";
const TYPED_FORMS: Readonly<Record<string, (value: unknown) => unknown>> = {
  S: (value) => (isText(value) ? cutText(value, 60) : undefined),
  N: (value) => (isText(value) && decimalOf(value) ? { $number: cutText(value, 60) } : undefined),
  B: (value) => (isText(value) ? { $binary: cutText(value, 60) } : undefined),
  BOOL: (value) => (typeof value === "boolean" ? value : undefined),
  NULL: (value) => (value === true ? null : undefined),
  SS: (value) => (Array.isArray(value) && value.every(isText) ? { $set: ["…"] } : undefined),
  NS: (value) => (Array.isArray(value) && value.every(isText) ? { $set: [1] } : undefined),
  BS: (value) => (Array.isArray(value) && value.every(isText) ? { $set: [{ $binary: "…" }] } : undefined),
  L: (value) => (Array.isArray(value) && value.every((one) => typedForm(one) !== undefined) ? ["…"] : undefined),
  M: (value) =>
    isObject(value) && Object.values(value).every((one) => typedForm(one) !== undefined) ? { name: "…" } : undefined,
};

/** How a value in the form of DynamoDB's API, such as `{"S": "a"}`, is written here; undefined: it is in no such form. */
export function typedForm(value: unknown): string | undefined {
  if (!isObject(value)) return undefined;
  const [[type, member] = ["", undefined], ...more] = Object.entries(value);
  if (more.length > 0 || !Object.hasOwn(TYPED_FORMS, type)) return undefined;
  const plain = TYPED_FORMS[type]?.(member);
  if (plain === undefined) return undefined;
  const number = isObject(plain) && isText(plain.$number) ? Number(plain.$number) : undefined;
  return JSON.stringify(number !== undefined && Number.isSafeInteger(number) ? number : plain);
}
