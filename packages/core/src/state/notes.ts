// A session's notes: a dense log of texts, each with who wrote it and when.
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { type Limits, PAGE_MAX_BYTES } from "../limits.ts";
import { byteLength } from "../text.ts";
import { badCursor, decodeCursor, encodeCursor } from "./cursor.ts";
import { notesPrefix, sessionPartition } from "./keys.ts";
import { type DenseLog, type LogPlace, sequenceOf } from "./log.ts";
import type { Session } from "./session.ts";

export interface Note {
  readonly noteId: string;
  readonly text: string;
  readonly createdAtMs: number;
  /** The subject that wrote it. */
  readonly author: string;
  /** Name and version of the client program, as it gave them; empty when unknown. */
  readonly client: string;
}

export interface NotesPage {
  readonly notes: readonly Note[];
  readonly nextCursor?: string;
}

export const notesPlace = (owner: string, session: Pick<Session, "id" | "generation">): LogPlace => ({
  pk: sessionPartition(owner, session.id),
  prefix: notesPrefix(session.generation),
});

const noteId = (session: Pick<Session, "generation">, sequence: number): string =>
  `note_${session.generation}_${sequence}`;

/** Throws `too_large` or `invalid_input` for a text that cannot be a note. */
export function checkNote(text: string, limits: Limits): void {
  if (text === "") throw new AppError("invalid_input", "note is empty. Give the text to remember.");
  if (!text.isWellFormed())
    throw new AppError("invalid_input", "note holds half of a surrogate pair: it is not valid Unicode.");
  const bytes = byteLength(text);
  if (bytes > limits.noteMaxBytes) {
    throw new AppError(
      "too_large",
      `note has ${bytes} bytes; the limit is ${limits.noteMaxBytes}. Split it, or store it with store_value.`,
    );
  }
}

export class Notes {
  readonly #log: DenseLog;
  readonly #clock: Clock;
  readonly #limits: Limits;

  constructor(log: DenseLog, clock: Clock, limits: Limits) {
    this.#log = log;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Appends a note. `count` is its position, which is also the number of notes. */
  async add(
    owner: string,
    session: Session,
    note: { text: string; subject: string; client: string },
    operation: { id: string; fromTail?: number | undefined },
  ): Promise<{ noteId: string; count: number }> {
    const attributes = { text: note.text, at: this.#clock.now(), by: note.subject, client: note.client };
    const count = await this.#log.append(notesPlace(owner, session), attributes, {
      id: operation.id,
      expiresAt: session.hardEnd,
      maxEntries: this.#limits.notesPerSession,
      fromTail: operation.fromTail,
    });
    return { noteId: noteId(session, count), count };
  }

  /** A page of at most `limit` notes and about 64 KiB of text; always at least one note when there is one. */
  async page(
    owner: string,
    session: Pick<Session, "id" | "generation">,
    options: { cursor?: string | undefined; limit: number; order: "oldest" | "newest" },
  ): Promise<NotesPage> {
    const place = notesPlace(owner, session);
    const order = options.order === "oldest" ? "ascending" : "descending";
    const after = options.cursor === undefined ? undefined : this.#position(options.cursor, session, options.order);
    const read = await this.#log.read(place, { limit: options.limit, order, after });
    const notes: Note[] = [];
    let bytes = 0;
    let sequence = after ?? 0;
    for (const entry of read.entries) {
      const text = String(entry.attributes.text);
      bytes += byteLength(text);
      if (notes.length > 0 && bytes > PAGE_MAX_BYTES) break;
      sequence = sequenceOf(place, entry);
      notes.push({
        noteId: noteId(session, sequence),
        text,
        createdAtMs: Number(entry.attributes.at),
        author: String(entry.attributes.by),
        client: String(entry.attributes.client),
      });
    }
    const more = notes.length < read.entries.length || read.more;
    return { notes, ...(more && { nextCursor: encodeCursor([session.generation, options.order, sequence]) }) };
  }

  count(owner: string, session: Session): Promise<number> {
    return this.#log.tail(notesPlace(owner, session));
  }

  #position(cursor: string, session: Pick<Session, "generation">, order: string): number {
    const [generation, cursorOrder, sequence] = decodeCursor(cursor, ["string", "string", "number"]);
    if (generation !== session.generation)
      throw new AppError("invalid_input", "cursor is from before the session was reset. Leave it out to start again.");
    if (cursorOrder !== order) throw badCursor();
    return sequence;
  }
}
