// State as a whole: composes sessions, notes, values and cached results over one store, and gives each call a view that acts
// for its principal alone.
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { makePrincipal, type Principal } from "../principal.ts";
import type { StateStore } from "../stores/state-store.ts";
import { ResultCache } from "./cache.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { DenseLog } from "./log.ts";
import { checkNote, Notes, type NotesPage, notesPlace } from "./notes.ts";
import { EntryWriter } from "./operations.ts";
import {
  checkSessionId,
  isHandle,
  mintHandle,
  type Session,
  type SessionSettings,
  Sessions,
  sessionNotFound,
} from "./session.ts";
import { sweepSession } from "./sweep.ts";
import { type Json, type StoredValue, Values, type ValuesPage } from "./values.ts";

export interface StateOptions {
  store: StateStore;
  clock: Clock;
  limits: Limits;
  sessions: SessionSettings & { defaultSession?: string | undefined };
}

/** Who makes the call that state is asked for. */
export interface Caller {
  readonly principal: Principal;
  /** The client program's name and version, as it gave them. */
  readonly client: string;
}

export class State {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly settings: StateOptions["sessions"];
  readonly writer: EntryWriter;
  readonly log: DenseLog;
  readonly sessions: Sessions;
  readonly notes: Notes;
  readonly values: Values;
  readonly cache: ResultCache;
  /** Background work that nobody waits for: sweeping what a reset made unreachable. */
  readonly #background = new Set<Promise<void>>();

  constructor(options: StateOptions) {
    const { store, clock, limits } = options;
    this.store = store;
    this.clock = clock;
    this.limits = limits;
    this.settings = options.sessions;
    this.writer = new EntryWriter({ store, clock });
    this.log = new DenseLog(store);
    this.sessions = new Sessions({
      store,
      writer: this.writer,
      clock,
      settings: options.sessions,
      maxPerPrincipal: limits.sessionsPerPrincipal,
    });
    this.notes = new Notes(this.log, clock, limits);
    this.values = new Values({ store, writer: this.writer, clock, limits });
    this.cache = new ResultCache({ store, clock, limits });
  }

  forCaller(caller: Caller): CallerState {
    return new CallerState(this, caller);
  }

  inBackground(work: Promise<void>): void {
    // Best effort: what stays behind is unreachable, and TTL removes it.
    const done = work.catch(() => {}).finally(() => this.#background.delete(done));
    this.#background.add(done);
  }

  /** Resolves when background work has ended. */
  async settle(): Promise<void> {
    await Promise.all(this.#background);
  }
}

/** Everything one call may do with state, as its principal and no other. */
export class CallerState {
  readonly #state: State;
  readonly #caller: Caller;

  constructor(state: State, caller: Caller) {
    this.#state = state;
    this.#caller = caller;
  }

  /**
   * The session a call means: the one it names, else the operator's default, else `default` for local use.
   * @throws AppError `invalid_input` when none of these gives one.
   */
  session(given?: string): SessionHandle {
    const { principal } = this.#caller;
    if (principal.kind === "anonymous" && (given === undefined || !isHandle(given))) {
      throw new AppError(
        "invalid_input",
        "This server is open to everybody, so only handles from create_session work here: pass one as session_id.",
      );
    }
    const id = given ?? this.#state.settings.defaultSession ?? (principal.kind === "local" ? "default" : undefined);
    if (id === undefined) {
      throw new AppError(
        "invalid_input",
        "session_id is missing. Call create_session once and pass its session_id to every later call.",
      );
    }
    checkSessionId(id);
    return new SessionHandle(this.#state, this.#caller, id);
  }

  /** Creates a session: a minted handle, or a name of the caller's choice. @throws AppError `conflict` when the name is taken. */
  async createSession(options: { name?: string | undefined; ttlSeconds?: number | undefined }): Promise<Session> {
    const { principal } = this.#caller;
    if (options.name !== undefined) {
      if (principal.kind === "anonymous")
        throw new AppError("invalid_input", "Sessions of an open server cannot be named. Leave name out.");
      if (isHandle(options.name))
        throw new AppError("invalid_input", "name must not start with ses_: that is for handles.");
      checkSessionId(options.name);
    }
    const id = options.name ?? mintHandle();
    const max = this.#state.settings.maxSeconds;
    if (options.ttlSeconds !== undefined && options.ttlSeconds > max)
      throw new AppError("invalid_input", `ttl_seconds must be at most ${max}; ${options.ttlSeconds} was given.`);
    const owner = ownerOf(principal, id);
    const { session, created } = await this.#state.sessions.create(owner, id, { ttlSeconds: options.ttlSeconds });
    if (!created) {
      throw new AppError(
        "conflict",
        `You have a session named ${JSON.stringify(id)} already. Use it, or choose another name.`,
      );
    }
    return session;
  }

  /** The caller's live sessions, latest activity first. @throws AppError `forbidden` for anonymous callers. */
  async listSessions(options: { cursor?: string | undefined; limit: number }): Promise<{
    sessions: Session[];
    nextCursor?: string;
  }> {
    const { principal } = this.#caller;
    if (principal.kind === "anonymous")
      throw new AppError(
        "forbidden",
        "Sessions of an open server cannot be listed. Keep the handle that create_session gave.",
      );
    const all = await this.#state.sessions.list(principal.id);
    let rest = all;
    if (options.cursor !== undefined) {
      const [activeAtMs, id] = decodeCursor(options.cursor, ["number", "string"]);
      rest = all.filter((one) => one.activeAtMs < activeAtMs || (one.activeAtMs === activeAtMs && one.id > id));
    }
    const sessions = rest.slice(0, options.limit);
    const last = sessions.at(-1);
    return {
      sessions,
      ...(last && rest.length > sessions.length && { nextCursor: encodeCursor([last.activeAtMs, last.id]) }),
    };
  }
}

/** Anonymous callers have no identity to share: each handle is a principal of its own, so nobody's key is near another's. */
const ownerOf = (principal: Principal, id: string): string =>
  principal.kind === "anonymous" ? makePrincipal("anonymous", "stateful-mcp", id).id : principal.id;

/** One session, as the caller of one call sees it. The session item is read once per call, never remembered across calls. */
export class SessionHandle {
  readonly id: string;
  readonly #state: State;
  readonly #caller: Caller;
  readonly #owner: string;
  #found: Promise<Session | undefined> | undefined;
  #touched: Promise<void> | undefined;

  constructor(state: State, caller: Caller, id: string) {
    this.id = id;
    this.#state = state;
    this.#caller = caller;
    this.#owner = ownerOf(caller.principal, id);
  }

  readonly notes = {
    /** Appends a note and resolves to its id and the number of notes. */
    add: async (text: string): Promise<{ noteId: string; count: number }> => {
      checkNote(text, this.#state.limits);
      const session = await this.#forWriting();
      const { slot, stamp } = this.#state.writer.nextOperation();
      const note = { text, subject: this.#caller.principal.subject, client: this.#caller.client };
      return this.#state.notes.add(this.#owner, session, note, { id: `${slot}.${stamp}` });
    },
    /** A page of notes, oldest first unless asked otherwise. */
    page: async (options: {
      cursor?: string | undefined;
      limit: number;
      order: "oldest" | "newest";
    }): Promise<NotesPage> => {
      const session = await this.#forReading();
      return session ? this.#state.notes.page(this.#owner, session, options) : { notes: [] };
    },
    count: async (): Promise<number> => {
      const session = await this.#forReading();
      return session ? this.#state.notes.count(this.#owner, session) : 0;
    },
  };

  readonly values = {
    get: async (key: string): Promise<StoredValue | undefined> => {
      const session = await this.#forReading();
      return session && this.#state.values.get(this.#owner, session, key);
    },
    /** Stores any JSON value. `ifVersion` makes it conditional (0: must not exist). */
    set: async (
      key: string,
      value: Json,
      options: { ifVersion?: number | undefined; ttlSeconds?: number | undefined } = {},
    ) => {
      const session = await this.#forWriting();
      return this.#state.values.set(this.#owner, session, key, value, options);
    },
    delete: async (key: string, options: { ifVersion?: number | undefined } = {}): Promise<boolean> => {
      const session = await this.#forReading();
      return session ? this.#state.values.delete(this.#owner, session, key, options) : false;
    },
    /** Adds to a number and resolves to the new one. */
    increment: async (key: string, by = 1): Promise<number> => (await this.values.incrementVersioned(key, by)).value,
    incrementVersioned: async (key: string, by = 1): Promise<{ value: number; version: number }> => {
      const session = await this.#forWriting();
      return this.#state.values.increment(this.#owner, session, key, by);
    },
    list: async (options: { prefix: string; cursor?: string | undefined; limit: number }): Promise<ValuesPage> => {
      const session = await this.#forReading();
      return session ? this.#state.values.list(this.#owner, session, options) : { values: [] };
    },
  };

  /** The session's dates; undefined for a name that nothing has been written to. */
  info(): Promise<Session | undefined> {
    return this.#forReading();
  }

  /** Makes everything in the session unreachable in one write; the session stays. Resolves to the number of notes cleared. */
  async reset(): Promise<number> {
    const generation = await this.#state.sessions.reset(this.#owner, this.id);
    this.#found = undefined;
    if (generation === undefined) {
      if (isHandle(this.id)) throw sessionNotFound(this.id);
      return 0;
    }
    const place = notesPlace(this.#owner, { id: this.id, generation });
    const cleared = await this.#state.log.tail(place);
    this.#state.log.forget(place);
    this.#state.inBackground(sweepSession(this.#state.store, this.#owner, this.id, generation));
    return cleared;
  }

  /** Deletes the session with all it holds. False when there was none. */
  async delete(): Promise<boolean> {
    const session = await this.#find();
    if (!session) return false;
    const deleted = await this.#state.sessions.delete(this.#owner, session);
    this.#found = undefined;
    this.#state.inBackground(sweepSession(this.#state.store, this.#owner, this.id, session.generation));
    return deleted;
  }

  /** Resolves when what the call started on the side has ended. */
  async settle(): Promise<void> {
    await this.#touched;
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
    const { session } = await this.#state.sessions.create(this.#owner, this.id);
    this.#found = Promise.resolve(session);
    return session;
  }

  #find(): Promise<Session | undefined> {
    this.#found ??= this.#state.sessions.find(this.#owner, this.id);
    return this.#found;
  }

  #touch(session: Session): void {
    // A failed touch costs a little lifetime and must not fail the call that the caller made.
    this.#touched ??= this.#state.sessions.touch(this.#owner, session).catch(() => {});
  }
}
