// State as a whole: composes sessions, notes, values and cached results over one store, and gives each call a view that acts
// for its principal alone.
import { createHash } from "node:crypto";
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Principal } from "../principal.ts";
import type { BlobStore } from "../stores/blob-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import { Blobs } from "./blobs.ts";
import { ResultCache } from "./cache.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { Idempotency, type KeyedCall } from "./idempotency.ts";
import { DenseLog } from "./log.ts";
import { Notes } from "./notes.ts";
import { EntryWriter } from "./operations.ts";
import { RateLimits } from "./rate-limit.ts";
import { RequestStates } from "./request-state.ts";
import { checkSessionId, isHandle, mintHandle, type Session, type SessionSettings, Sessions } from "./session.ts";
import { beginWrite, ownerOf, SessionHandle } from "./session-handle.ts";

import { sweepSession } from "./sweep.ts";
import { Values } from "./values.ts";

/** On top of the longest a call may take: retries under way and clocks that differ. */
const SWEEP_MARGIN_MS = 60_000;

export interface StateOptions {
  store: StateStore;
  blobStore: BlobStore | undefined;
  clock: Clock;
  limits: Limits;
  sessions: SessionSettings & { defaultSession?: string | undefined };
  /** How long a claim and its answer are kept. */
  idempotencyTtlSeconds: number;
}

/** Who makes the call that state is asked for. */
export interface Caller {
  readonly principal: Principal;
  /** The client program's name and version, as it gave them. */
  readonly client: string;
  /** The 2025-era transport session the call came in, if it came in one. */
  readonly transportSession?: string | undefined;
  /** Present when the call carries an idempotency key: its writes are made under this identity. */
  readonly keyed?: KeyedCall | undefined;
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
  readonly blobs: Blobs;
  readonly cache: ResultCache;
  readonly idempotency: Idempotency;
  readonly rateLimits: RateLimits;
  readonly requestStates: RequestStates;
  /** Background work that nobody waits for: sweeping what a reset made unreachable. */
  readonly #background = new Set<Promise<unknown>>();
  readonly #sweeps = new Set<NodeJS.Timeout>();
  #calls = 0;
  #callsEnded: (() => void)[] = [];

  constructor(options: StateOptions) {
    const { store, clock, limits } = options;
    this.store = store;
    this.clock = clock;
    this.limits = limits;
    this.settings = options.sessions;
    const ttlSeconds = options.idempotencyTtlSeconds;
    this.idempotency = new Idempotency({ store, clock, limits, ttlSeconds });
    const completedSlots = this.idempotency.completedSlots.bind(this.idempotency);
    this.writer = new EntryWriter({ store, clock, completedSlots });
    this.log = new DenseLog(store);
    this.sessions = new Sessions({
      store,
      writer: this.writer,
      clock,
      settings: options.sessions,
      maxPerPrincipal: limits.sessionsPerPrincipal,
    });
    this.notes = new Notes(this.log, clock, limits);
    this.rateLimits = new RateLimits(store, clock);
    this.requestStates = new RequestStates({ store, clock, limits });
    const inBackground = this.inBackground.bind(this);
    this.blobs = new Blobs({ store, blobStore: options.blobStore, limits, inBackground });
    this.values = new Values({ store, blobs: this.blobs, writer: this.writer, clock });
    this.cache = new ResultCache({ store, blobs: this.blobs, clock, inBackground });
  }

  forCaller(caller: Caller): CallerState {
    return new CallerState(this, caller);
  }

  /** Best effort: a failure costs what the work would have saved, and nothing else. */
  inBackground(work: Promise<unknown>): void {
    const done = work.catch(() => {}).finally(() => this.#background.delete(done));
    this.#background.add(done);
  }

  /**
   * Removes a generation's entries once nobody can still be writing to it: an append in flight that found its log half swept
   * would count from the beginning again. A process that ends earlier leaves them to TTL.
   */
  sweepLater(owner: string, session: string, generation: string): void {
    const timer = setTimeout(() => {
      this.#sweeps.delete(timer);
      this.inBackground(sweepSession(this, owner, session, generation));
    }, this.limits.callTimeoutMs + SWEEP_MARGIN_MS);
    timer.unref();
    this.#sweeps.add(timer);
  }

  /** Counts a call until the returned function is called. */
  callBegins(): () => void {
    this.#calls += 1;
    return () => {
      this.#calls -= 1;
      if (this.#calls === 0) for (const resolve of this.#callsEnded.splice(0)) resolve();
    };
  }

  /** Resolves when no call runs and background work has ended. Sweeps that have not begun are not waited for. */
  async settle(): Promise<void> {
    while (this.#calls > 0 || this.#background.size > 0) {
      if (this.#calls > 0) await new Promise<void>((resolve) => this.#callsEnded.push(resolve));
      await Promise.all(this.#background);
    }
  }

  /** Gives up sweeps that have not begun and resolves when all other work has ended. */
  async close(): Promise<void> {
    for (const timer of this.#sweeps) clearTimeout(timer);
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
   * The session a call means: the one it names, else the operator's default, else `default` for local use, else the one that
   * belongs to its 2025-era transport session (a name like any other: its first write creates it).
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
    const implied = principal.kind === "local" ? "default" : sessionOfTransport(this.#caller.transportSession);
    const id = given ?? this.#state.settings.defaultSession ?? implied;
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
    const max = this.#state.settings.maxSeconds;
    const { ttlSeconds } = options;
    if (ttlSeconds !== undefined && ttlSeconds > max)
      throw new AppError("invalid_input", `ttl_seconds must be at most ${max}; ${ttlSeconds} was given.`);
    const { keyed } = this.#caller;
    const write = beginWrite(keyed);
    // A re-sent call must mint the handle that its first attempt minted.
    const id = options.name ?? mintHandle(await keyed?.seed());
    const owner = ownerOf(principal, id);
    const { session, created } = await write((operation) =>
      this.#state.sessions.create(owner, id, { ttlSeconds, operation }),
    );
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
    let top = all[0]?.activeAtMs ?? 0;
    let rest = all;
    if (options.cursor !== undefined) {
      const [cursorTop, activeAtMs, id] = decodeCursor(options.cursor, ["number", "number", "string"]);
      top = cursorTop;
      rest = all.sort(listedFrom(top)).filter((one) => listedFrom(top)({ activeAtMs, id }, one) < 0);
    }
    const sessions = rest.slice(0, options.limit);
    const last = sessions.at(-1);
    return {
      sessions,
      ...(last && rest.length > sessions.length && { nextCursor: encodeCursor([top, last.activeAtMs, last.id]) }),
    };
  }
}

/** A name derived one way: whoever reads it in a result learns nothing of the transport session's own id. */
function sessionOfTransport(id: string | undefined): string | undefined {
  return id && `chat-${createHash("sha256").update(id).digest("hex").slice(0, 16)}`;
}

/**
 * The order of a listing whose first page began at `top`: latest activity first, then those used since, by when. A session that
 * is used while the pages are read moves towards their end, so that no page misses it.
 */
const listedFrom =
  (top: number) =>
  (a: Pick<Session, "activeAtMs" | "id">, b: Pick<Session, "activeAtMs" | "id">): number => {
    const [aMoved, bMoved] = [a.activeAtMs > top, b.activeAtMs > top];
    if (aMoved !== bMoved) return aMoved ? 1 : -1;
    const later = aMoved ? a.activeAtMs - b.activeAtMs : b.activeAtMs - a.activeAtMs;
    return later || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
  };
