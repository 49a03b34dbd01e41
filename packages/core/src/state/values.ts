// A session's key-value entries: any JSON, with versions, atomic increments and their own optional expiry.
import { type Clock, epochSeconds } from "../clock.ts";
import { AppError } from "../errors.ts";
import { decimalOf } from "../json.ts";
import { KEY_MAX_BYTES, PAGE_MAX_BYTES } from "../limits.ts";
import type { Attributes, Change, Entry, Operation, StateStore } from "../stores/state-store.ts";
import { byteLength, composed, cutText, hasInvisible, sentBytes } from "../text.ts";
import { type Blobs, type Placed, textAtHand } from "./blobs.ts";
import { badCursor, decodeCursor, encodeCursor } from "./cursor.ts";
import {
  type EntryWriter,
  OperationForgotten,
  TOMBSTONE_SECONDS,
  unknownOutcome,
  type WriteOutcome,
} from "./entry-writer.ts";
import { sessionPartition, valueKey, valueNameOf, valuesPrefix } from "./keys.ts";
import type { Session } from "./sessions.ts";
import type { ValueRoom } from "./value-room.ts";

/** Anything JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface StoredValue {
  readonly value: Json;
  readonly version: number;
}

/** A value in a listing: what is known of it without reading it whole. */
export interface ListedValue {
  readonly key: string;
  readonly version: number;
  /** UTF-8 bytes of its JSON. */
  readonly bytes: number;
  /** The beginning of its JSON; undefined where that is kept apart from the entry. */
  readonly preview: string | undefined;
  /** Epoch seconds; undefined: never. */
  readonly expiresAt: number | undefined;
  /** Who wrote it last, with which client and when; undefined for one that was written before this was kept. */
  readonly written: { readonly atMs: number; readonly author: string; readonly client: string } | undefined;
}

export interface ValuesPage {
  readonly values: readonly ListedValue[];
  readonly nextCursor?: string;
}

/** Unicode characters of a value that a listing shows. */
const PREVIEW_LENGTH = 200;
/** One attribute for both forms, so that the type of what stands there is the condition that protects an increment. */
const VALUE = "value";

/**
 * A value's key as it is stored: two spellings that look alike (NFC and NFD) are one key.
 * @throws AppError `invalid_input` for a key that cannot be stored, or holds what a person cannot see.
 */
export function valueKeyOf(given: string): string {
  const key = composed(given);
  const bytes = byteLength(key);
  if (key !== "" && bytes <= KEY_MAX_BYTES && key.isWellFormed() && !hasInvisible(key)) return key;
  throw new AppError(
    "invalid_input",
    `key must be 1 to ${KEY_MAX_BYTES} bytes of valid Unicode without invisible characters; this one has ${bytes} bytes.`,
  );
}

/** A number that DynamoDB holds exactly; others are kept as JSON text and cannot be incremented. */
const fitsNumber = (value: Json): value is number =>
  typeof value === "number" && (value === 0 || (Math.abs(value) >= 1e-128 && Math.abs(value) < 1e125));

const isNumber = (entry: Entry): boolean => typeof entry.attributes[VALUE] === "number";

/**
 * From which numbers a sum is still one that JSON readers hold exactly: whole ones up to 2^53 - 1; with decimals, as many digits as a
 * double always keeps.
 */
function exactRange(by: number): { min: number; max: number } {
  const decimals = Number.isInteger(by) ? 0 : Math.max(0, -(decimalOf(String(by))?.exponent ?? 0));
  const most = decimals === 0 ? Number.MAX_SAFE_INTEGER : Math.max(10 ** (15 - decimals), 1e-128);
  return { min: -most - by + 0, max: most - by + 0 };
}

/** What an entry says about who wrote its value last. */
const provenance = ({ subject, client, atMs }: ValueAuthor, clock: Clock): Attributes => ({
  at: atMs ?? clock.now(),
  by: subject,
  client,
});

/** Who writes a value, with which client program; `atMs` where it was not now. */
export interface ValueAuthor {
  readonly subject: string;
  readonly client: string;
  readonly atMs?: number;
}

interface Batch {
  readonly by: number[];
  readonly done: Promise<WriteOutcome>;
}

export class Values {
  readonly #store: StateStore;
  readonly #writer: EntryWriter;
  readonly #clock: Clock;
  readonly #blobs: Blobs;
  readonly #batches = new Map<string, Batch>();
  readonly #room: ValueRoom;

  constructor(options: { store: StateStore; blobs: Blobs; writer: EntryWriter; clock: Clock; room: ValueRoom }) {
    this.#room = options.room;
    this.#store = options.store;
    this.#writer = options.writer;
    this.#clock = options.clock;
    this.#blobs = options.blobs;
  }

  /** `known`: what stands there, where it has been read already. */
  async get(
    owner: string,
    session: Session,
    given: string,
    known?: { entry: Entry | undefined },
  ): Promise<StoredValue | undefined> {
    const key = valueKeyOf(given);
    const { entry } = known ?? { entry: await this.#store.get(valueKey(owner, session.id, session.generation, key)) };
    const read = entry && (await this.#blobs.read(entry, VALUE, `The value of ${JSON.stringify(key)}`));
    return read && { value: JSON.parse(read.text) as Json, version: read.entry.version };
  }

  /** @throws AppError `conflict` with `current_version` when `ifVersion` does not hold (0: must not exist), `too_large`. */
  async set(
    owner: string,
    session: Session,
    given: string,
    value: Json,
    options: {
      ifVersion?: number | undefined;
      ttlSeconds?: number | undefined;
      /** The value ends when it would have ended. */
      keepTtl?: boolean | undefined;
      by: ValueAuthor;
      operation?: Operation | undefined;
    },
  ): Promise<{ version: number }> {
    const key = valueKeyOf(given);
    await this.#room.check(owner, session, key);
    // Adding 0 turns -0, which the engine does not know, into 0.
    const placed: Placed = fitsNumber(value)
      ? { attributes: { [VALUE]: value + 0 } }
      : await this.#blobs.prepare(sessionPartition(owner, session.id), VALUE, JSON.stringify(value));
    const set = { ...placed.attributes, ...provenance(options.by, this.#clock) };
    const change: Change = {
      set,
      ...(options.keepTtl ? endIfNone(session) : { expiresAt: this.#expiresAt(session, options.ttlSeconds) }),
    };
    const written = await this.#write(owner, session, key, change, {
      mayCreate: true,
      ...(options.ifVersion !== undefined && { version: options.ifVersion }),
      ...(options.operation && { operation: options.operation }),
    });
    const { ifVersion = 0 } = options;
    if (written.outcome === "applied") this.#blobs.deleteUnreferenced(written.entry, placed);
    // Refused for a version that has not come yet, a late copy of the write could still apply: then its blob must be there.
    else if (written.outcome !== "missing" && (written.outcome === "refused" || written.current.version > ifVersion))
      this.#blobs.deleteUnreferenced(written.current, placed);
    if (written.outcome !== "applied") throw versionConflict(key, options.ifVersion, written);
    this.#room.stored(owner, session, written.version);
    return { version: written.version };
  }

  /** True when a live value was deleted. @throws AppError `conflict` when `ifVersion` does not hold. */
  async delete(
    owner: string,
    session: Session,
    given: string,
    options: { ifVersion?: number | undefined; operation?: Operation | undefined } = {},
  ): Promise<boolean> {
    const key = valueKeyOf(given);
    const expiresAt = epochSeconds(this.#clock) + TOMBSTONE_SECONDS;
    const written = await this.#write(
      owner,
      session,
      key,
      { bury: true, remove: [VALUE, "at", "by", "client"], expiresAt },
      {
        mayCreate: false,
        ...(options.ifVersion !== undefined && { version: options.ifVersion }),
        ...(options.operation && { operation: options.operation }),
      },
    );
    if (written.outcome === "applied") {
      this.#blobs.deleteUnreferenced(written.entry);
      return true;
    }
    if (written.outcome === "missing" && !options.ifVersion) return false;
    throw versionConflict(key, options.ifVersion, written);
  }

  /**
   * Adds to a number atomically; a missing key counts as 0. Increments of one key that arrive together in this process are
   * written as one, and each is answered as if it had been alone.
   * @throws AppError `conflict` when the value is not a number, `invalid_input` when the engine cannot hold `by` or the sum.
   */
  async increment(
    owner: string,
    session: Session,
    given: string,
    by: number,
    author: ValueAuthor,
    operation?: Operation,
  ): Promise<{ value: number; version: number }> {
    const key = valueKeyOf(given);
    if (!fitsNumber(by))
      throw new AppError("invalid_input", `by must be 0 or between 1e-128 and 1e125 in size; ${by} was given.`);
    await this.#room.check(owner, session, key);
    const place = valueKey(owner, session.id, session.generation, key);
    const write = async (sum: number, versions: number) => {
      const written = await this.#writer.write(
        place,
        {
          increment: { attribute: VALUE, by: sum + 0, from: exactRange(sum) }, // As above, for -0.
          set: provenance(author, this.#clock),
          versions,
          ...endIfNone(session),
        },
        { mayCreate: true, ...(operation && { operation }) },
      );
      if (written.outcome === "applied") {
        this.#blobs.deleteUnreferenced(written.entry);
        this.#room.stored(owner, session, written.version - versions + 1);
      }
      return written;
    };
    const serialKey = place.pk + place.sk;
    if (operation || !Number.isSafeInteger(by)) {
      const written = await this.#writer.serial.run(serialKey, () => write(by, 1));
      return incremented(key, written, 0, 0);
    }
    let batch = this.#batches.get(serialKey);
    if (!batch) {
      const members: number[] = [];
      const done = this.#writer.serial.run(serialKey, () => {
        this.#batches.delete(serialKey); // A write that comes now belongs to the next batch.
        return write(
          members.reduce((sum, one) => sum + one, 0),
          members.length,
        );
      });
      batch = { by: members, done };
      this.#batches.set(serialKey, batch);
    }
    const { by: members, done } = batch;
    const position = members.push(by);
    const written = await done;
    // Together they went too far; alone this one may not.
    if (written.outcome === "conflict" && members.length > 1 && isNumber(written.current))
      return incremented(key, await this.#writer.serial.run(serialKey, () => write(by, 1)), 0, 0);
    const later = members.slice(position);
    return incremented(
      key,
      written,
      later.reduce((sum, one) => sum + one, 0),
      later.length,
    );
  }

  /** A page of at most `limit` values and 64 KiB as sent: of their keys and versions, or of all that is known with `details`. */
  async list(
    owner: string,
    session: Session,
    options: { prefix: string; cursor?: string | undefined; limit: number; details?: boolean },
  ): Promise<ValuesPage> {
    if (!options.prefix.isWellFormed() || byteLength(options.prefix) > KEY_MAX_BYTES)
      throw new AppError("invalid_input", `prefix must be at most ${KEY_MAX_BYTES} bytes of valid Unicode.`);
    const all = valuesPrefix(session.generation);
    let after: string | undefined;
    if (options.cursor !== undefined) {
      const [generation, position] = decodeCursor(options.cursor, ["string", "string"]);
      if (generation !== session.generation || byteLength(position) > 3 * KEY_MAX_BYTES) throw badCursor();
      after = all + position;
    }
    const page = await this.#store.list(sessionPartition(owner, session.id), {
      prefix: valuesPrefix(session.generation, composed(options.prefix)),
      limit: options.limit + 1,
      ...(after && { after }),
    });
    const values: ListedValue[] = [];
    let bytes = 0;
    let last: string | undefined;
    for (const entry of page.entries) {
      const value = listed(entry);
      bytes += sentBytes(options.details ? value : { key: value.key, version: value.version });
      if (values.length === options.limit || (bytes > PAGE_MAX_BYTES && last !== undefined)) break;
      values.push(value);
      last = entry.key.sk;
    }
    const next = page.entries.length > values.length ? last : page.next;
    return { values, ...(next && { nextCursor: encodeCursor([session.generation, next.slice(all.length)]) }) };
  }

  async #write(
    owner: string,
    session: Session,
    key: string,
    change: Change,
    options: { mayCreate: boolean; version?: number; operation?: Operation },
  ): Promise<WriteOutcome> {
    const place = valueKey(owner, session.id, session.generation, key);
    return this.#writer.serial.run(place.pk + place.sk, () => this.#writer.write(place, change, options));
  }

  #expiresAt(session: Session, ttlSeconds: number | undefined): number | null {
    if (ttlSeconds === undefined) return session.hardEnd ?? null;
    return Math.min(epochSeconds(this.#clock) + ttlSeconds, session.hardEnd ?? Number.POSITIVE_INFINITY);
  }
}

function listed(entry: Entry): ListedValue {
  const { at, by, client } = entry.attributes;
  const { bytes, text } = textAtHand(entry, VALUE);
  return {
    key: valueNameOf(entry.key.sk),
    version: entry.version,
    bytes,
    expiresAt: entry.expiresAt,
    preview: text === undefined ? undefined : cutText(text, PREVIEW_LENGTH),
    written: at === undefined ? undefined : { atMs: Number(at), author: String(by), client: String(client) },
  };
}

function incremented(
  key: string,
  written: WriteOutcome,
  later: number,
  laterCount: number,
): { value: number; version: number } {
  if (written.outcome === "refused") throw new OperationForgotten(written.watermark);
  if (written.outcome === "conflict" && isNumber(written.current))
    throw new AppError(
      "conflict",
      `The value of ${JSON.stringify(key)} is ${written.current.attributes[VALUE]}, and the sum would have more digits than a JSON number keeps exactly (whole numbers up to ${Number.MAX_SAFE_INTEGER}). Nothing was added.`,
      { details: { current_version: written.current.version } },
    );
  if (written.outcome === "conflict")
    throw new AppError(
      "conflict",
      `The value of ${JSON.stringify(key)} is not a number, so nothing can be added to it.`,
      {
        details: { current_version: written.current.version },
      },
    );
  if (written.outcome === "missing" || written.result === undefined) throw unknownOutcome();
  const value = written.result - later;
  // The engine adds in decimal; taking off what came later must not bring binary noise back.
  return {
    value: Number.isInteger(value) ? value : Number(value.toPrecision(15)),
    version: written.version - laterCount,
  };
}

function versionConflict(key: string, expected: number | undefined, written: WriteOutcome): Error {
  if (written.outcome === "refused") return new OperationForgotten(written.watermark);
  const current = written.outcome === "conflict" ? written.current.version : 0;
  return new AppError(
    "conflict",
    `${JSON.stringify(key)} is at version ${current}, not ${expected}${current === 0 ? " (0: it does not exist)" : ""}. Read it again with get_value and decide.`,
    { details: { current_version: current } },
  );
}

/** An entry keeps its end; one that has none ends with its session. */
const endIfNone = ({ hardEnd }: Session): Pick<Change, "expiresAtIfNone"> =>
  hardEnd === undefined ? {} : { expiresAtIfNone: hardEnd };
