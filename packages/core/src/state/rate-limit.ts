// Calls per minute for the whole fleet, counted in the table. Exact in one direction: a window never admits more than its limit,
// however many processes there are. A process reserves ever more calls with one write, as it uses them up, and fewer when little is left;
// what it reserved and did not use is lost, so that a fleet may admit a little less.
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { StateStore } from "../stores/state-store.ts";
import { rateWindowKey } from "./keys.ts";

const WINDOW_SECONDS = 60;
/** A reservation is at most this share of what is left of the limit, so that many processes together strand little. */
const RESERVE_SHARE = 0.1;
/** And at most this many times the one before in the window: a process of many, which takes few of the calls, strands few. */
const GROWTH = 2;
const COUNT = "count";

interface Reserved {
  readonly window: number;
  left: number;
  /** How many calls were reserved at once. */
  readonly size: number;
  /** The count in the table when it was last seen. */
  seen: number;
}

export class RateLimits {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #reserved = new Map<string, Reserved>();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(store: StateStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Admits one call to a bucket of a principal. Costs one write unit per reservation: at most one per call, and far fewer
   * where a process takes many calls under a high limit.
   * @throws AppError `rate_limited` with the seconds until the next window.
   */
  async admit(principal: string, bucket: string, limit: number): Promise<void> {
    const id = `${principal} ${bucket}`;
    for (;;) {
      const window = Math.floor(this.#clock.now() / 1000 / WINDOW_SECONDS);
      const reserved = this.#reserved.get(id);
      if (reserved?.window === window) {
        if (reserved.left > 0) {
          reserved.left -= 1;
          return;
        }
        // The count only grows within a window: once full, no request is needed to say so.
        if (reserved.seen >= limit) throw this.#refused(bucket, limit, window);
      }
      // Calls that arrive together share one reservation.
      const pending = this.#pending.get(id) ?? this.#reserve(id, principal, bucket, limit, window);
      this.#pending.set(id, pending);
      await pending.finally(() => this.#pending.delete(id));
    }
  }

  async #reserve(id: string, principal: string, bucket: string, limit: number, window: number): Promise<void> {
    const before = this.#reserved.get(id);
    const { seen, size } = before?.window === window ? before : { seen: 0, size: 0 };
    const wanted = Math.max(1, Math.min(GROWTH * size, Math.floor((limit - seen) * RESERVE_SHARE)));
    const expiresAt = (window + 2) * WINDOW_SECONDS;
    // No operation is recorded: a reply that was lost counts twice, which admits less, never more.
    const change = { increment: { attribute: COUNT, by: wanted }, expiresAt };
    const result = await this.#store.update(rateWindowKey(principal, bucket, window), change, {
      on: "live-or-missing",
    });
    if (!result.applied)
      throw new AppError("unavailable", "The rate limit could not be checked. Try again.", { retryAfterSeconds: 1 });
    const count = Number(result.entry.attributes[COUNT]);
    // Of this reservation, what lies within the limit.
    const left = Math.max(0, Math.min(wanted, limit - (count - wanted)));
    if (this.#reserved.size > MAX_BUCKETS) this.#reserved.clear();
    this.#reserved.set(id, { window, left, size: wanted, seen: count });
  }

  #refused(bucket: string, limit: number, window: number): AppError {
    const retryAfterSeconds = Math.max(1, Math.ceil((window + 1) * WINDOW_SECONDS - this.#clock.now() / 1000));
    const what = bucket === ALL_TOOLS ? "calls" : `calls of ${bucket}`;
    return new AppError(
      "rate_limited",
      `You have made ${limit} ${what} this minute, which is the limit. Try again in ${retryAfterSeconds} s.`,
      {
        retryAfterSeconds,
        details: { limit_per_minute: limit },
      },
    );
  }
}

/** The bucket that counts all calls of a principal. */
export const ALL_TOOLS = "*";
const MAX_BUCKETS = 10_000;
