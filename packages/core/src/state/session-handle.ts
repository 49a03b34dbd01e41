// One session as the caller of one call sees it: finds it, checks that it lives, and makes each write under the right identity.
// The session item is read once per call and never remembered across calls; what is read beside it counts only under its generation.
import type { Entry, Operation } from "../stores/state-store.ts";
import { beginWrite, type Caller, ownerOf, sessionOfTransport } from "./caller.ts";
import { valueKey } from "./keys.ts";
import { checkNote, type Notes, type NotesPage, noteNotFound, notesPlace } from "./notes.ts";
import type { SessionParts } from "./session-parts.ts";
import { isHandle, type Session, sessionNotFound } from "./sessions.ts";
import { type Json, type StoredValue, type ValuesPage, valueKeyOf } from "./values.ts";

/** The session of one call. Minted handles must exist; a name comes to be with its first write. */
export class SessionHandle {
  /** The handle or name, as results repeat it. */
  readonly id: string;
  readonly #parts: SessionParts;
  readonly #caller: Caller;
  readonly #owner: string;
  #found: Promise<Session | undefined> | undefined;
  #touched: Promise<void> | undefined;

  constructor(parts: SessionParts, caller: Caller, id: string) {
    this.id = id;
    this.#parts = parts;
    this.#caller = caller;
    this.#owner = ownerOf(caller.principal, id);
  }

  /** An append-only log. */
  readonly notes = {
    /** Appends a note; resolves to its id and the number of notes. @throws AppError `too_large`, `invalid_input`. */
    add: async (text: string): Promise<{ noteId: string; count: number }> => {
      checkNote(text, this.#parts.limits);
      const { keyed, principal, client } = this.#caller;
      const write = beginWrite(keyed);
      const note = { text, subject: principal.subject, client };
      const session = await this.#forWriting();
      const pin = await keyed?.pin(`notes ${this.id}`, async () => {
        const tail = await this.#parts.log.tailHint(notesPlace(this.#owner, session));
        return { generation: session.generation, tail };
      });
      return write((operation) => {
        const id = operationId(operation ?? this.#parts.writer.nextOperation());
        return this.#parts.notes.add(this.#owner, { ...session, ...pin }, note, { id, fromTail: pin?.tail });
      });
    },
    /** A page of at most `limit` notes (1 to 1,000; fewer when they are long) and the cursor of the next one. `details`: all of
     * a note is sent, not its text alone. @throws AppError `invalid_input`. */
    page: async (options: {
      cursor?: string | undefined;
      limit: number;
      order: "oldest" | "newest";
      details?: boolean;
    }): Promise<NotesPage> => {
      const early = this.#pageEarly(options);
      const session = await this.#forReading();
      if (!session) return { notes: [] };
      return early?.generation === session.generation
        ? unwrapped(await early.page)
        : this.#parts.notes.page(this.#owner, session, options);
    },
    /**
     * Writes another text over a note's and resolves to its version. `ifVersion` makes it conditional.
     * @throws AppError `not_found`, `conflict` with `current_version`, `too_large`, `invalid_input`.
     */
    update: async (
      noteId: string,
      text: string,
      options: { ifVersion?: number | undefined } = {},
    ): Promise<{ version: number }> => {
      checkNote(text, this.#parts.limits);
      const { principal, client } = this.#caller;
      const note = { text, subject: principal.subject, client };
      return this.#amend(noteId, async (session, operation) => {
        const version = await this.#parts.notes.update(this.#owner, session, noteId, note, { ...options, operation });
        return { version };
      });
    },
    /** Takes a note's text away for good. False when that had been done before. @throws AppError as `update`. */
    delete: async (noteId: string, options: { ifVersion?: number | undefined } = {}): Promise<boolean> =>
      this.#amend(noteId, (session, operation) =>
        this.#parts.notes.delete(this.#owner, session, noteId, { ...options, operation }),
      ),
    /** How many notes there are. */
    count: async (): Promise<number> => {
      const session = await this.#forReading();
      return session ? this.#parts.notes.count(this.#owner, session) : 0;
    },
  };

  /** JSON by key; keys are 1 to 256 bytes. */
  readonly values = {
    /** The value and its version; undefined when there is none. @throws AppError `invalid_input`. */
    get: async (key: string): Promise<StoredValue | undefined> => {
      const read = this.#findWithValue(key);
      const session = await this.#forReading();
      return session && this.#parts.values.get(this.#owner, session, key, await read);
    },
    /**
     * Stores any JSON value. `ifVersion` makes it conditional (0: must not exist), `ttlSeconds` lets it end before the session,
     * `keepTtl` leaves its end as it is.
     * @throws AppError `conflict` with `current_version`, `too_large`, `invalid_input`.
     */
    set: async (
      key: string,
      value: Json,
      options: { ifVersion?: number | undefined; ttlSeconds?: number | undefined; keepTtl?: boolean | undefined } = {},
    ): Promise<{ version: number }> => {
      const write = beginWrite(this.#caller.keyed);
      const session = await this.#pinnedForWriting();
      const by = { subject: this.#caller.principal.subject, client: this.#caller.client };
      return write((operation) =>
        this.#parts.values.set(this.#owner, session, key, value, { ...options, by, operation }),
      );
    },
    /** True when there was a value. @throws AppError `conflict` with `current_version`. */
    delete: async (key: string, options: { ifVersion?: number | undefined } = {}): Promise<boolean> => {
      const write = beginWrite(this.#caller.keyed);
      if (!(await this.#forReading())) return false;
      const session = await this.#pinnedForWriting();
      return write((operation) => this.#parts.values.delete(this.#owner, session, key, { ...options, operation }));
    },
    /** Adds to a number atomically and resolves to the new one. @throws AppError `conflict` when it is not a number. */
    increment: async (key: string, by = 1): Promise<number> => (await this.values.incrementVersioned(key, by)).value,
    /** As `increment`, with the value's version. */
    incrementVersioned: async (key: string, by = 1): Promise<{ value: number; version: number }> => {
      const write = beginWrite(this.#caller.keyed);
      const session = await this.#pinnedForWriting();
      const { principal, client } = this.#caller;
      const author = { subject: principal.subject, client };
      return write((operation) => this.#parts.values.increment(this.#owner, session, key, by, author, operation));
    },
    /**
     * A page of keys, in the order of their names, and the cursor of the next one. `details`: all that is known is sent, not keys and
     * versions alone, so that fewer fit.
     */
    list: async (options: {
      prefix: string;
      cursor?: string | undefined;
      limit: number;
      details?: boolean;
    }): Promise<ValuesPage> => {
      const session = await this.#forReading();
      return session ? this.#parts.values.list(this.#owner, session, options) : { values: [] };
    },
  };

  /**
   * Text that differs whenever what it stands for differs; undefined when there is nothing. Cheap, and no use of the session:
   * a caller that only waits for a change does not keep it alive.
   */
  readonly versions = {
    notes: async (): Promise<string | undefined> => {
      const session = await this.#find();
      return (
        session && `${session.generation} ${await this.#parts.notes.added(this.#owner, session)} ${session.amended}`
      );
    },
    value: async (key: string): Promise<string | undefined> => {
      const read = this.#findWithValue(key);
      const session = await this.#find();
      const stored = session && (await this.#parts.values.get(this.#owner, session, key, await read));
      return stored && `${session.generation} ${stored.version}`;
    },
  };

  /** The session's dates; undefined for a name that nothing has been written to. */
  info(): Promise<Session | undefined> {
    return this.#forReading();
  }

  /**
   * Makes everything in the session unreachable in one write; the session stays. Resolves to the number of notes cleared; notes
   * that others were adding at the same moment may or may not be counted.
   */
  async reset(): Promise<number> {
    const ended = await beginWrite(this.#caller.keyed)((operation) =>
      this.#parts.sessions.reset(this.#owner, this.id, operation),
    );
    this.#found = undefined;
    if (ended === undefined) {
      if (isHandle(this.id)) throw sessionNotFound(this.id);
      return 0;
    }
    const { generation, amended } = ended;
    const cleared = await this.#parts.notes.count(this.#owner, { id: this.id, generation, amended });
    this.#parts.log.forget(notesPlace(this.#owner, { id: this.id, generation }));
    this.#parts.sweepLater(this.#owner, this.id, generation);
    return cleared;
  }

  /** Deletes the session with all it holds. False when there was none. */
  async delete(): Promise<boolean> {
    const generation = await beginWrite(this.#caller.keyed)((operation) =>
      this.#parts.sessions.delete(this.#owner, this.id, operation),
    );
    this.#found = undefined;
    if (generation === undefined) return false;
    this.#parts.sweepLater(this.#owner, this.id, generation);
    return true;
  }

  /** Whether nothing is kept in the session. */
  async isEmpty(): Promise<boolean> {
    if ((await this.notes.count()) > 0) return false;
    return (await this.values.list({ prefix: "", limit: 1 })).values.length === 0;
  }

  /** Resolves when what the call started on the side has ended. */
  async touched(): Promise<void> {
    await this.#touched;
  }

  /** A change to a note that is there, made under the call's identity; readers of the session item learn of it. */
  async #amend<T>(
    noteId: string,
    change: (session: Session, operation: Operation | undefined) => Promise<T>,
  ): Promise<T> {
    const write = beginWrite(this.#caller.keyed);
    if (!(await this.#forReading())) throw noteNotFound(noteId);
    const session = await this.#pinnedForWriting();
    const changed = await write((operation) => change(session, operation));
    await this.#parts.sessions.amend(this.#owner, session);
    return changed;
  }

  async #forReading(): Promise<Session | undefined> {
    const session = await this.#find();
    if (!session && isHandle(this.id)) throw sessionNotFound(this.id);
    if (session) this.#touch(session);
    return session;
  }

  /** A minted handle is never created by use; a name belongs to the principal, and its first write creates it. */
  async #forWriting(): Promise<Session> {
    const found = await this.#forReading();
    if (found) return found;
    const implied = this.id === sessionOfTransport(this.#caller.transportSession);
    const { session } = await this.#parts.sessions.create(this.#owner, this.id, { implied });
    this.#found = Promise.resolve(session);
    return session;
  }

  /** A keyed call goes on writing where its first attempt began, also when the session has been reset since. */
  async #pinnedForWriting(): Promise<Session> {
    const session = await this.#forWriting();
    const { keyed } = this.#caller;
    if (!keyed) return session;
    const { generation } = await keyed.pin(`values ${this.id}`, async () => ({ generation: session.generation }));
    return { ...session, generation };
  }

  /** Where the session has not been read: one request for it and for a value. Resolves to the value's entry, if that is of use. */
  #findWithValue(key: string): Promise<{ entry: Entry | undefined } | undefined> | undefined {
    const name = valueKeyOf(key);
    if (this.#found) return undefined;
    const { sessions } = this.#parts;
    const reading = sessions.findWith(this.#owner, this.id, (generation) =>
      valueKey(this.#owner, this.id, generation, name),
    );
    this.#found = reading.then(({ session }) => session);
    // Its failure is that of the session.
    return reading.then(
      ({ read }) => read,
      () => undefined,
    );
  }

  /** Where the session has not been read: a page at the same time, under the generation that was seen last. */
  #pageEarly(options: Parameters<Notes["page"]>[2]) {
    const generation = this.#found ? undefined : this.#parts.sessions.lastGeneration(this.#owner, this.id);
    if (generation === undefined) return undefined;
    const reading = this.#parts.notes.page(this.#owner, { id: this.id, generation }, options);
    // Settled, because perhaps no one comes for it.
    return { generation, page: reading.then(done, failed) };
  }

  #find(): Promise<Session | undefined> {
    this.#found ??= this.#parts.sessions.find(this.#owner, this.id, this.#caller.keyed);
    return this.#found;
  }

  #touch(session: Session): void {
    // A failed touch costs a little lifetime and must not fail the call that the caller made.
    this.#touched ??= this.#parts.sessions.touch(this.#owner, session).catch(() => {});
  }
}

const operationId = (operation: Operation): string => `${operation.slot}.${operation.stamp}`;

type Settled<T> = { readonly value: T } | { readonly error: unknown };

const done = <T>(value: T): Settled<T> => ({ value });
const failed = (error: unknown): Settled<never> => ({ error });

function unwrapped<T>(settled: Settled<T>): T {
  if ("error" in settled) throw settled.error;
  return settled.value;
}
