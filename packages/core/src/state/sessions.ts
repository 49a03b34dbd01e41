// Sessions: who owns them, how long they live, and the generation that decides which entries are visible. Knows nothing of
// what a session holds.
import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import { type Clock, epochSeconds } from "../clock.ts";
import { AppError } from "../errors.ts";
import { SESSION_NAME_MAX_BYTES } from "../limits.ts";
import type { Entry, Key, Operation, StateStore } from "../stores/state-store.ts";
import { byteLength, composed, cutText, hasInvisible } from "../text.ts";
import { atMost } from "./bounded.ts";
import { type EntryWriter, OperationForgotten, TOMBSTONE_SECONDS } from "./entry-writer.ts";
import type { KeyedCall } from "./idempotency.ts";
import { isMinted, mintId } from "./ids.ts";
import { principalPartition, SESSION_PREFIX, sessionKey } from "./keys.ts";

export interface SessionSettings {
  /** Sliding lifetime in seconds; 0: never ends. */
  ttlSeconds: number;
  /** Hard end in seconds after creation, however active the session is. Does not apply to a session that never ends. */
  maxSeconds: number;
}

export interface Session {
  readonly id: string;
  /** Minted at creation and at each reset; entries carry it in their key, so those of an earlier life are unreachable. */
  readonly generation: string;
  readonly createdAtMs: number;
  /** Coarse: see {@link Sessions.touch}. */
  readonly activeAtMs: number;
  readonly ttlSeconds: number;
  /** Epoch seconds; undefined: never. */
  readonly expiresAt: number | undefined;
  /** Epoch seconds, fixed at creation; undefined: never. What the session's entries carry as their own expiry. */
  readonly hardEnd: number | undefined;
  /** Grows when a note is corrected or deleted; 0: that has never happened. */
  readonly amended: number;
}

const HANDLE_PREFIX = "ses_";
/** A session that a connection has by itself, and that its caller did not ask for, ends after a day without use at the latest. */
const IMPLIED_TTL_SECONDS = 86_400;
/** So many sessions are named to a caller who has to delete one. */
const DELETABLE_SHOWN = 3;
/** How exact the order of a list is where sessions end: each use noted is a write to the table. */
const ACTIVITY_SECONDS = 3600;
/** And where they never end, which is on a machine of one's own: there a write costs nothing. */
const ENDLESS_ACTIVITY_SECONDS = 60;
const LIST_PAGE = 1000;
/** Of the room that was counted, an instance uses this share before it counts again: so many instances overrun no limit together. */
const ROOM_SHARES = 16;
/** And no longer than this. */
const ROOM_MS = 60_000;
const ROOMS_MAX = 10_000;
const GENERATIONS_MAX = 10_000;

/** Random, or derived from a secret seed. */
export const mintHandle = (seed?: string): string => mintId(HANDLE_PREFIX, seed);

export const mintGeneration = (): string => randomBytes(12).toString("base64url");

export const isHandle = (id: string): boolean => id.startsWith(HANDLE_PREFIX);

/** Whether a session may have this name, in the form NFC. */
export const couldBeSessionName = (name: string): boolean =>
  name !== "" &&
  !isHandle(name) &&
  name.isWellFormed() &&
  name.trim() === name &&
  !hasInvisible(name) &&
  byteLength(name) <= SESSION_NAME_MAX_BYTES;

/**
 * A session's id as keys hold it: two spellings that look alike (NFC and NFD) are one name.
 * @throws AppError `session_not_found` for what looks like a handle and cannot be one, `invalid_input` for a name that cannot be.
 */
export function acceptedSessionId(given: string): string {
  if (isHandle(given)) {
    // The same answer as for a handle that never existed: its form says nothing.
    if (!isMinted(HANDLE_PREFIX, given)) throw sessionNotFound(given);
    return given;
  }
  const id = composed(given);
  if (!couldBeSessionName(id))
    throw new AppError(
      "invalid_input",
      `session_id must be a handle from create_session or a name of 1 to ${SESSION_NAME_MAX_BYTES} bytes without invisible characters or spaces around it.`,
    );
  return id;
}

export const sessionNotFound = (id: string): AppError =>
  new AppError(
    "session_not_found",
    `There is no session ${JSON.stringify(cutText(id, 64))}: it never existed, has expired, or was deleted. Call create_session for a new one, or list_sessions to find yours.`,
  );

export interface SessionsOptions {
  store: StateStore;
  writer: EntryWriter;
  clock: Clock;
  settings: SessionSettings;
  maxPerPrincipal: number;
}

/** The sessions of all principals; every method names the principal it acts for. */
export class Sessions {
  readonly #store: StateStore;
  readonly #writer: EntryWriter;
  readonly #clock: Clock;
  readonly #settings: SessionSettings;
  readonly #maxPerPrincipal: number;
  /** How many sessions of a principal may be created before its sessions are counted again, which reads all of them. */
  readonly #room = new LRUCache<string, number>({ ...atMost(ROOMS_MAX), ttl: ROOM_MS });

  readonly #generations = new LRUCache<string, string>(atMost(GENERATIONS_MAX));

  constructor(options: SessionsOptions) {
    this.#store = options.store;
    this.#writer = options.writer;
    this.#clock = options.clock;
    this.#settings = options.settings;
    this.#maxPerPrincipal = options.maxPerPrincipal;
  }

  /** The live session, read strongly; undefined when there is none. */
  async find(owner: string, id: string, keyed?: KeyedCall): Promise<Session | undefined> {
    const key = sessionKey(owner, id);
    // A keyed call has read it together with its claim.
    const { entry } = keyed?.takeFirstRead(key) ?? { entry: await this.#store.get(key) };
    return this.#seen(owner, id, entry);
  }

  /** The generation that this process saw last. It may be over: what is read under it counts only if the session still has it. */
  lastGeneration(owner: string, id: string): string | undefined {
    return this.#generations.get(ownedId(owner, id));
  }

  /**
   * The session and, in the same request, the entry that `keyUnder` names, under the generation that was seen last. `read` is there
   * when the session still has that generation; generations never come back, so the entry is then of this session.
   */
  async findWith(
    owner: string,
    id: string,
    keyUnder: (generation: string) => Key,
  ): Promise<{ session: Session | undefined; read?: { entry: Entry | undefined } }> {
    const generation = this.lastGeneration(owner, id);
    if (generation === undefined) return { session: await this.find(owner, id) };
    const [found, entry] = await this.#store.getMany([sessionKey(owner, id), keyUnder(generation)]);
    const session = this.#seen(owner, id, found);
    return session?.generation === generation ? { session, read: { entry } } : { session };
  }

  #seen(owner: string, id: string, entry: Entry | undefined): Session | undefined {
    const session = entry && toSession(id, entry);
    if (session) this.#generations.set(ownedId(owner, id), session.generation);
    else this.#generations.delete(ownedId(owner, id));
    return session;
  }

  /**
   * Creates a session. `created` is false when a live one of this name stands there that another operation created.
   * `implied`: the connection's own, which no caller named. Those count apart, so that a client with a connection per call leaves
   * room for sessions that a caller did name.
   * @throws AppError `conflict` when the principal has its limit of sessions.
   */
  async create(
    owner: string,
    id: string,
    options: { ttlSeconds?: number | undefined; implied?: boolean; operation?: Operation | undefined } = {},
  ): Promise<{ session: Session; created: boolean }> {
    const now = epochSeconds(this.#clock);
    const { implied = false } = options;
    const wanted = options.ttlSeconds ?? this.#settings.ttlSeconds;
    const ttlSeconds = implied ? Math.min(wanted || IMPLIED_TTL_SECONDS, IMPLIED_TTL_SECONDS) : wanted;
    await this.#checkRoom(owner, sessionKey(owner, id), implied, options.operation);
    const attributes = {
      generation: mintGeneration(),
      createdAtMs: this.#clock.now(),
      activeAtMs: this.#clock.now(),
      ttlSeconds,
      hardEnd: ttlSeconds === 0 ? 0 : now + Math.max(ttlSeconds, this.#settings.maxSeconds),
      amended: 0,
      implied,
    };
    const expiresAt = ttlSeconds === 0 ? null : now + ttlSeconds;
    const key = sessionKey(owner, id);
    // An update rather than a put: a tombstone under this name keeps what it remembers, so that a re-sent delete of the
    // earlier session does not end this one.
    const written = await this.#writer.serial.run(key.pk + key.sk, () =>
      this.#writer.write(
        key,
        { set: attributes, expiresAt },
        { mayCreate: true, version: 0, ...(options.operation && { operation: options.operation }) },
      ),
    );
    if (written.outcome === "refused") throw new OperationForgotten(written.watermark);
    if (written.outcome === "conflict") return { session: toSession(id, written.current), created: false };
    if (written.outcome === "missing") throw new AppError("unavailable", "The session changes too fast. Try again.");
    const { entry } = written;
    // A repeat may find that its session has been deleted since: it is answered with what it had created.
    const session = entry.dead ? { id, ...attributes, expiresAt: expiresAt ?? undefined } : toSession(id, entry);
    this.#generations.set(ownedId(owner, id), session.generation);
    return { session, created: true };
  }

  /**
   * Notes activity and moves a sliding expiry: at most once an hour or quarter of the lifetime, whichever is shorter, and once a
   * minute where the session never ends. Only the session item is written: entries carry the hard end.
   */
  async touch(owner: string, session: Session): Promise<void> {
    const now = epochSeconds(this.#clock);
    const every =
      session.ttlSeconds === 0 ? ENDLESS_ACTIVITY_SECONDS : Math.min(session.ttlSeconds / 4, ACTIVITY_SECONDS);
    if (now - session.activeAtMs / 1000 < every) return;
    const expiresAt = session.hardEnd === undefined ? null : Math.min(now + session.ttlSeconds, session.hardEnd);
    await this.#store.update(
      sessionKey(owner, session.id),
      { set: { activeAtMs: this.#clock.now() }, expiresAt, versions: 0 },
      // Not another session of the same name that has taken its place since it was read.
      { on: "live", match: { createdAtMs: session.createdAtMs } },
    );
  }

  /** Tells readers, who read the session item anyway, that one of its notes has changed. A repeat does no harm. */
  async amend(owner: string, session: Pick<Session, "id" | "createdAtMs">): Promise<void> {
    await this.#store.update(
      sessionKey(owner, session.id),
      { increment: { attribute: "amended", by: 1 }, versions: 0 },
      { on: "live", match: { createdAtMs: session.createdAtMs } },
    );
  }

  /**
   * One write, for a session of any size: a new generation. Resolves to the generation that has ended, with `amended`, or
   * undefined when there is no live session.
   */
  async reset(
    owner: string,
    id: string,
    operation?: Operation,
  ): Promise<{ generation: string; amended: number } | undefined> {
    const key = sessionKey(owner, id);
    const change = {
      // The old generation stays readable in the answer, so that what was cleared can be counted without reading first.
      copy: { from: "generation", to: "previous" },
      set: { generation: mintGeneration(), activeAtMs: this.#clock.now() },
    };
    const written = await this.#writer.serial.run(key.pk + key.sk, () =>
      this.#writer.write(key, change, { mayCreate: false, ...(operation && { operation }) }),
    );
    if (written.outcome === "refused") throw new OperationForgotten(written.watermark);
    if (written.outcome !== "applied") return undefined;
    const { previous, amended } = written.entry.attributes;
    return { generation: String(previous), amended: Number(amended ?? 0) };
  }

  /** Leaves a tombstone for an hour. Resolves to the generation that has ended, or undefined when nothing was deleted. */
  async delete(owner: string, id: string, operation?: Operation): Promise<string | undefined> {
    const key = sessionKey(owner, id);
    const change = {
      bury: true as const,
      // The generation stays, so that a repeat of this delete can still sweep.
      remove: ["previous", "createdAtMs", "activeAtMs", "ttlSeconds", "hardEnd", "amended", "implied"],
      expiresAt: epochSeconds(this.#clock) + TOMBSTONE_SECONDS,
    };
    const written = await this.#writer.serial.run(key.pk + key.sk, () =>
      this.#writer.write(key, change, { mayCreate: false, ...(operation && { operation }) }),
    );
    if (written.outcome === "refused") throw new OperationForgotten(written.watermark);
    return written.outcome === "applied" ? String(written.entry.attributes.generation) : undefined;
  }

  /** All live sessions of a principal, latest activity first; at most the limit of sessions and a few that raced past it. */
  async list(owner: string): Promise<Session[]> {
    const sessions: Session[] = [];
    let after: string | undefined;
    do {
      const page = await this.#store.list(principalPartition(owner), {
        prefix: SESSION_PREFIX,
        limit: LIST_PAGE,
        ...(after && { after }),
      });
      for (const entry of page.entries) sessions.push(toSession(sessionIdOf(entry), entry));
      after = page.next;
    } while (after);
    return sessions.sort(byActivity);
  }

  async #checkRoom(owner: string, key: Key, implied: boolean, operation: Operation | undefined): Promise<void> {
    const kind = JSON.stringify([owner, implied]);
    const known = this.#room.get(kind) ?? 0;
    if (known > 0) {
      // The time of the count stays: what other instances have created since is not known here.
      this.#room.set(kind, known - 1, { noUpdateTTL: true });
      return;
    }
    const counted: Session[] = [];
    let after: string | undefined;
    do {
      // Tombstones fill a page and do not count, so one page is not always enough to know.
      const page = await this.#store.list(principalPartition(owner), {
        prefix: SESSION_PREFIX,
        limit: this.#maxPerPrincipal,
        ...(after && { after }),
      });
      for (const entry of page.entries)
        if (isImplied(entry) === implied) counted.push(toSession(sessionIdOf(entry), entry));
      after = page.next;
    } while (after && counted.length < this.#maxPerPrincipal);
    const room = this.#maxPerPrincipal - counted.length;
    if (room > 0) {
      this.#room.set(kind, Math.floor(room / ROOM_SHARES));
      return;
    }
    // A re-sent call may be the one that took the last place.
    if (operation && (await this.#store.get(key))?.slots[operation.slot]) return;
    const unused = counted.sort(byActivity).slice(-DELETABLE_SHOWN).reverse();
    const names = unused.map(({ id }) => JSON.stringify(id)).join(", ");
    throw new AppError(
      "conflict",
      implied
        ? `You have ${this.#maxPerPrincipal} sessions of connections, which is the limit, so this connection gets none of its own. Pass the session_id of a session that you named, or delete one with delete_session. Longest unused: ${names}.`
        : `You have ${this.#maxPerPrincipal} sessions, which is the limit. Delete one with delete_session. Longest unused: ${names}.`,
      { details: { limit: this.#maxPerPrincipal, longest_unused: unused.map(({ id }) => id) } },
    );
  }
}

const isImplied = (entry: Entry): boolean => entry.attributes.implied === true;
/** The latest used first. */
const byActivity = (a: Session, b: Session): number => b.activeAtMs - a.activeAtMs || (a.id < b.id ? -1 : 1);
const ownedId = (owner: string, id: string): string => JSON.stringify([owner, id]);
const sessionIdOf = (entry: Entry): string => decodeURIComponent(entry.key.sk.slice(SESSION_PREFIX.length));

function toSession(id: string, entry: Entry): Session {
  const { generation, createdAtMs, activeAtMs, ttlSeconds, hardEnd, amended } = entry.attributes;
  return {
    id,
    generation: String(generation),
    createdAtMs: Number(createdAtMs),
    activeAtMs: Number(activeAtMs),
    ttlSeconds: Number(ttlSeconds),
    expiresAt: entry.expiresAt,
    hardEnd: hardEnd ? Number(hardEnd) : undefined,
    amended: Number(amended ?? 0),
  };
}
