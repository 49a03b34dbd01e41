// A dense append-only log: entry n+1 is put if absent, so there are no gaps, the count is the last sequence, and nothing is
// inserted behind a reader's cursor. Knows positions and operations, not what the entries say.
import { LRUCache } from "lru-cache";
import { AppError } from "../errors.ts";
import type { Attributes, Entry, StateStore } from "../stores/state-store.ts";
import { atMost } from "./bounded.ts";
import { sequenceText } from "./keys.ts";
import { Serial } from "./serial.ts";

/** Where one log's entries stand: their partition and the sort-key prefix before the sequence. */
export interface LogPlace {
  readonly pk: string;
  readonly prefix: string;
}

export interface LogEntry {
  readonly sequence: number;
  readonly attributes: Attributes;
}

export interface AppendOptions {
  /** The operation's id; a repeat finds the entry that carries it. */
  id: string;
  expiresAt?: number | undefined;
  /** Refused (`too_large`) beyond this many entries. */
  maxEntries: number;
  /** For a re-sent operation: the tail its first attempt saw. Every position from there on is looked at before it is passed. */
  fromTail?: number | undefined;
}

const HINTS_MAX = 10_000;
/** After so many lost races at one position after the other, ask for the tail instead. */
const STEPS_BEFORE_LOOK = 3;
const READ_PAGE = 100;

export class DenseLog {
  readonly #store: StateStore;
  // A hint may be stale: the condition on the put keeps it honest.
  readonly #tails = new LRUCache<string, number>(atMost(HINTS_MAX));
  readonly #serial = new Serial();

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** The last sequence, read from the table; 0 when the log is empty. */
  async tail(place: LogPlace): Promise<number> {
    let after: string | undefined;
    do {
      const page = await this.#store.list(place.pk, {
        prefix: place.prefix,
        limit: 1,
        order: "descending",
        ...(after && { after }),
      });
      const [last] = page.entries;
      if (last) {
        const sequence = sequenceOf(place, last);
        this.#tails.set(place.pk + place.prefix, sequence);
        return sequence;
      }
      after = page.next;
    } while (after);
    return 0;
  }

  /** The tail as this process last saw it, or else as the table has it now. */
  async tailHint(place: LogPlace): Promise<number> {
    return this.#tails.get(place.pk + place.prefix) ?? (await this.tail(place));
  }

  /** Appends once, however often it is sent. Resolves to the entry's sequence. */
  append(place: LogPlace, attributes: Attributes, options: AppendOptions): Promise<number> {
    return this.#serial.run(place.pk + place.prefix, async () => {
      if (options.fromTail === undefined) return this.#appendNew(place, attributes, options);
      return this.#appendRepeat(place, attributes, options, options.fromTail);
    });
  }

  /**
   * For an operation that has not been sent before. Each position it tried and lost holds another operation's entry for good, so
   * it may go to the tail at once: it can stand nowhere that it has not looked.
   */
  async #appendNew(place: LogPlace, attributes: Attributes, options: AppendOptions): Promise<number> {
    let tail = await this.tailHint(place);
    for (let lost = 1; ; lost++) {
      const landed = await this.#putAt(place, tail + 1, attributes, options);
      if (landed) return tail + 1;
      tail = lost % STEPS_BEFORE_LOOK === 0 ? await this.tail(place) : tail + 1;
    }
  }

  /**
   * For an operation that another process may have sent, or be sending: it may stand anywhere behind the tail its first
   * attempt saw. One that jumped ahead could append twice, so every position passed is looked at.
   */
  async #appendRepeat(
    place: LogPlace,
    attributes: Attributes,
    options: AppendOptions,
    fromTail: number,
  ): Promise<number> {
    let tail = fromTail;
    // The put looks at the first position itself, and where no other writer appends meanwhile there is nothing more to look at.
    if (await this.#putAt(place, tail + 1, attributes, options)) return tail + 1;
    for (;;) {
      const passed = await this.read(place, { after: tail, limit: READ_PAGE });
      const own = passed.entries.find((entry) => entry.createdBy === options.id);
      if (own) return sequenceOf(place, own);
      const last = passed.entries.at(-1);
      if (last) tail = sequenceOf(place, last);
      if (passed.more) continue;
      if (await this.#putAt(place, tail + 1, attributes, options)) return tail + 1;
    }
  }

  async #putAt(place: LogPlace, sequence: number, attributes: Attributes, options: AppendOptions): Promise<boolean> {
    if (sequence > options.maxEntries)
      throw new AppError("too_large", `This log is full: it holds its limit of ${options.maxEntries} entries.`);
    const key = { pk: place.pk, sk: place.prefix + sequenceText(sequence) };
    const put = { id: options.id, expiresAt: options.expiresAt } as const;
    const { written } = await this.#store.create(key, attributes, put);
    this.#tails.set(place.pk + place.prefix, sequence);
    return written;
  }

  /** Entries beyond `after` in the order asked for. */
  async read(
    place: LogPlace,
    options: { after?: number | undefined; limit: number; order?: "ascending" | "descending" },
  ): Promise<{ entries: readonly Entry[]; more: boolean }> {
    // One more than asked for tells whether there is more: a full page alone would not.
    const page = await this.#store.list(place.pk, {
      prefix: place.prefix,
      limit: options.limit + 1,
      order: options.order ?? "ascending",
      ...(options.after !== undefined && { after: place.prefix + sequenceText(options.after) }),
    });
    const entries = page.entries.slice(0, options.limit);
    const more =
      page.entries.length > entries.length || (page.next !== undefined && page.entries.length < options.limit);
    return { entries, more };
  }

  /** Forgets what is remembered of a log that no longer exists. */
  forget(place: LogPlace): void {
    this.#tails.delete(place.pk + place.prefix);
  }
}

export const sequenceOf = (place: LogPlace, entry: Entry): number => Number(entry.key.sk.slice(place.prefix.length));
