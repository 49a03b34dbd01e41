// Keeps entries in this process, with the semantics of the table: nothing is removed because it expired, so that every
// reader and writer has to treat dead entries as the contract says. Knows no rule and nothing of the AWS SDK.
import { type Clock, systemClock } from "../clock.ts";
import { type OrderedTable, OrderedTableStore, type Row, type StoredEntry } from "./ordered-table-store.ts";
import type { Key, ListOptions } from "./state-store.ts";

/** State in this process's memory, gone when it ends: for tests and trials. */
export class MemoryStore extends OrderedTableStore {
  constructor(options: { clock?: Clock } = {}) {
    const table = new MemoryTable();
    super({ read: async (look) => look(table), change: async (apply) => apply(table) }, options.clock ?? systemClock);
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}
}

/** As deep as an entry is. `structuredClone` does the same and takes ten times as long, which every look would pay. */
function copied<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copied) as T;
  if (Object.getPrototypeOf(value) !== Object.prototype) return structuredClone(value);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copied(member)])) as T;
}

class MemoryTable implements OrderedTable {
  readonly #partitions = new Map<string, Partition>();

  get({ pk, sk }: Key): StoredEntry | undefined {
    return copied(this.#partitions.get(pk)?.get(sk)?.entry);
  }

  set(entry: StoredEntry, bytes: number): void {
    const { pk, sk } = entry.key;
    const partition = this.#partitions.get(pk) ?? new Partition();
    this.#partitions.set(pk, partition);
    partition.set(sk, { entry: copied(entry), bytes });
  }

  delete({ pk, sk }: Key): boolean {
    const partition = this.#partitions.get(pk);
    const deleted = partition?.delete(sk) ?? false;
    if (partition?.isEmpty) this.#partitions.delete(pk);
    return deleted;
  }

  *walk(pk: string, options: ListOptions): Generator<Row> {
    for (const row of this.#partitions.get(pk)?.walk(options) ?? []) yield copied(row);
  }
}

/** One partition's entries, kept in the order of their sort keys' UTF-8 bytes. */
class Partition {
  readonly #entries = new Map<string, Row>();
  readonly #order: string[] = [];

  get isEmpty(): boolean {
    return this.#order.length === 0;
  }

  get(sk: string): Row | undefined {
    return this.#entries.get(sk);
  }

  set(sk: string, entry: Row): void {
    if (!this.#entries.has(sk))
      this.#order.splice(
        this.#position((other) => !isBefore(other, sk)),
        0,
        sk,
      );
    this.#entries.set(sk, entry);
  }

  delete(sk: string): boolean {
    const deleted = this.#entries.delete(sk);
    if (deleted)
      this.#order.splice(
        this.#position((other) => !isBefore(other, sk)),
        1,
      );
    return deleted;
  }

  *walk({ prefix = "", after, order }: ListOptions): Generator<Row> {
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
