// Results of tools, kept for a while and computed once: callers in this process share one computation, processes share a lease.
// Errors are never kept.
//
//   |---- fresh: answered from memory, or from here ----|-- stale: answered from here, one refreshes --|  gone: one computes, others wait
import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Clock } from "../clock.ts";
import type { Entry, Key, StateStore } from "../stores/state-store.ts";
import { canonicalJson } from "../text.ts";
import { backoff, pause } from "../waiting.ts";
import type { Blobs, Placed } from "./blobs.ts";
import { cachedResultKey, cacheLeaseKey } from "./keys.ts";
import { type Held, heldForMs, Leases } from "./lease.ts";

type Result = Record<string, unknown>;

interface Kept {
  readonly entry: Entry;
  readonly result: Result;
}

const RESULT = "result";

export interface CachedCall {
  /** Partition the result is kept in: the principal's, or the shared one. */
  owner: string;
  tool: string;
  /** Changes when the tool's answers do, so that results of an older deployment are not served. */
  toolVersion: string;
  arguments: Record<string, unknown>;
  ttlSeconds: number;
  /** Seconds after `ttlSeconds` in which the old result is still served while one caller refreshes it. */
  staleSeconds: number;
}

/** Fresh windows are shortened by up to this share, at random, so that results kept together do not expire together. */
const JITTER = 0.1;
/** A lease item outlives the result it guards, so that its fence keeps growing. */
const LEASE_KEPT_SECONDS = 7 * 86_400;
/** What one process remembers of results. */
const MEMORY_MAX_BYTES = 16 * 1024 * 1024;
/** A stale result is remembered for so long: a fleet that waits for the one who refreshes it would else read one key at every call. */
const STALE_REMEMBERED_MS = 1_000;
const POLL_FIRST_MS = 20;
const POLL_MAX_MS = 250;

export class ResultCache {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #blobs: Blobs;
  readonly #leases: Leases;
  readonly #inBackground: (work: Promise<unknown>) => void;
  /** Texts of results: until they are stale, and for a moment after that, no request is needed. Nothing else ends a result earlier. */
  readonly #fresh = new LRUCache<string, { readonly text: string; readonly until: number }>({
    maxSize: MEMORY_MAX_BYTES,
    // A string's memory is up to two bytes per character.
    sizeCalculation: ({ text }, id) => 2 * (text.length + id.length) + 1,
  });
  readonly #running = new Map<string, Promise<{ result: Result; cached: boolean }>>();

  constructor(options: {
    store: StateStore;
    blobs: Blobs;
    clock: Clock;
    inBackground: (work: Promise<unknown>) => void;
  }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#blobs = options.blobs;
    this.#inBackground = options.inBackground;
    this.#leases = new Leases(options.store, options.clock);
  }

  /**
   * The kept result, or a computed one. A result over the limit is returned and not kept, so each call computes it.
   * An error of `compute` is thrown to those who waited for it in this process; the next caller tries again.
   */
  async get(call: CachedCall, compute: () => Promise<Result>): Promise<{ result: Result; cached: boolean }> {
    const id = canonicalJson([call.tool, call.toolVersion, call.arguments]);
    const hash = createHash("sha256").update(id).digest("base64url");
    const key = cachedResultKey(call.owner, hash);
    const fresh = this.#fresh.get(key.pk);
    if (fresh && fresh.until > this.#clock.now()) return { result: JSON.parse(fresh.text) as Result, cached: true };
    const kept = await this.#look(key);
    if (kept && this.#isFresh(kept)) return { result: kept.result, cached: true };
    const running = this.#running.get(call.owner + hash);
    if (kept) {
      if (!running)
        this.#inBackground(this.#share(call.owner + hash, () => this.#refresh(call, key, hash, kept, compute)));
      return { result: kept.result, cached: true };
    }
    // Callers that join a computation under way did not start it: for them the result is not a fresh one.
    if (running) return { ...(await running), cached: true };
    return this.#share(call.owner + hash, () => this.#computeOnce(call, key, hash, compute));
  }

  /** In this process one caller works and the others wait for it. */
  #share(
    id: string,
    work: () => Promise<{ result: Result; cached: boolean }>,
  ): Promise<{ result: Result; cached: boolean }> {
    const promise = work().finally(() => this.#running.delete(id));
    this.#running.set(id, promise);
    return promise;
  }

  async #computeOnce(call: CachedCall, key: Key, hash: string, compute: () => Promise<Result>) {
    const leaseKey = cacheLeaseKey(call.owner, hash);
    const pauseMs = backoff(POLL_FIRST_MS, POLL_MAX_MS);
    for (;;) {
      const lease = await this.#store.get(leaseKey);
      const waitMs = heldForMs(lease, this.#clock);
      if (waitMs === 0) {
        const held = await this.#take(call, leaseKey, lease, 0);
        if (held) return this.#computeHolding(call, key, held, compute);
      } else {
        await pause(Math.min(pauseMs(), waitMs));
      }
      const kept = await this.#look(key);
      if (kept) return { result: kept.result, cached: true };
    }
  }

  async #computeHolding(call: CachedCall, key: Key, held: Held, compute: () => Promise<Result>) {
    // The holder before may have finished between the look at the result and the lease.
    const kept = await this.#look(key);
    if (kept && this.#isFresh(kept)) return { result: kept.result, cached: true };
    return { result: await this.#computeAndKeep(call, key, held, compute), cached: false };
  }

  async #refresh(call: CachedCall, key: Key, hash: string, stale: Kept, compute: () => Promise<Result>) {
    const leaseKey = cacheLeaseKey(call.owner, hash);
    const lease = await this.#store.get(leaseKey);
    if (heldForMs(lease, this.#clock) > 0) return { result: stale.result, cached: true };
    const held = await this.#take(call, leaseKey, lease, Number(stale.entry.attributes.fence));
    if (!held) return { result: stale.result, cached: true };
    return this.#computeHolding(call, key, held, compute);
  }

  #take(call: CachedCall, leaseKey: Key, lease: Entry | undefined, fenceAbove: number): Promise<Held | undefined> {
    const keptSeconds = call.ttlSeconds + call.staleSeconds + LEASE_KEPT_SECONDS;
    const expiresAt = Math.floor(this.#clock.now() / 1000) + keptSeconds;
    return this.#leases.take(leaseKey, lease, { fenceAbove, expiresAt });
  }

  async #computeAndKeep(call: CachedCall, key: Key, held: Held, compute: () => Promise<Result>): Promise<Result> {
    try {
      const { result, text, placed } = await this.#leases.renewWhile(held, async () => {
        const result = await compute();
        // One that is too large, or whose blob cannot be stored, is still an answer.
        const text = JSON.stringify(result);
        const placed = await this.#blobs.prepare(key.pk, RESULT, text).catch(() => undefined);
        return { result, text, placed };
      });
      if (placed) await this.#storeResult(call, key, held, text, placed);
      else this.#inBackground(this.#leases.release(held));
      return result;
    } catch (error) {
      // Not waited for: while the store is away, this would double the time until the caller hears of it.
      this.#inBackground(this.#leases.release(held));
      throw error;
    }
  }

  async #storeResult(call: CachedCall, key: Key, held: Held, text: string, placed: Placed): Promise<void> {
    const now = this.#clock.now();
    const freshUntil = now + call.ttlSeconds * 1000 * (1 - Math.random() * JITTER);
    const expiresAt = Math.floor(now / 1000) + call.ttlSeconds + call.staleSeconds;
    const change = { set: { ...placed.attributes, freshUntil: Math.round(freshUntil), fence: held.fence }, expiresAt };
    // The fence: a holder that was overtaken finds a higher number and keeps nothing.
    const rising = { attribute: "fence", value: held.fence };
    let written = await this.#store.update(key, change, { on: "live-or-missing", rising });
    if (!written.applied && written.current?.dead)
      written = await this.#store.update(key, change, { on: "dead", rising });
    if (written.applied) this.#fresh.set(key.pk, { text, until: freshUntil });
    this.#blobs.deleteUnreferenced(written.applied ? written.entry : written.current, placed);
  }

  /** What is kept, if it can be read: a result whose blob is broken or out of reach is computed again. */
  async #look(key: Key): Promise<Kept | undefined> {
    const entry = await this.#store.get(key);
    const read = entry && (await this.#blobs.read(entry, RESULT, "The result").catch(() => undefined));
    if (!read) return undefined;
    const { attributes, expiresAt = 0 } = read.entry;
    const stale = Math.min(this.#clock.now() + STALE_REMEMBERED_MS, expiresAt * 1000);
    this.#fresh.set(key.pk, { text: read.text, until: Math.max(Number(attributes.freshUntil), stale) });
    return { entry: read.entry, result: JSON.parse(read.text) as Result };
  }

  #isFresh({ entry }: Kept): boolean {
    return Number(entry.attributes.freshUntil) > this.#clock.now();
  }
}
