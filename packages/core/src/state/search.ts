// Finds text in what a caller's sessions hold, a bounded part per call: the caller is told how far it came, and goes on from there.
// Knows how notes and values are kept, and nothing of who asks.
import { AppError } from "../errors.ts";
import { PAGE_MAX_BYTES, SORT_KEY_MAX_BYTES } from "../limits.ts";
import type { Entry, StateStore } from "../stores/state-store.ts";
import { byteLength, composed, cutText, sentBytes, startOfCharacter } from "../text.ts";
import { textAtHand } from "./blobs.ts";
import { badCursor, decodeCursor, encodeCursor } from "./cursor.ts";
import { notesPrefix, sessionPartition, valueNameOf, valuesPrefix } from "./keys.ts";
import { noteIdAt } from "./notes.ts";
import type { Session } from "./sessions.ts";

/** What one call reads at most: about 250 read units of DynamoDB. */
const SEARCHED_MAX_BYTES = 1_000_000;
const PAGE_ENTRIES = 200;
/** What an entry counts beside its text: its key and what it says of who wrote it. */
const BESIDE_TEXT_BYTES = 200;
/** What a request for a page counts as, also one that finds nothing: what DynamoDB charges for at least. */
const PAGE_MIN_BYTES = 4_096;
/** Characters that a hit shows before and after what was found. */
const AROUND_LENGTH = 100;

/** Where a text was found. `noteId` or `key` says in what. */
export interface Hit {
  readonly session: string;
  readonly noteId?: string;
  readonly key?: string;
  /** What was found, with what stands around it. */
  readonly text: string;
}

export interface SearchPage {
  readonly hits: readonly Hit[];
  /** How much this call looked at. `apart`: values too large for the table, of which only the key was looked at. */
  readonly searched: { readonly notes: number; readonly values: number; readonly apart: number };
  readonly nextCursor?: string;
}

/** The part of an entry that is searched, and how a hit in it is named. */
interface Searchable {
  readonly text: string;
  readonly named: { readonly noteId: string } | { readonly key: string };
}

/** Looks alike, is alike: case and the two spellings of accents make no difference. */
const folded = (text: string): string => composed(text).toLowerCase();

/**
 * Searches sessions in the order of their ids, in each first its notes, then its values, until there are `limit` hits or about 1 MB has
 * been read. @throws AppError `invalid_input` for an empty query or a cursor of another search.
 */
export async function searchSessions(
  store: StateStore,
  sessions: readonly { readonly owner: string; readonly session: Session }[],
  options: { query: string; limit: number; cursor?: string | undefined },
): Promise<SearchPage> {
  const { limit, cursor } = options;
  const query = folded(options.query.trim());
  if (query === "") throw new AppError("invalid_input", "query is empty. Give a text to look for.");
  const inNotes = query;
  // As it stands in JSON text, where quotes and line breaks are escaped.
  const inValues = JSON.stringify(query).slice(1, -1);
  const [fromId, fromKey] = cursor === undefined ? ["", ""] : decodeCursor(cursor, ["string", "string"]);
  // No key is longer, and a store refuses to look for one.
  if (byteLength(fromKey) > SORT_KEY_MAX_BYTES) throw badCursor();
  const hits: Hit[] = [];
  const searched = { notes: 0, values: 0, apart: 0 };
  let read = 0;
  let sent = 0;
  const inOrder = sessions.toSorted((a, b) => (a.session.id < b.session.id ? -1 : 1));
  for (const { owner, session } of inOrder) {
    if (session.id < fromId) continue;
    const pk = sessionPartition(owner, session.id);
    const notes = notesPrefix(session.generation);
    const prefixes = [notes, valuesPrefix(session.generation)];
    // Of a session that has been reset since, all is new.
    const resumes = session.id === fromId && prefixes.some((prefix) => fromKey.startsWith(prefix));
    const resumed = resumes ? fromKey : "";
    for (const prefix of prefixes) {
      // Notes come before values in the order of keys: what lies behind the cursor has been looked at.
      if (resumed > prefix && !resumed.startsWith(prefix)) continue;
      let after: string | undefined = resumed.startsWith(prefix) ? resumed : undefined;
      do {
        if (read > SEARCHED_MAX_BYTES)
          return { hits, searched, nextCursor: encodeCursor([session.id, after ?? prefix]) };
        read += PAGE_MIN_BYTES;
        const page = await store.list(pk, { prefix, limit: PAGE_ENTRIES, ...(after && { after }) });
        for (const entry of page.entries) {
          const found = prefix === notes ? inNote(entry, session, inNotes) : inValue(entry, inValues, inNotes);
          const hit = found.hit && { session: session.id, ...found.hit };
          const bytes = hit ? sentBytes(hit) : 0;
          const full = hits.length === limit || (hits.length > 0 && sent + bytes > PAGE_MAX_BYTES);
          if (full || read > SEARCHED_MAX_BYTES)
            return { hits, searched, nextCursor: encodeCursor([session.id, after ?? prefix]) };
          after = entry.key.sk;
          read += BESIDE_TEXT_BYTES + found.bytes;
          sent += bytes;
          if (found.counts) searched[prefix === notes ? "notes" : "values"] += 1;
          if (found.apart) searched.apart += 1;
          if (hit) hits.push(hit);
        }
        after = page.next;
      } while (after);
    }
  }
  return { hits, searched };
}

interface Looked {
  readonly bytes: number;
  /** False for a note that was deleted. */
  readonly counts: boolean;
  readonly apart?: boolean;
  readonly hit?: Omit<Hit, "session"> | undefined;
}

function inNote(entry: Entry, session: Session, query: string): Looked {
  const { text } = entry.attributes;
  if (text === undefined) return { bytes: 0, counts: false };
  const noteId = noteIdAt(session, entry.key.sk);
  return {
    bytes: byteLength(String(text)),
    counts: true,
    hit: hitIn({ text: String(text), named: { noteId } }, query),
  };
}

function inValue(entry: Entry, query: string, keyQuery: string): Looked {
  const key = valueNameOf(entry.key.sk);
  const { bytes, text } = textAtHand(entry, "value");
  const hit = (text === undefined ? undefined : hitIn({ text, named: { key } }, query)) ?? inKey(key, text, keyQuery);
  return { bytes: text === undefined ? 0 : bytes, counts: true, apart: text === undefined, hit };
}

/** A value whose key fits is a hit with the beginning of its text. */
const inKey = (key: string, text = "", query: string) =>
  folded(key).includes(query) ? { key, text: cutText(text, 2 * AROUND_LENGTH) } : undefined;

function hitIn({ text, named }: Searchable, query: string): Omit<Hit, "session"> | undefined {
  const at = folded(text).indexOf(query);
  if (at < 0) return undefined;
  const begin = startOfCharacter(text, Math.max(0, placeIn(text, at) - AROUND_LENGTH));
  const end = startOfCharacter(text, Math.min(text.length, placeIn(text, at + query.length) + AROUND_LENGTH));
  return { ...named, text: `${begin > 0 ? "…" : ""}${text.slice(begin, end)}${end < text.length ? "…" : ""}` };
}

/** Where the character of a text stands that stands at this place once the text is folded, which may change its length. */
function placeIn(text: string, at: number): number {
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (folded(text.slice(0, middle)).length < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
