// Keeps entries in this process, with the semantics of the table: nothing is removed because it expired, so that every
// reader and writer has to treat dead entries as the contract says. Knows nothing of the AWS SDK.
import { type Clock, epochSeconds, systemClock } from "../clock.ts";
import {
  isExpired,
  isStorableNumber,
  requireAttributes,
  requireChange,
  requireEpochSeconds,
  requireItemFits,
  requireKey,
  requireListing,
  sumOutOfRange,
  toItem,
} from "./dynamodb-layout.ts";
import {
  type Attributes,
  type Change,
  type DeleteOptions,
  type Entry,
  type Key,
  type ListOptions,
  type Page,
  type PutOptions,
  type PutResult,
  type Slot,
  type StateStore,
  takesIncrement,
  type UpdateOptions,
  type UpdateResult,
} from "./state-store.ts";

/** What the table would hold: an entry whose tombstone flag is a fact and whose expiry is a matter of the clock. */
interface Stored extends Omit<Entry, "dead"> {
  readonly buried: boolean;
  readonly bytes: number;
}

/** One Query answers at most this much. */
const MAX_PAGE_BYTES = 1024 * 1024;

const nothing = { attributes: {}, version: 0, slots: {}, watermark: 0, buried: false } as const;

/** State in this process's memory, gone when it ends: for tests and trials. */
export class MemoryStore implements StateStore {
  readonly #clock: Clock;
  readonly #partitions = new Map<string, Partition>();

  constructor(options: { clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  async get(key: Key): Promise<Entry | undefined> {
    requireKey(key);
    const entry = this.#look(key);
    return entry?.dead ? undefined : entry;
  }

  async put(key: Key, attributes: Attributes, options: PutOptions): Promise<PutResult> {
    requireKey(key);
    requireAttributes(attributes);
    requireEpochSeconds(options.expiresAt);
    const current = this.#look(key);
    if (current?.createdBy === options.id) return { written: true, entry: current, repeated: true };
    const liveVersion = current === undefined || current.dead ? undefined : current.version;
    if (liveVersion !== (options.if === "absent" ? undefined : options.if.version)) return { written: false, current };
    const entry = this.#write({
      ...nothing,
      key,
      attributes,
      version: (liveVersion ?? 0) + 1,
      createdBy: options.id,
      ...expiry(options.expiresAt),
    });
    return { written: true, entry, repeated: false };
  }

  async update(key: Key, change: Change, options: UpdateOptions): Promise<UpdateResult> {
    requireKey(key);
    requireChange(change, options);
    const current = this.#look(key);
    const { operation } = options;
    const slot = operation && own(current?.slots, operation.slot);
    if (current && slot && slot.stamp === operation?.stamp) {
      return { applied: true, repeated: true, entry: current, ...outcome(slot) };
    }
    if (!admits(current, change, options)) return { applied: false, current };
    const revived = options.on === "dead";
    const version = (current?.version ?? 0) + (change.versions ?? 1);
    const result = change.increment && sum(revived ? undefined : current, change.increment);
    const done: Omit<Slot, "stamp"> = { version, ...(result === undefined ? {} : { result }) };
    const entry = this.#write({
      key,
      attributes: changedAttributes(current?.attributes ?? {}, change, result),
      version,
      ...expiry(changedExpiry(revived ? undefined : current?.expiresAt, change)),
      ...(current?.createdBy === undefined ? {} : { createdBy: current.createdBy }),
      slots: changedSlots(
        current?.slots ?? {},
        change,
        operation && [operation.slot, { stamp: operation.stamp, ...done }],
      ),
      watermark: change.forget?.watermark ?? current?.watermark ?? 0,
      buried: change.bury === true,
    });
    return { applied: true, repeated: false, entry, ...done };
  }

  async delete(key: Key, options: DeleteOptions = {}): Promise<boolean> {
    requireKey(key);
    requireAttributes(options.match ?? {});
    const current = this.#look(key);
    if (!current) return false;
    const { version, match } = options;
    if ((version !== undefined || match) && current.dead) return false;
    if ((version !== undefined && current.version !== version) || !matches(current, match)) return false;
    const partition = this.#partitions.get(key.pk);
    partition?.delete(key.sk);
    if (partition?.isEmpty) this.#partitions.delete(key.pk);
    return true;
  }

  async list(pk: string, options: ListOptions): Promise<Page> {
    requireListing(pk, options);
    const entries: Entry[] = [];
    let seen = 0;
    let bytes = 0;
    for (const stored of this.#partitions.get(pk)?.walk(options) ?? []) {
      if (seen === options.limit || bytes >= MAX_PAGE_BYTES) break;
      seen += 1;
      bytes += stored.bytes;
      const entry = this.#show(stored);
      if (!entry.dead) entries.push(entry);
      // Like the table, which does not look beyond a full page: there may turn out to be nothing behind it.
      if (seen === options.limit || bytes >= MAX_PAGE_BYTES) return { entries, next: stored.key.sk };
    }
    return { entries };
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}

  #look(key: Key): Entry | undefined {
    const stored = this.#partitions.get(key.pk)?.get(key.sk);
    return stored && this.#show(stored);
  }

  /** A copy: nobody outside can reach what is stored. */
  #show({ buried, bytes: _, ...entry }: Stored): Entry {
    const dead = buried || isExpired(entry.expiresAt, epochSeconds(this.#clock));
    return structuredClone({ ...entry, dead });
  }

  #write(entry: Omit<Stored, "bytes">): Entry {
    const bytes = requireItemFits(toItem(entry));
    const stored = structuredClone({ ...entry, bytes });
    const partition = this.#partitions.get(entry.key.pk) ?? new Partition();
    this.#partitions.set(entry.key.pk, partition);
    partition.set(entry.key.sk, stored);
    return this.#show(stored);
  }
}

/** One partition's entries, kept in the order of their sort keys' UTF-8 bytes. */
class Partition {
  readonly #entries = new Map<string, Stored>();
  readonly #order: string[] = [];

  get isEmpty(): boolean {
    return this.#order.length === 0;
  }

  get(sk: string): Stored | undefined {
    return this.#entries.get(sk);
  }

  set(sk: string, entry: Stored): void {
    if (!this.#entries.has(sk))
      this.#order.splice(
        this.#position((other) => !isBefore(other, sk)),
        0,
        sk,
      );
    this.#entries.set(sk, entry);
  }

  delete(sk: string): void {
    if (this.#entries.delete(sk))
      this.#order.splice(
        this.#position((other) => !isBefore(other, sk)),
        1,
      );
  }

  *walk({ prefix = "", after, order }: ListOptions): Generator<Stored> {
    const beyondPrefix = (sk: string) => !isBefore(sk, prefix) && !sk.startsWith(prefix);
    let first = this.#position((sk) => !isBefore(sk, prefix));
    let last = this.#position(beyondPrefix) - 1;
    if (after !== undefined && order === "descending")
      last = Math.min(last, this.#position((sk) => !isBefore(sk, after)) - 1);
    if (after !== undefined && order !== "descending")
      first = Math.max(
        first,
        this.#position((sk) => isBefore(after, sk)),
      );
    const found = this.#order.slice(first, last + 1);
    for (const sk of order === "descending" ? found.reverse() : found) {
      const entry = this.#entries.get(sk);
      if (entry) yield entry;
    }
  }

  /** The first position whose sort key is `far`; all behind it are. */
  #position(far: (sk: string) => boolean): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (far(this.#order[middle] ?? "")) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** In UTF-8 bytes, which is not the order of JavaScript's `<`: that one puts emoji before U+E000. */
const isBefore = (a: string, b: string): boolean => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;

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
