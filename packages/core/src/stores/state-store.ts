// The contract between what state means (src/state) and where it is kept (the other files of this folder).
// One method is one conditional request to one item. A store knows nothing of sessions, notes or principals.

/** Where an entry stands: partition and sort key, as built by state/keys.ts. */
export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/** An entry's own data: flat scalars. Structure is the business of src/state, which keeps it as JSON text. */
export type Attributes = Record<string, string | number | boolean>;

/**
 * Who writes, and when the write was created. A store applies each operation at most once, however often it is sent.
 * `slot` names the writer (a process, or one keyed call); a writer has one operation in flight per entry, and its
 * stamps only grow, so a slot that holds this stamp has applied it and one that holds a later stamp refuses it.
 */
export interface Operation {
  readonly slot: string;
  /** Creation time in milliseconds since the epoch, strictly growing per slot. */
  readonly stamp: number;
}

/** What an entry remembers of a writer's last operation. */
export interface Slot {
  readonly stamp: number;
  /** The entry's version after that operation. */
  readonly version: number;
  /** The incremented attribute's value after that operation, when it was an increment. */
  readonly result?: number;
}

/** What stands under a key. */
export interface Entry {
  readonly key: Key;
  readonly attributes: Attributes;
  /** Counts changes, from 1. */
  readonly version: number;
  /** Epoch seconds; absent: never expires. At or after this second the entry is gone for every operation. */
  readonly expiresAt?: number;
  /** The id given to the `create` that made it. */
  readonly createdBy?: string;
  readonly slots: Readonly<Record<string, Slot>>;
  /** Operations stamped at or before this are refused: what they did, if anything, has been forgotten. 0 at first. */
  readonly watermark: number;
  /** True for a tombstone or an expired entry. Only the answer to a write ever shows one. */
  readonly dead: boolean;
}

/** Who creates an entry, and how long it lives. */
export interface CreateOptions {
  /** Recorded as `createdBy`. A repeat that finds its own id, dead or alive, has been applied, and is answered as written. */
  id: string;
  /** Epoch seconds; absent: never. */
  expiresAt?: number | undefined;
}

/** Whether a `create` has written, and what stands there. */
export type CreateResult =
  | { readonly written: true; readonly entry: Entry; readonly repeated: boolean }
  /** `current` is what stands there; undefined when it has gone since. */
  | { readonly written: false; readonly current: Entry | undefined };

/** What an `update` does to an entry, all of it or nothing. */
export interface Change {
  set?: Attributes;
  remove?: readonly string[];
  /**
   * Adds to a numeric attribute; a missing one counts as 0. Refused when the attribute is present and not a number, or not one
   * from `from.min` to `from.max`.
   */
  increment?: {
    readonly attribute: string;
    readonly by: number;
    readonly from?: { readonly min: number; readonly max: number };
  };
  /** Epoch seconds; null: never; undefined: left as it is. */
  expiresAt?: number | null;
  /** Epoch seconds, for an entry that has no expiry of its own (a new one, or one that never expires). */
  expiresAtIfNone?: number;
  /** Copies an attribute's value from before the change to another name; refused when it is missing. */
  copy?: { readonly from: string; readonly to: string };
  /** Leaves a tombstone: the attributes named in `remove` go, slots and watermark stay. Give `expiresAt` for how long it stands. */
  bury?: true;
  /** Forgets these slots, if each still holds the given stamp, and raises the watermark to `watermark` (never lowers it). */
  forget?: { readonly slots: Readonly<Record<string, number>>; readonly watermark: number };
  /**
   * By how much the version grows; default 1. More than 1 for merged changes; 0 when the data stays as it is: for a live entry or
   * a burial only, because an entry that lives has version 1 or more.
   */
  versions?: number;
}

/** When an `update` may change an entry; every condition has to hold. */
export interface UpdateOptions {
  /**
   * Which states of the item the change applies to. `live`: exists, no tombstone, not expired. `live-or-missing`: also when
   * there is no item at all. `dead`: a tombstone or an expired entry, which the change brings back to life: an increment
   * starts from 0, `expiresAt` undefined means never, old attributes stay unless set or removed; slots, watermark and the
   * version's count stay.
   */
  on: "live" | "live-or-missing" | "dead";
  /** Absent only for changes that are idempotent by nature. */
  operation?: Operation;
  /** The live version must be exactly this; 0 means there must be no live entry. */
  version?: number;
  /** Each of these attributes must equal the given value. */
  match?: Attributes;
  /** This attribute must be missing or smaller than `value`, on a dead entry too: a fence. */
  rising?: { readonly attribute: string; readonly value: number };
}

/** Whether an `update` has been applied, by this request or an earlier one of the same operation. */
export type UpdateResult =
  /** `version` and `result` are those of this operation, also when it was `repeated` and the entry has moved on since. */
  | {
      readonly applied: true;
      readonly repeated: boolean;
      readonly version: number;
      readonly result?: number;
      readonly entry: Entry;
    }
  | {
      readonly applied: false;
      readonly current: Entry | undefined;
      /** An attempt before this refusal got no answer: it may still arrive, and be applied to what stands there then. */
      readonly straggler?: true;
    };

/** Which part of a partition a `list` returns. */
export interface ListOptions {
  /** Only sort keys that start with this. */
  prefix?: string;
  /** Strictly beyond this sort key, in the order of the listing. */
  after?: string;
  /** At most this many entries; a page may hold fewer (1 MB per request, expired entries dropped) and still have more behind it. */
  limit: number;
  order?: "ascending" | "descending";
}

/** A part of a partition's entries. */
export interface Page {
  readonly entries: readonly Entry[];
  /** The sort key to continue after; absent at the end. */
  readonly next?: string;
}

/** What was asked of a table that counts, since this was made: it only grows. */
export interface TableUse {
  requests: number;
  /** How often they were sent. */
  attempts: number;
  /** Capacity units, as far as the engine told them. */
  units: number;
}

/**
 * Errors: `AppError("unavailable")` when the table is throttled or cannot be reached within the store's bounds (it has
 * retried by then; whether a write took effect is unknown, and sending the same operation again is safe);
 * `AppError("too_large")` for an item over the engine's bound; `AppError("invalid_input")` for an increment whose sum the
 * engine cannot hold. Anything else is a bug, so mistakes of the caller (a number beyond 1e-130 to 1e126, `-0`, text that is
 * not well-formed Unicode, an attribute changed twice by one change, a key over 2048 and 1024 bytes) are plain RangeErrors.
 */
export interface StateStore {
  /** Strongly consistent. Dead entries are undefined. */
  get(key: Key): Promise<Entry | undefined>;
  /** Each of 1 to 100 different keys as `get` would find it, in the order asked for. One request, and no common moment. */
  getMany(keys: readonly Key[]): Promise<readonly (Entry | undefined)[]>;
  /**
   * Writes an entry at version 1 where nothing live stands: a tombstone and an expired entry count as absent, and go with their
   * slots and watermark.
   */
  create(key: Key, attributes: Attributes, options: CreateOptions): Promise<CreateResult>;
  update(key: Key, change: Change, options: UpdateOptions): Promise<UpdateResult>;
  /** Removes what stands there, dead or alive. True when something did. Not protected against a lost reply: for leases and sweeping. */
  delete(key: Key): Promise<boolean>;
  /** Strongly consistent, in sort-key order (UTF-8 bytes). Live entries only. */
  list(pk: string, options: ListOptions): Promise<Page>;
  /** Runs work and adds to `use` what it asks of the table. Absent where requests cost nothing to count. */
  measured?<T>(use: TableUse, work: () => T): T;
  /** Really asks the backend. Throws `unavailable` with the reason. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Whether an increment may be applied to what stands there. */
export const takesIncrement = (
  value: string | number | boolean | undefined,
  { from }: NonNullable<Change["increment"]>,
): boolean =>
  value === undefined ||
  (typeof value === "number" && (from === undefined || (value >= from.min && value <= from.max)));
