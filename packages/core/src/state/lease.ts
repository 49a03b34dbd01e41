// A lease on a piece of work: an owner, until when, and a fence number. The clock only decides when another may try; what
// keeps a holder that was paused and wakes up late from changing anything is the fence in every write it protects.
import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { Attributes, Entry, Key, StateStore } from "../stores/state-store.ts";

/** How long a holder that says nothing is believed to be alive. */
export const LEASE_MS = 6_000;
const RENEW_EVERY_MS = LEASE_MS / 3;

export interface Held {
  readonly key: Key;
  readonly owner: string;
  /** Grows with every holder. */
  readonly fence: number;
}

/** The attributes of a lease, for an entry that carries one beside its own. */
export function leaseAttributes(
  clock: Clock,
  fence: number,
): Attributes & { owner: string; fence: number; until: number } {
  return { owner: randomBytes(9).toString("base64url"), fence, until: clock.now() + LEASE_MS };
}

/** Milliseconds until another may take it; 0 when it is free. */
export const heldForMs = (entry: Entry | undefined, clock: Clock): number =>
  entry && !entry.dead ? Math.max(0, Number(entry.attributes.until) - clock.now()) : 0;

export class Leases {
  readonly #store: StateStore;
  readonly #clock: Clock;

  constructor(store: StateStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Takes a lease that is free as `seen` shows it. Undefined when another was faster. `fenceAbove` is the highest fence
   * known from elsewhere, for a lease item that has been lost.
   */
  async take(
    key: Key,
    seen: Entry | undefined,
    options: { fenceAbove: number; expiresAt: number },
  ): Promise<Held | undefined> {
    const lease = leaseAttributes(this.#clock, Math.max(Number(seen?.attributes.fence ?? 0), options.fenceAbove) + 1);
    const change = { set: lease, expiresAt: options.expiresAt };
    // Exactly the lease that was seen: two that see the same free lease cannot both take it.
    let result = await this.#store.update(
      key,
      change,
      seen
        ? { on: "live", match: { owner: String(seen.attributes.owner), fence: Number(seen.attributes.fence) } }
        : { on: "live-or-missing", version: 0 },
    );
    if (!result.applied && !seen && result.current?.dead)
      result = await this.#store.update(key, change, { on: "dead" });
    // A lost reply makes the second attempt fail although the first took it: the owner tells.
    const current = result.applied ? result.entry : result.current;
    return current?.attributes.owner === lease.owner ? { key, owner: lease.owner, fence: lease.fence } : undefined;
  }

  /** Says that the holder is alive. False when the lease has been taken by another. */
  async renew(held: Held): Promise<boolean> {
    const change = { set: { until: this.#clock.now() + LEASE_MS }, versions: 0 };
    const result = await this.#store.update(held.key, change, {
      on: "live",
      match: { owner: held.owner, fence: held.fence },
    });
    return result.applied;
  }

  /** Lets the next one try at once. */
  async release(held: Held): Promise<void> {
    const match = { owner: held.owner, fence: held.fence };
    await this.#store.update(held.key, { set: { until: 0 }, versions: 0 }, { on: "live", match });
  }

  /** Renews for as long as the work runs. A failed renewal is left to the fence. */
  async renewWhile<T>(held: Held, work: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => void this.renew(held).catch(() => {}), RENEW_EVERY_MS);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  }
}
