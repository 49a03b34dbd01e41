// Shapes of parsed JSON that the short ways ask for: an object with known members and no other, an id, a tool's name. Knows no message.

/** Members of a request. */
export const MESSAGE_KEYS = new Set(["jsonrpc", "id", "method", "params"]);
/** Parameters of a list. */
export const LIST_KEYS = new Set(["_meta"]);
/** Parameters of a tool's call. */
export const CALL_KEYS = new Set(["name", "arguments", "_meta"]);
export const TOOL_NAME = /^[A-Za-z0-9_.-]{1,128}$/;

/** An object without members. */
export const isBare = (value: unknown): boolean => isObject(value) && Object.keys(value).length === 0;
export const isPlainId = (id: unknown): id is string | number => typeof id === "string" || Number.isSafeInteger(id);
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

export function hasOnly(value: Record<string, unknown>, known: ReadonlySet<string>): boolean {
  for (const key of Object.keys(value)) if (!known.has(key)) return false;
  return true;
}
