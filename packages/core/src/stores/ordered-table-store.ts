// The contract of a store over any ordered table that this process can look into: the rules of every write, once, for memory and
// for disk. The same clauses in the same order as in dynamodb-conditions.ts. Knows no file and no SDK.
import { type Clock, epochSeconds } from "../clock.ts";
import {
  isExpired,
  isStorableNumber,
  requireAttributes,
  requireChange,
  requireEntryFits,
  requireEpochSeconds,
  requireKey,
  requireKeys,
  requireListing,
  sumOutOfRange,
  toItem,
} from "./dynamodb-layout.ts";
import {
  type Attributes,
  type Change,
  type CreateOptions,
  type CreateResult,
  type Entry,
  type Key,
  type ListOptions,
  type Page,
  type Slot,
  type StateStore,
  takesIncrement,
  type UpdateOptions,
  type UpdateResult,
} from "./state-store.ts";

/** An entry as a table keeps it: its tombstone flag is a fact, its expiry a matter of the clock. */
export interface StoredEntry extends Omit<Entry, "dead"> {
  readonly buried: boolean;
}

/** What a listing reads: an entry and its size in bytes as DynamoDB counts it. */
export interface Row {
  readonly entry: StoredEntry;
  readonly bytes: number;
}

/** Entries in the order of their keys' UTF-8 bytes. What is given to it and what it gives is not shared with anyone. */
export interface OrderedTable {
  get(key: Key): StoredEntry | undefined;
  set(entry: StoredEntry, bytes: number): void;
  /** False when nothing stood there. */
  delete(key: Key): boolean;
  walk(pk: string, options: ListOptions): Iterable<Row>;
}

/** How a table is reached: reads see what is committed; a change is applied whole, alone and durably, or not at all. */
export interface TableAccess {
  read<T>(look: (table: OrderedTable) => T): Promise<T>;
  change<T>(apply: (table: OrderedTable) => T): Promise<T>;
}

/** One Query answers at most this much. */
const MAX_PAGE_BYTES = 1024 * 1024;

const nothing = { attributes: {}, version: 0, slots: {}, watermark: 0, buried: false } as const;

export abstract class OrderedTableStore implements StateStore {
  readonly #access: TableAccess;
  readonly #clock: Clock;

  constructor(access: TableAccess, clock: Clock) {
    this.#access = access;
    this.#clock = clock;
  }

  async get(key: Key): Promise<Entry | undefined> {
    requireKey(key);
    const entry = await this.#access.read((table) => this.#look(table, key));
    return entry?.dead ? undefined : entry;
  }

  async getMany(keys: readonly Key[]): Promise<readonly (Entry | undefined)[]> {
    requireKeys(keys);
    const entries = await this.#access.read((table) => keys.map((key) => this.#look(table, key)));
    return entries.map((entry) => (entry?.dead ? undefined : entry));
  }

  async create(key: Key, attributes: Attributes, options: CreateOptions): Promise<CreateResult> {
    requireKey(key);
    requireAttributes(attributes);
    requireEpochSeconds(options.expiresAt);
    const { id: createdBy } = options;
    const entry = { ...nothing, key, attributes, version: 1, createdBy, ...expiry(options.expiresAt) };
    return this.#access.change((table): CreateResult => {
      const current = this.#look(table, key);
      if (current?.createdBy === createdBy) return { written: true, entry: current, repeated: true };
      if (current && !current.dead) return { written: false, current };
      return { written: true, entry: this.#write(table, entry), repeated: false };
    });
  }

  async update(key: Key, change: Change, options: UpdateOptions): Promise<UpdateResult> {
    requireKey(key);
    requireChange(change, options);
    const { operation } = options;
    return this.#access.change((table): UpdateResult => {
      const current = this.#look(table, key);
      const slot = operation && own(current?.slots, operation.slot);
      if (current && slot && slot.stamp === operation?.stamp)
        return { applied: true, repeated: true, entry: current, ...outcome(slot) };
      if (!admits(current, change, options)) return { applied: false, current };
      const { changed, done } = apply(current, key, change, options);
      return { applied: true, repeated: false, entry: this.#write(table, changed), ...done };
    });
  }

  async delete(key: Key): Promise<boolean> {
    requireKey(key);
    return this.#access.change((table) => table.delete(key));
  }

  async list(pk: string, options: ListOptions): Promise<Page> {
    requireListing(pk, options);
    return this.#access.read((table) => {
      const entries: Entry[] = [];
      let seen = 0;
      let bytes = 0;
      for (const row of table.walk(pk, options)) {
        seen += 1;
        bytes += row.bytes;
        const entry = this.#show(row.entry);
        if (!entry.dead) entries.push(entry);
        // Like DynamoDB, which does not look beyond a full page: there may turn out to be nothing behind it.
        if (seen === options.limit || bytes >= MAX_PAGE_BYTES) return { entries, next: row.entry.key.sk };
      }
      return { entries };
    });
  }

  abstract ping(): Promise<void>;
  abstract close(): Promise<void>;

  #look(table: OrderedTable, key: Key): Entry | undefined {
    const stored = table.get(key);
    return stored && this.#show(stored);
  }

  #show({ buried, ...entry }: StoredEntry): Entry {
    return { ...entry, dead: buried || isExpired(entry.expiresAt, epochSeconds(this.#clock)) };
  }

  /** The last thing a change does, so that one that throws has written nothing. */
  #write(table: OrderedTable, entry: StoredEntry): Entry {
    table.set(entry, requireEntryFits(toItem(entry)));
    return this.#show(entry);
  }
}

/** What an admitted change makes of what stands there. */
function apply(
  current: Entry | undefined,
  key: Key,
  change: Change,
  { on, operation }: UpdateOptions,
): { changed: StoredEntry; done: Omit<Slot, "stamp"> } {
  const revived = on === "dead";
  const version = (current?.version ?? 0) + (change.versions ?? 1);
  const result = change.increment && sum(revived ? undefined : current, change.increment);
  const done: Omit<Slot, "stamp"> = { version, ...(result === undefined ? {} : { result }) };
  const slot: [string, Slot] | undefined = operation && [operation.slot, { stamp: operation.stamp, ...done }];
  const changed = {
    key,
    attributes: changedAttributes(current?.attributes ?? {}, change, result),
    version,
    ...expiry(changedExpiry(revived ? undefined : current?.expiresAt, change)),
    ...(current?.createdBy === undefined ? {} : { createdBy: current.createdBy }),
    slots: changedSlots(current?.slots ?? {}, change, slot),
    watermark: change.forget?.watermark ?? current?.watermark ?? 0,
    buried: change.bury === true,
  };
  return { changed, done };
}

const own = <T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  record && Object.hasOwn(record, name) ? record[name] : undefined;

const expiry = (expiresAt: number | undefined) => (expiresAt === undefined ? {} : { expiresAt });

const outcome = ({ stamp: _, ...done }: Slot): Omit<Slot, "stamp"> => done;

const matches = (entry: Entry | undefined, match: Attributes = {}): boolean =>
  Object.entries(match).every(([name, value]) => own(entry?.attributes, name) === value);

/** Whether the change applies to what stands there: the same clauses, in the same order, as in dynamodb-conditions.ts. */
function admits(
  current: Entry | undefined,
  change: Change,
  { on, operation, version, match, rising }: UpdateOptions,
): boolean {
  const live = current !== undefined && !current.dead;
  const dead = current?.dead === true;
  if (on === "live" ? !live : on === "dead" ? !dead : dead) return false;
  if (version === 0 ? live : version !== undefined && !(live && current.version === version)) return false;
  if (!matches(current, match)) return false;
  if (rising) {
    const value = own(current?.attributes, rising.attribute);
    if (value !== undefined && !(typeof value === "number" && value < rising.value)) return false;
  }
  if (operation && operation.stamp <= (own(current?.slots, operation.slot)?.stamp ?? 0)) return false;
  if (operation && operation.stamp <= (current?.watermark ?? 0)) return false;
  if (change.increment && on !== "dead") {
    if (!takesIncrement(own(current?.attributes, change.increment.attribute), change.increment)) return false;
  }
  if (change.copy && own(current?.attributes, change.copy.from) === undefined) return false;
  if (change.forget) {
    if ((current?.watermark ?? 0) > change.forget.watermark) return false;
    for (const [name, stamp] of Object.entries(change.forget.slots)) {
      if (own(current?.slots, name)?.stamp !== stamp) return false;
    }
  }
  return true;
}

function changedExpiry(before: number | undefined, change: Change): number | undefined {
  if (change.expiresAt !== undefined) return change.expiresAt ?? undefined;
  return before ?? change.expiresAtIfNone;
}

function changedAttributes(before: Attributes, change: Change, result: number | undefined): Attributes {
  const attributes = new Map(Object.entries(before));
  const copied = change.copy && own(before, change.copy.from);
  if (change.copy && copied !== undefined) attributes.set(change.copy.to, copied);
  for (const name of change.remove ?? []) attributes.delete(name);
  for (const [name, value] of Object.entries(change.set ?? {})) attributes.set(name, value);
  if (change.increment && result !== undefined) attributes.set(change.increment.attribute, result);
  return Object.fromEntries(attributes);
}

function changedSlots(before: Entry["slots"], change: Change, written: [string, Slot] | undefined): Entry["slots"] {
  const slots = new Map(Object.entries(before));
  for (const name of Object.keys(change.forget?.slots ?? {})) slots.delete(name);
  if (written) slots.set(...written);
  return Object.fromEntries(slots);
}

/**
 * Adds as the table does, in decimal: 0.1 + 0.2 is 0.3. Each sum is then kept as a double, where the table keeps up to
 * 38 digits: the two part beyond 2^53 or about 15 digits.
 */
function sum(entry: Entry | undefined, increment: { attribute: string; by: number }): number {
  const before = own(entry?.attributes, increment.attribute);
  const terms = [typeof before === "number" ? before : 0, increment.by].map(decimal);
  const exponent = Math.min(...terms.map((term) => term.exponent));
  const digits = terms.reduce((total, term) => total + term.digits * 10n ** BigInt(term.exponent - exponent), 0n);
  const result = Number(`${digits}e${exponent}`);
  const significant = digits.toString().replace(/^-|0+$/g, "").length;
  if (significant <= 38 && isStorableNumber(result)) return result;
  throw sumOutOfRange();
}

function decimal(value: number): { digits: bigint; exponent: number } {
  const [mantissa = "0", exponent = "0"] = value.toExponential().split("e");
  const [whole = "0", fraction = ""] = mantissa.split(".");
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}
