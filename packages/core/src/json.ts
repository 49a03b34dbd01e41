// JSON text to values, so that no number and no text silently becomes another on the way. The one reader of every door: HTTP
// bodies, lines on stdin. Knows no transport and no tool.
import { AppError } from "./errors.ts";
import { NESTING_MAX_LEVELS } from "./limits.ts";

/** How many bytes a value has as JSON; 0 for what JSON cannot say, such as undefined. */
export const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? "");

/** Stands in parsed JSON where a number stood that a double cannot hold. `callTool` refuses it and says where it was. */
export class LongNumber {
  /** The number as it was sent. */
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

/**
 * Parses JSON; a number that `JSON.parse` would round becomes a `LongNumber`.
 * `what` begins the sentence of a refusal, such as "The request body".
 * @throws AppError `invalid_input` for text that is not JSON or nests deeper than `NESTING_MAX_LEVELS`.
 */
export function parseJson(text: string, what = "The request body"): unknown {
  // Before it is parsed: a text of nothing but brackets costs the parser a hundred times what it costs to count them.
  if (textNestsDeeperThan(text, NESTING_MAX_LEVELS))
    throw new AppError("invalid_input", `${what} nests deeper than ${NESTING_MAX_LEVELS} levels.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AppError("invalid_input", `${what} is not valid JSON.`);
  }
  if (!mayHoldLongNumber(text)) return value;
  // To say where the number stands, each member of the text goes through a function: too much for a long one.
  if (text.length <= REVIVED_MAX_LENGTH) return JSON.parse(text, keepLongNumber) as unknown;
  const long = longNumberIn(text);
  if (long === undefined) return value;
  throw new AppError("invalid_input", `${what}: ${longNumberRefusal(new LongNumber(long))}.`);
}

const REVIVED_MAX_LENGTH = 65_536;

/** Whether more brackets and braces are open at once, outside of strings, than levels are allowed. */
function textNestsDeeperThan(text: string, levels: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
    } else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > levels) return true;
    } else if (code === 0x5d || code === 0x7d) {
      depth -= 1;
    }
  }
  return false;
}

/** The first number of a JSON text, outside of strings, that `JSON.parse` would round. */
function longNumberIn(text: string): string | undefined {
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    NUMBER_HERE.lastIndex = at;
    const [source] = NUMBER_HERE.exec(text) ?? [];
    if (source === undefined) continue;
    if (!isExact(source, Number(source))) return source;
    at += source.length - 1;
  }
  return undefined;
}

const NUMBER_HERE = /-?\d[\d.eE+-]*/y;
const QUOTE = 0x22;

/** Where the string that begins here ends: its closing quote, or the end of a text that has none. */
function endOfString(text: string, begin: number): number {
  for (let at = text.indexOf('"', begin + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes += 1;
    if (slashes % 2 === 0) return at;
  }
  return text.length;
}

const HUGE_EXPONENT = /\d[eE][+-]?\d{3}/;
const DIGIT_STRIDE = 8;

/**
 * Whether a number in this text has more than 15 digits or an exponent of three: no other is ever rounded. Looks at every
 * eighth character, two of which lie in any such number, so that ordinary text costs next to nothing. Digits in strings count too:
 * then the text is read a second time, which is slower and changes nothing.
 */
function mayHoldLongNumber(text: string): boolean {
  let before = false;
  for (let at = 0; at < text.length; at += DIGIT_STRIDE) {
    const here = isOfNumber(text.charCodeAt(at));
    if (here && before && areOfNumber(text, at - DIGIT_STRIDE, at)) return true;
    before = here;
  }
  return HUGE_EXPONENT.test(text);
}

/** A digit or a point. */
const isOfNumber = (code: number): boolean => (code >= 48 && code <= 57) || code === 46;

function areOfNumber(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (!isOfNumber(text.charCodeAt(at))) return false;
  return true;
}

function keepLongNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  return typeof value === "number" && source !== undefined && !isExact(source, value) ? new LongNumber(source) : value;
}

const isExact = (source: string, value: number): boolean => {
  const shortest = String(value);
  return source === shortest || sameDecimal(source, shortest);
};

/** A decimal number: its digits without zeros at either end, and the power of ten they are multiplied by. */
export interface Decimal {
  readonly negative: boolean;
  /** Empty for zero. */
  readonly digits: string;
  readonly exponent: number;
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Reads a number as JSON writes it; undefined: it is none. */
export function decimalOf(text: string): Decimal | undefined {
  const [, sign = "", whole = "", fraction = "", power = "0"] = NUMBER.exec(text) ?? [];
  if (whole === "") return undefined;
  const all = whole + fraction;
  let start = 0;
  while (all[start] === "0") start++;
  let end = all.length;
  while (end > start && all[end - 1] === "0") end--;
  if (start === end) return { negative: false, digits: "", exponent: 0 };
  return {
    negative: sign === "-",
    digits: all.slice(start, end),
    exponent: Number(power) - fraction.length + all.length - end,
  };
}

/** Whether two texts are numbers and mean the same one. */
export function sameDecimal(a: string, b: string): boolean {
  const [left, right] = [decimalOf(a), decimalOf(b)];
  return (
    left !== undefined &&
    right !== undefined &&
    left.digits === right.digits &&
    left.exponent === right.exponent &&
    left.negative === right.negative
  );
}

/** What makes arguments unusable, and where: `["item", "lines", 0]`. */
export interface JsonFault {
  readonly path: readonly (string | number)[];
  readonly why: string;
}

/** A list or an object on the way, and where it lies: a path is only made of that when there is a fault to tell. */
interface Place {
  readonly value: object;
  readonly name: string | number;
  readonly parent: Place | undefined;
}

/** The first thing in a value that cannot be carried exactly: a `LongNumber`, or text or a name with half a surrogate pair. */
export function findJsonFault(value: unknown): JsonFault | undefined {
  const places: Place[] = [];
  const enter = (member: unknown, name: string | number, parent?: Place): JsonFault | undefined => {
    if (typeof member === "string") return member.isWellFormed() ? undefined : faultAt(HALF_A_TEXT, parent, name);
    if (member instanceof LongNumber) return faultAt(longNumberRefusal(member), parent, name);
    if (typeof member === "object" && member !== null) places.push({ value: member, name, parent });
    return undefined;
  };
  let fault = enter(value, "");
  for (let place = places.pop(); place && !fault; place = places.pop()) {
    const { value: row, parent, name: own } = place;
    if (Array.isArray(row)) {
      for (let at = 0; at < row.length && !fault; at++) fault = enter(row[at], at, place);
      continue;
    }
    for (const name of Object.keys(row)) {
      fault = name.isWellFormed()
        ? enter((row as Record<string, unknown>)[name], name, place)
        : faultAt("a name in it holds half of a surrogate pair", parent, own);
      if (fault) break;
    }
  }
  return fault;
}

const HALF_A_TEXT = "the text holds half of a surrogate pair: it is not valid Unicode";

/** `parent` is undefined for the value itself, which has no name. */
function faultAt(why: string, parent: Place | undefined, name: string | number): JsonFault {
  const path: (string | number)[] = [];
  let at: string | number = name;
  for (let place = parent; place; place = place.parent) {
    path.unshift(at);
    at = place.name;
  }
  return { path, why };
}

const longNumberRefusal = ({ source }: LongNumber): string => {
  const shown = source.length > 60 ? `${source.slice(0, 60)}…` : source;
  return `the number ${shown} would be rounded, because JSON numbers keep about 16 digits up to 1.8e308; send it as text, or in an item as {"$number": ${JSON.stringify(shown)}}`;
};

/** The same value with every half surrogate pair replaced by U+FFFD: what leaves here must be text that every client can read. */
export function toWellFormedJson<T>(value: T): T {
  if (!findJsonFault(value)) return value;
  // JSON.stringify writes half a pair as an escape, in names as in texts, and a whole one as it is.
  const text = JSON.stringify(value).replace(/\\(?:ud[89a-f][0-9a-f]{2}|.)/g, (written) =>
    written.length === 6 ? "\\ufffd" : written,
  );
  return JSON.parse(text) as T;
}
