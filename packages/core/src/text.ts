// Text and JSON as bytes and bounds see them: length in UTF-8, depth of nesting, one spelling for equal JSON. Knows no limit itself.

const encoder = new TextEncoder();
/** Length in UTF-8 bytes. */
export const byteLength = (text: string): number => encoder.encode(text).length;

/**
 * UTF-8 bytes of a value in an answer. Over MCP it is there twice: as structured content, and as text for clients that read no other,
 * in which the quotes and control characters of its JSON are escaped once more. This is the length of the longer one, the text.
 */
export const sentBytes = (value: unknown): number => byteLength(JSON.stringify(JSON.stringify(value)));

/** Whether JSON nests deeper than that. Iterative, so that hostile nesting cannot exhaust the stack. */
export function nestsDeeperThan(value: unknown, levels: number): boolean {
  let row: unknown[] = [value];
  for (let level = 0; row.length > 0; level++) {
    const next: unknown[] = [];
    for (const item of row) {
      if (item === null || typeof item !== "object") continue;
      if (level >= levels) return true;
      for (const child of Object.values(item)) if (child !== null && typeof child === "object") next.push(child);
    }
    row = next;
  }
  return false;
}

/** JSON with object keys in order, so that equal arguments have equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    // Entries rather than assignment: a key named __proto__ must stay a key.
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** At most `maxLength` UTF-16 units from the beginning, and never half of a character beyond U+FFFF. */
export function cutText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const last = text.charCodeAt(maxLength - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxLength - 1 : maxLength);
}

/** Where the character begins that stands at this place: one beyond U+FFFF has two UTF-16 units. */
export function startOfCharacter(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return at > 0 && code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}

/** More combining marks behind each other than any language has: the bound of Unicode's Stream-Safe Text Format (UAX #15). */
const TOO_MANY_MARKS = /\p{M}{31}/u;

/**
 * A text in the composed spelling (NFC), so that two that look alike are one. Unicode sorts the marks of one character, which takes as
 * long as the square of their number: 120,000 of them would hold the process for 16 s. So a text with more than 30 in a row stays as it is.
 */
export const composed = (text: string): string => (TOO_MANY_MARKS.test(text) ? text : text.normalize("NFC"));

/** People and flags are emoji joined by characters that are invisible by themselves. */
const JOINED_EMOJI = /(?<=\p{Extended_Pictographic}\uFE0F?\p{Emoji_Modifier}?)\u200D(?=\p{Extended_Pictographic})/gu;

/** Whether a name holds what a person cannot see: controls, zero-width characters, marks of direction. */
export const hasInvisible = (name: string): boolean =>
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name.replace(JOINED_EMOJI, ""));
