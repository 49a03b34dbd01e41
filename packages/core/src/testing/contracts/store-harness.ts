// What the contract suite needs of an implementation, and the few steps its tests share.
import { randomUUID } from "node:crypto";
import type { Clock } from "../../clock.ts";
import type { Entry, Key, StateStore, UpdateResult } from "../../stores/state-store.ts";

/** A clock that stands still until it is moved. */
export interface MovableClock extends Clock {
  advance(seconds: number): void;
}

/** Starts at a whole second. */
export function movableClock(startMs = 1_800_000_000_000): MovableClock {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    advance(seconds) {
      nowMs += Math.round(seconds * 1000);
    },
  };
}

/** What the suite needs of a store under test. */
export interface StoreHarness {
  store: StateStore;
  /** Another store on the same data and clock, as another process would have it. */
  other: StateStore;
  clock: MovableClock;
  close(): Promise<void>;
}

export const newKey = (): Key => ({ pk: `P#${randomUUID()}`, sk: "V#key" });

export const COLORS = { color: "red", count: 3 };
const LIFETIME_SECONDS = 10;
export const STATES = ["missing", "live", "expired", "tombstone"] as const;
export type State = (typeof STATES)[number];

/** Brings a fresh key into one of the four states; where there is an entry, it was created by "creator" with COLORS. */
export async function place({ store, clock }: StoreHarness, state: State): Promise<Key> {
  const key = newKey();
  if (state === "missing") return key;
  const expiresAt = clock.now() / 1000 + LIFETIME_SECONDS;
  await store.create(key, COLORS, { id: "creator", ...(state === "expired" ? { expiresAt } : {}) });
  if (state === "expired") clock.advance(LIFETIME_SECONDS);
  if (state === "tombstone") await store.update(key, { bury: true, remove: Object.keys(COLORS) }, { on: "live" });
  return key;
}

/** What stands there, dead or alive: only a refused write shows it. */
export async function peek(store: StateStore, key: Key): Promise<Entry | undefined> {
  const refused = await store.update(key, {}, { on: "live", match: { "no such attribute": true } });
  if (refused.applied) throw new Error("A match on a missing attribute was taken as met.");
  return refused.current;
}

export function applied(result: UpdateResult): Extract<UpdateResult, { applied: true }> {
  if (!result.applied) throw new Error(`The update was refused; there stands ${JSON.stringify(result.current)}.`);
  return result;
}
