// The kinds of settings: what each accepts, how it is read, and how it is described. Knows no setting by name.
import { isIP } from "node:net";
import type { ItemMode } from "../items/item-store.ts";

export type Unit = "seconds" | "milliseconds" | "bytes";

export interface Setting<T> {
  readonly name: string;
  /** Another name for the same thing, from systems people come from. */
  readonly alias?: string;
  /** What is allowed, as it stands in the table of settings and after "expected" in an error. */
  readonly allowed: string;
  readonly unit?: Unit;
  /** Written as a user would write it; read by `parse` like any other value. */
  readonly default?: string;
  /** What the table of settings shows as the default where that is not one fixed value. */
  readonly defaultText?: string;
  /** Its value appears in no message and no log. */
  readonly secret?: true;
  /** Other programs use the name, too: a value of theirs need not stop a server that a client has started. */
  readonly generic?: true;
  readonly description: string;
  /** Undefined: not an allowed value. */
  readonly parse: (text: string) => T | undefined;
}

export interface SettingText {
  readonly description: string;
  readonly alias?: string;
  readonly unit?: Unit;
  readonly defaultText?: string;
  readonly secret?: true;
  readonly generic?: true;
}

/** A variable with a default always has a value; one without may be undefined. */
export type Read<V> = V extends Setting<infer T> ? (V extends { readonly default: string } ? T : T | undefined) : never;

export const text = (name: string, described: SettingText & { allowed?: string }): Setting<string> => ({
  name,
  allowed: described.allowed ?? "text",
  parse: (value) => value,
  ...described,
});

export const choice = <const T extends string>(
  name: string,
  choices: readonly T[],
  described: SettingText,
): Setting<T> => ({
  name,
  allowed: choices.join(", "),
  parse: (value) => choices.find((candidate) => candidate === value.toLowerCase()),
  ...described,
});

export const flag = (name: string, described: SettingText): Setting<boolean> => ({
  name,
  allowed: "on, off",
  parse: (value) => ({ on: true, off: false })[value.toLowerCase()],
  ...described,
});

export const names = (name: string, described: SettingText & { allowed: string }): Setting<readonly string[]> => ({
  name,
  parse: (value) =>
    value
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  ...described,
});

const TABLE_NAME = /^[A-Za-z0-9_.-]{3,255}$/;

export const tableName = (name: string, described: SettingText): Setting<string> => ({
  name,
  allowed: "a DynamoDB table name (3 to 255 letters, digits, `_`, `-`, `.`)",
  parse: (value) => (TABLE_NAME.test(value) ? value : undefined),
  ...described,
});

export const tableNames = (name: string, described: SettingText): Setting<readonly string[]> => ({
  name,
  allowed: "comma-separated DynamoDB table names",
  parse: (value) => {
    const parts = value === "" ? [] : value.split(",").map((part) => part.trim());
    return parts.every((part) => TABLE_NAME.test(part)) ? [...new Set(parts)] : undefined;
  },
  ...described,
});

const MODES: Readonly<Record<string, ItemMode>> = { ro: "read-only", rw: "read-write" };

export const itemModes = (name: string, described: SettingText): Setting<ReadonlyMap<string, ItemMode>> => ({
  name,
  allowed: "comma-separated `table:ro` or `table:rw`",
  parse: (value) => {
    const modes = new Map<string, ItemMode>();
    for (const part of value === "" ? [] : value.split(",")) {
      const [table = "", letters = "", ...more] = part.trim().split(":");
      const mode = Object.hasOwn(MODES, letters.toLowerCase()) ? MODES[letters.toLowerCase()] : undefined;
      if (!mode || more.length > 0 || modes.has(table) || !TABLE_NAME.test(table)) return undefined;
      modes.set(table, mode);
    }
    return modes;
  },
  ...described,
});

export const integer = (
  name: string,
  min: number,
  max: number,
  described: SettingText & { orZero?: "never" },
): Setting<number> => ({
  name,
  allowed: `${described.orZero === undefined ? "" : `0 (${described.orZero}) or `}a whole number from ${min} to ${max}`,
  parse: (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return (number >= min && number <= max) || (number === 0 && described.orZero !== undefined) ? number : undefined;
  },
  ...described,
});

const HOST_NAME = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/;

export const hostNames = (name: string, described: SettingText): Setting<readonly string[]> => ({
  name,
  allowed: "comma-separated host names without scheme or port, such as app.example",
  parse: (value) => {
    const parts = value === "" ? [] : value.split(",").map((part) => part.trim().toLowerCase());
    return parts.every((part) => HOST_NAME.test(part)) ? parts : undefined;
  },
  ...described,
});

/** `address` or `address/bits`. */
function isNetwork(part: string): boolean {
  const [address = "", bits, ...more] = part.split("/");
  const most = isIP(address) === 4 ? 32 : 128;
  return more.length === 0 && isIP(address) !== 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && +bits <= most));
}

export const networks = (name: string, described: SettingText): Setting<readonly string[]> => ({
  name,
  allowed: "comma-separated IP addresses or networks, such as 10.0.0.0/8",
  parse: (value) => {
    const parts = value === "" ? [] : value.split(",").map((part) => part.trim());
    return parts.every(isNetwork) ? parts : undefined;
  },
  ...described,
});

export const origins = (name: string, described: SettingText): Setting<readonly string[]> => ({
  name,
  allowed: "comma-separated origins with scheme, host and port, such as https://app.example",
  parse: (value) => {
    const parts = value === "" ? [] : value.split(",").map((part) => part.trim());
    return parts.every((part) => URL.canParse(part) && new URL(part).origin === part) ? parts : undefined;
  },
  ...described,
});

export const url = (name: string, described: SettingText): Setting<string> => ({
  name,
  allowed: "an http:// or https:// URL",
  parse: (value) => (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) ? value : undefined),
  ...described,
});

/** Gives a variable the default that applies when it is not set. */
export const withDefault = <T>(value: string, variable: Setting<T>): Setting<T> & { readonly default: string } => ({
  ...variable,
  default: value,
});
