// Results of tools, kept for a while per principal. A miss computes; errors are never kept.
import { createHash } from "node:crypto";
import { type Clock, epochSeconds } from "../clock.ts";
import { byteLength, type Limits } from "../limits.ts";
import type { StateStore } from "../stores/state-store.ts";
import { cachedResultKey, principalPartition } from "./keys.ts";
import { mintGeneration } from "./session.ts";

type Result = Record<string, unknown>;

export interface CachedCall {
  /** Whose results these are. */
  principal: string;
  tool: string;
  arguments: Record<string, unknown>;
  ttlSeconds: number;
}

export class ResultCache {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #limits: Limits;

  constructor(options: { store: StateStore; clock: Clock; limits: Limits }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#limits = options.limits;
  }

  /** The kept result, or a computed one. A result over the value limit is returned and not kept. */
  async get(call: CachedCall, compute: () => Promise<Result>): Promise<{ result: Result; cached: boolean }> {
    const hash = createHash("sha256")
      .update(canonicalJson([call.tool, call.arguments]))
      .digest("base64url");
    const key = cachedResultKey(principalPartition(call.principal), hash);
    const kept = await this.#store.get(key);
    if (kept) return { result: JSON.parse(String(kept.attributes.result)) as Result, cached: true };
    const result = await compute();
    const text = JSON.stringify(result);
    if (byteLength(text) <= this.#limits.valueMaxBytes) {
      const expiresAt = epochSeconds(this.#clock) + call.ttlSeconds;
      await this.#store.put(key, { result: text }, { if: "absent", id: mintGeneration(), expiresAt });
    }
    return { result, cached: false };
  }
}

/** JSON with object keys in order, so that equal arguments have equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
