// Cursors: opaque to the caller, checked on return, and never a key. They hold a position inside a list whose partition comes
// from the caller's own principal, so a tampered one is refused or lands in the caller's own list.
import { AppError } from "../errors.ts";

export function encodeCursor(parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** Throws `invalid_input` unless the cursor holds exactly these types in this order. */
export function decodeCursor<const T extends readonly ("string" | "number")[]>(
  cursor: string,
  types: T,
): { [K in keyof T]: T[K] extends "string" ? string : number } {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    throw badCursor();
  }
  const fits =
    Array.isArray(parts) &&
    parts.length === types.length &&
    parts.every(
      (part, i) =>
        typeof part === types[i] &&
        (typeof part === "number" ? Number.isSafeInteger(part) && part >= 0 : String(part).isWellFormed()),
    );
  if (!fits) throw badCursor();
  return parts as never;
}

export const badCursor = (): AppError =>
  new AppError("invalid_input", "cursor is not one that this list returned. Leave it out to start from the beginning.");
