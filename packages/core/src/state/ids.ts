// Ids that cannot be guessed: a prefix and 26 characters of Crockford base 32, which is 130 bits. Knows not what they name.
import { createHash, randomBytes } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const FORM = /^[a-z]+_[0-9a-hjkmnp-tv-z]{26}$/;

/** Random, or derived from a secret seed: the same seed gives the same id again. */
export function mintId(prefix: `${string}_`, seed?: string): string {
  const bytes = seed === undefined ? randomBytes(26) : createHash("sha256").update(seed).digest();
  return prefix + Array.from(bytes.subarray(0, 26), (byte) => ALPHABET[byte & 31]).join("");
}

/** Whether it can have been minted: anything else need not be looked for. */
export const isMinted = (prefix: `${string}_`, id: string): boolean => id.startsWith(prefix) && FORM.test(id);
