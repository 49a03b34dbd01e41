// A session's notes: a dense log of texts, each with who wrote it and when.
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { type Limits, PAGE_MAX_BYTES } from "../limits.ts";
import type { Change, Entry, Operation, StateStore } from "../stores/state-store.ts";
import { byteLength, cutText, sentBytes } from "../text.ts";
import { badCursor, decodeCursor, encodeCursor } from "./cursor.ts";
import { type EntryWriter, OperationForgotten } from "./entry-writer.ts";
import { deletedNotesPrefix, notesPrefix, sequenceText, sessionPartition } from "./keys.ts";
import { type DenseLog, type LogPlace, sequenceOf } from "./log.ts";
import type { Session } from "./sessions.ts";

export interface Note {
  readonly noteId: string;
  readonly text: string;
  readonly createdAtMs: number;
  /** The subject that wrote it. */
  readonly author: string;
  /** Name and version of the client program, as it gave them; empty when unknown. */
  readonly client: string;
  /** Counts changes of this note, from 1. */
  readonly version: number;
  /** Who corrected it last, with which client and when; absent while it stands as it was added. */
  readonly edited?: { readonly atMs: number; readonly author: string; readonly client: string };
}

/** Who writes a text: their subject, and their client program's name and version. */
export interface NoteText {
  readonly text: string;
  readonly subject: string;
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

/** The id of the note whose entry has this sort key. */
export const noteIdAt = (session: Pick<Session, "generation">, sk: string): string =>
  noteId(session, Number(sk.slice(notesPrefix(session.generation).length)));
const noteId = (session: Pick<Session, "generation">, sequence: number): string =>
  `note_${session.generation}_${sequence}`;
const NOTE_ID = /^note_(.+)_([1-9]\d{0,11})$/s;

/** A note that the session does not hold, or no longer. */
export const noteNotFound = (id: string): AppError =>
  new AppError(
    "not_found",
    `There is no note ${JSON.stringify(cutText(id, 64))} in this session: it was deleted, cleared by a reset, or is in another session. get_notes with details gives the ids.`,
  );

/** 1 on the entry of a deleted note, which keeps its place in the log and nothing else. */
const DELETED = "deleted";
/** The condition of a correction and of a deletion: the note has not been deleted. A missing attribute counts as 0. */
const notDeleted = (by: 0 | 1) => ({ attribute: DELETED, by, from: { min: 0, max: 0 } });
const isDeleted = (entry: Entry): boolean => entry.attributes[DELETED] === 1;

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

const MARKS_PAGE = 1000;
/** So many deleted notes are passed over by one call that finds no other. */
const DELETED_PASSED_MAX = 1000;

function toNote(noteId: string, entry: Entry): Note {
  const { text, at, by, client, editedAt, editedBy, editedWith } = entry.attributes;
  const edited = { atMs: Number(editedAt), author: String(editedBy), client: String(editedWith) };
  return {
    noteId,
    text: String(text),
    createdAtMs: Number(at),
    author: String(by),
    client: String(client),
    version: entry.version,
    ...(editedAt !== undefined && { edited }),
  };
}

export class Notes {
  readonly #store: StateStore;
  readonly #log: DenseLog;
  readonly #writer: EntryWriter;
  readonly #clock: Clock;
  readonly #limits: Limits;

  constructor(options: { store: StateStore; log: DenseLog; writer: EntryWriter; clock: Clock; limits: Limits }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#writer = options.writer;
    this.#clock = options.clock;
    this.#limits = options.limits;
  }

  /** Appends a note. `count` is its position: how many have been added since the last reset. */
  async add(
    owner: string,
    session: Session,
    note: NoteText,
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

  /**
   * Puts a note back as it was written once, behind `fromTail`, unless it stands there already under the same id. Resolves to its position.
   * @throws AppError `too_large`, `invalid_input`.
   */
  async restore(
    owner: string,
    session: Session,
    note: NoteText & { atMs: number },
    operation: { id: string; fromTail: number },
  ): Promise<number> {
    checkNote(note.text, this.#limits);
    const attributes = { text: note.text, at: note.atMs, by: note.subject, client: note.client };
    return this.#log.append(notesPlace(owner, session), attributes, {
      ...operation,
      expiresAt: session.hardEnd,
      maxEntries: this.#limits.notesPerSession,
    });
  }

  /**
   * Writes another text over a note's, in its place. Resolves to the note's version.
   * @throws AppError `not_found`; `conflict` with `current_version` when `ifVersion` does not hold.
   */
  async update(
    owner: string,
    session: Session,
    id: string,
    note: NoteText,
    options: { ifVersion?: number | undefined; operation?: Operation | undefined },
  ): Promise<number> {
    const set = { text: note.text, editedAt: this.#clock.now(), editedBy: note.subject, editedWith: note.client };
    const written = await this.#amend(owner, session, id, { set, increment: notDeleted(0) }, options);
    if (!written) throw noteNotFound(id);
    return written.version;
  }

  /**
   * Takes a note's text away and keeps its place, so that other notes keep theirs. False when it had been deleted before.
   * @throws AppError `not_found`; `conflict` with `current_version` when `ifVersion` does not hold.
   */
  async delete(
    owner: string,
    session: Session,
    id: string,
    options: { ifVersion?: number | undefined; operation?: Operation | undefined },
  ): Promise<boolean> {
    const change = { remove: ["text", "client", "editedAt", "editedBy", "editedWith"], increment: notDeleted(1) };
    const written = await this.#amend(owner, session, id, change, options);
    // Also for one that was deleted before: the process that did may have ended before this.
    const mark = {
      pk: sessionPartition(owner, session.id),
      sk: deletedNotesPrefix(session.generation) + id.split("_").at(-1),
    };
    await this.#store.create(mark, {}, { id: "mark", expiresAt: session.hardEnd });
    return written !== undefined;
  }

  /** Undefined when the note has been deleted already. */
  async #amend(
    owner: string,
    session: Session,
    id: string,
    change: Change,
    { ifVersion, operation }: { ifVersion?: number | undefined; operation?: Operation | undefined },
  ): Promise<{ version: number } | undefined> {
    const [, generation, sequence] = NOTE_ID.exec(id) ?? [];
    if (generation !== session.generation) throw noteNotFound(id);
    const place = notesPlace(owner, session);
    const key = { pk: place.pk, sk: place.prefix + sequenceText(Number(sequence)) };
    const written = await this.#writer.serial.run(key.pk + key.sk, () =>
      this.#writer.write(key, change, {
        mayCreate: false,
        ...(ifVersion !== undefined && { version: ifVersion }),
        ...(operation && { operation }),
      }),
    );
    if (written.outcome === "applied") return { version: written.version };
    if (written.outcome === "missing") throw noteNotFound(id);
    if (written.outcome === "refused") throw new OperationForgotten(written.watermark);
    const { current } = written;
    if (isDeleted(current)) return undefined;
    throw new AppError(
      "conflict",
      `The note is at version ${current.version}, not ${ifVersion}: another call has corrected it. Read it again with get_notes and decide.`,
      { details: { current_version: current.version } },
    );
  }

  /**
   * A page of at most `limit` notes and 64 KiB as sent, with `details` counted where they are sent too; always at least one note when
   * there is one.
   */
  async page(
    owner: string,
    session: Pick<Session, "id" | "generation">,
    options: { cursor?: string | undefined; limit: number; order: "oldest" | "newest"; details?: boolean },
  ): Promise<NotesPage> {
    const place = notesPlace(owner, session);
    const order = options.order === "oldest" ? "ascending" : "descending";
    const cursorAt = (sequence = 0) => encodeCursor([session.generation, options.order, sequence]);
    const after = options.cursor === undefined ? undefined : this.#position(options.cursor, session, options.order);
    const notes: Note[] = [];
    let bytes = 0;
    let sequence = after;
    for (let looked = 0; ; ) {
      const read = await this.#log.read(place, { limit: options.limit, order, after: sequence });
      for (const entry of read.entries) {
        const at = sequenceOf(place, entry);
        const note = isDeleted(entry) ? undefined : toNote(noteId(session, at), entry);
        bytes += note ? sentBytes(options.details ? note : note.text) : 0;
        if (note && notes.length > 0 && bytes > PAGE_MAX_BYTES) return { notes, nextCursor: cursorAt(sequence) };
        sequence = at;
        if (note) notes.push(note);
      }
      looked += read.entries.length;
      if (!read.more) return { notes };
      // A page of nothing but deleted notes says nothing; still, one call does not read a whole log of them.
      if (notes.length > 0 || looked >= DELETED_PASSED_MAX) return { notes, nextCursor: cursorAt(sequence) };
    }
  }

  /** How many notes have been added since the last reset, those deleted since included. */
  added(owner: string, session: Pick<Session, "id" | "generation">): Promise<number> {
    return this.#log.tail(notesPlace(owner, session));
  }

  /** How many notes there are. `amended` is the session's: where it is 0, none has been deleted, and none is looked for. */
  async count(owner: string, session: Pick<Session, "id" | "generation" | "amended">): Promise<number> {
    const added = await this.added(owner, session);
    let deleted = 0;
    let after: string | undefined;
    if (session.amended > 0)
      do {
        const pk = sessionPartition(owner, session.id);
        const prefix = deletedNotesPrefix(session.generation);
        const page = await this.#store.list(pk, { prefix, limit: MARKS_PAGE, ...(after && { after }) });
        deleted += page.entries.length;
        after = page.next;
      } while (after);
    // One that was added and deleted between the two reads.
    return Math.max(0, added - deleted);
  }

  #position(cursor: string, session: Pick<Session, "generation">, order: string): number {
    const [generation, cursorOrder, sequence] = decodeCursor(cursor, ["string", "string", "number"]);
    if (generation !== session.generation)
      throw new AppError("invalid_input", "cursor is from before the session was reset. Leave it out to start again.");
    if (cursorOrder !== order) throw badCursor();
    return sequence;
  }
}
