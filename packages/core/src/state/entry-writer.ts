// One effect per operation on one entry: who writes (a writer's slot), what an entry says about it, and when it may forget.
// Knows entries and operations, not what they mean.
import { randomBytes } from "node:crypto";
import { type Clock, epochSeconds } from "../clock.ts";
import { AppError, StateUnavailable } from "../errors.ts";
import {
  type Change,
  type Entry,
  type Key,
  type Operation,
  type StateStore,
  takesIncrement,
} from "../stores/state-store.ts";
import { Serial } from "./serial.ts";

/** An entry that remembers more writers than this has its oldest forgotten by the next writer. */
const SLOTS_SOFT_MAX = 8;
/** An entry with this many makes writers wait until one can be forgotten: with the longest names beside the largest value, 64 KiB. */
const SLOTS_HARD_MAX = 48;
/** A writer process that has not written for so long has no request under way: its retries end after seconds. */
const PLAIN_FORGET_AFTER_MS = 60_000;
/** A completed keyed call may be forgotten after this; its claim still answers re-sends, the watermark stops late duplicates. */
const KEYED_FORGET_AFTER_MS = 5_000;
const WAIT_FOR_SLOT_MS = 250;
const ATTEMPTS_MAX = 20;
/** How long a tombstone stands: retries and copies under way end long before. */
export const TOMBSTONE_SECONDS = 3600;

const KEYED_PREFIX = "k";
const PLAIN_PREFIX = "w";
export const keyedSlot = (claimHash: string, index: number): string => `${KEYED_PREFIX}${claimHash}.${index}`;

export type WriteOutcome =
  | { readonly outcome: "applied"; readonly version: number; readonly result?: number; readonly entry: Entry }
  /** The live entry is not at the expected version, or holds no number to add to. */
  | { readonly outcome: "conflict"; readonly current: Entry }
  | { readonly outcome: "missing" }
  /** Too old to be known: the entry has forgotten operations created after this one. */
  | { readonly outcome: "refused"; readonly watermark: number; readonly current: Entry };

export interface WriteOptions {
  /** Whether a missing or dead entry is created by the change; otherwise it is `missing`. */
  mayCreate: boolean;
  version?: number;
  /** A keyed call's operation; without it the process writes under its own slot. */
  operation?: Operation;
}

export interface EntryWriterOptions {
  store: StateStore;
  clock: Clock;
  /** Of these keyed slots, those whose claim is completed (or gone): their answer no longer depends on the entry. */
  completedSlots?: (pk: string, slots: readonly string[]) => Promise<ReadonlySet<string>>;
}

/** What became of an operation, what was seen last, and whether a request of it may still be on its way. */
interface Attempt {
  readonly outcome: WriteOutcome;
  readonly seen: Entry | undefined;
  readonly straggler: boolean;
}

/** Writes entries under this process's slot or a keyed call's, one write per entry at a time. */
export class EntryWriter {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #completedSlots: NonNullable<EntryWriterOptions["completedSlots"]>;
  readonly #slot = PLAIN_PREFIX + randomBytes(6).toString("base64url");
  readonly serial = new Serial();
  #lastStamp = 0;

  constructor(options: EntryWriterOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#completedSlots = options.completedSlots ?? (async () => new Set());
  }

  /** A new operation of this process: stamps only grow, also when the clock steps back. */
  nextOperation(above = 0): Operation {
    this.#lastStamp = Math.max(this.#clock.now(), this.#lastStamp + 1, above + 1);
    return { slot: this.#slot, stamp: this.#lastStamp };
  }

  /** Applies the change exactly once. Call it through `serial` when the entry may be written concurrently in this process. */
  async write(key: Key, change: Change, options: WriteOptions): Promise<WriteOutcome> {
    const { operation: keyed } = options;
    let operation = keyed ?? this.nextOperation();
    for (let attempt = 0; ; attempt++) {
      const written = await this.#apply(key, change, options, operation);
      if (written.outcome === "applied") {
        await this.#forgetSome(key, written.entry);
        return written;
      }
      if (written.outcome !== "refused" || keyed) return written;
      // No writer forgets a slot this young, so the refused operation has not been applied: it may go again under a later stamp.
      const age = this.#clock.now() - operation.stamp;
      if (age > PLAIN_FORGET_AFTER_MS / 2 || attempt >= ATTEMPTS_MAX) throw unknownOutcome();
      operation = this.nextOperation(written.watermark);
    }
  }

  /** A refusal is answered only when nothing can make it untrue any more. */
  async #apply(key: Key, change: Change, options: WriteOptions, operation: Operation): Promise<WriteOutcome> {
    const { outcome, seen, straggler } = await this.#attempt(key, change, options, operation);
    const refused = outcome.outcome === "conflict" || outcome.outcome === "missing";
    // Of a keyed operation, another process may hold an attempt that it has not sent yet.
    if (!refused || !(straggler || options.operation)) return outcome;
    return (await this.#shutOut(key, seen, operation)) ?? outcome;
  }

  async #attempt(key: Key, change: Change, options: WriteOptions, operation: Operation): Promise<Attempt> {
    const { version } = options;
    const mayCreate = options.mayCreate && !version;
    let on: "live" | "live-or-missing" | "dead" = mayCreate ? "live-or-missing" : "live";
    let straggler = false;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const result = await this.#store.update(key, on === "dead" ? revived(change) : change, {
        on,
        operation,
        ...(version !== undefined && on !== "dead" && { version }),
      });
      const seen = result.applied ? result.entry : result.current;
      const ends = (outcome: WriteOutcome): Attempt => ({ outcome, seen, straggler });
      if (result.applied) return ends(applied(result, result.entry));
      straggler ||= result.straggler === true;
      const { current } = result;
      if (!current) {
        if (!mayCreate) return ends({ outcome: "missing" });
        on = "live-or-missing";
        continue;
      }
      // The watermark comes first: below it nothing else that the entry says about this operation can be trusted.
      const slot = current.slots[operation.slot];
      if (current.watermark >= operation.stamp || (slot && slot.stamp > operation.stamp))
        return ends({ outcome: "refused", watermark: Math.max(current.watermark, slot?.stamp ?? 0), current });
      if (current.dead) {
        if (!mayCreate) return ends({ outcome: "missing" });
        on = "dead";
        continue;
      }
      if (isConflict(current, change, version)) return ends({ outcome: "conflict", current });
      on = mayCreate ? "live-or-missing" : "live";
    }
    throw tooBusy();
  }

  /**
   * Raises the watermark over an operation that is about to be answered as refused, so that an attempt of it which is still on
   * its way changes nothing when it arrives. Where nothing stands, a tombstone carries the watermark. Resolves to the outcome
   * of that attempt when it has come first.
   */
  async #shutOut(key: Key, seen: Entry | undefined, operation: Operation): Promise<WriteOutcome | undefined> {
    const change: Change = { forget: { slots: {}, watermark: operation.stamp }, versions: 0 };
    let current = seen;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const expiresAt = Math.max(epochSeconds(this.#clock) + TOMBSTONE_SECONDS, current?.expiresAt ?? 0);
      const buried: Change = { ...change, bury: true, expiresAt };
      const result = await (current && !current.dead
        ? this.#store.update(key, change, { on: "live" })
        : this.#store.update(key, buried, current ? { on: "dead" } : { on: "live-or-missing", version: 0 }));
      current = result.applied ? result.entry : result.current;
      const slot = current?.slots[operation.slot];
      if (current && slot?.stamp === operation.stamp) return applied(slot, current);
      if (result.applied || (current && current.watermark >= operation.stamp)) return undefined;
    }
    throw tooBusy();
  }

  /** Keeps the entry's memory of operations small. Forgetting moves the watermark, in the same write, over what was forgotten. */
  async #forgetSome(key: Key, seen: Entry): Promise<void> {
    let entry = seen;
    if (entry.dead) return; // A tombstone keeps what it knows for as long as it stands.
    for (let wait = 0; Object.keys(entry.slots).length > SLOTS_SOFT_MAX; wait++) {
      const slots = await this.#forgettable(key, entry);
      const stamps = Object.values(slots);
      if (stamps.length > 0) {
        const watermark = Math.max(...stamps);
        const change: Change = { forget: { slots, watermark }, versions: 0 };
        const result = await this.#store.update(key, change, { on: "live" });
        if (result.applied || !result.current || result.current.dead) return;
        entry = result.current;
      }
      if (Object.keys(entry.slots).length < SLOTS_HARD_MAX || wait >= ATTEMPTS_MAX) return;
      await new Promise((resolve) => setTimeout(resolve, WAIT_FOR_SLOT_MS));
    }
  }

  async #forgettable(key: Key, entry: Entry): Promise<Record<string, number>> {
    const now = this.#clock.now();
    const slots = Object.entries(entry.slots);
    const idle = slots.filter(
      ([name, slot]) => name.startsWith(PLAIN_PREFIX) && slot.stamp < now - PLAIN_FORGET_AFTER_MS,
    );
    const keyed = slots.filter(
      ([name, slot]) => name.startsWith(KEYED_PREFIX) && slot.stamp < now - KEYED_FORGET_AFTER_MS,
    );
    const completed =
      keyed.length > 0
        ? await this.#completedSlots(
            key.pk,
            keyed.map(([name]) => name),
          )
        : new Set<string>();
    const forgettable = [...idle, ...keyed.filter(([name]) => completed.has(name))];
    return Object.fromEntries(forgettable.map(([name, slot]) => [name, slot.stamp]));
  }
}

function applied({ version, result }: { version: number; result?: number }, entry: Entry): WriteOutcome {
  return { outcome: "applied", version, ...(result !== undefined && { result }), entry };
}

const tooBusy = (): AppError =>
  new AppError("unavailable", "The entry is being changed by too many callers at once. Try again.", {
    retryAfterSeconds: 1,
  });

/** What a change means on an entry that was deleted or has expired: nothing of its old life stays. */
function revived(change: Change): Change {
  const expiresAt = change.expiresAt ?? change.expiresAtIfNone ?? null;
  const { expiresAtIfNone: _, ...rest } = change;
  return { ...rest, expiresAt };
}

function isConflict(current: Entry, change: Change, version?: number): boolean {
  if (version !== undefined && current.version !== version) return true;
  const { increment } = change;
  return increment !== undefined && !takesIncrement(current.attributes[increment.attribute], increment);
}

export const unknownOutcome = (): AppError =>
  new StateUnavailable("Whether this write took effect is not known. Read the state before you repeat it.");

/** The entry no longer knows this keyed operation; its claim has to say what happened. */
export class OperationForgotten extends Error {
  readonly watermark: number;
  constructor(watermark: number) {
    super("The entry has forgotten operations created after this one.");
    this.watermark = watermark;
  }
}
