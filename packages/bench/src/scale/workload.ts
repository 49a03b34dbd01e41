// A skewed workload: few principals call much, most call little. Real calls of a real app, in a time of its own; knows no prices.
import { createHash } from "node:crypto";
import { AppError, builtinTools, createApp, defineTool, type Principal } from "@stateful-mcp/core";
import * as z from "zod";
import type { HeatStore } from "./heat.ts";

/** Numbers from 0 up to 1 that are the same in each run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Ranks from 0, each drawn in proportion to 1 / (rank + 1) ** exponent. */
export function zipf(ranks: number, exponent: number): { draw(random: number): number; share(rank: number): number } {
  const sums = new Float64Array(ranks);
  let sum = 0;
  for (let rank = 0; rank < ranks; rank++) sums[rank] = sum += (rank + 1) ** -exponent;
  return {
    draw: (random) => {
      const wanted = random * sum;
      let [low, high] = [0, ranks - 1];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((sums[middle] ?? 0) > wanted) high = middle;
        else low = middle + 1;
      }
      return low;
    },
    share: (rank) => (rank + 1) ** -exponent / sum,
  };
}

export const principalOf = (rank: number): Principal => ({
  id: createHash("sha256").update(String(rank)).digest("base64url").slice(0, 24),
  subject: `user ${rank}`,
  kind: "token",
});

/** How many of a hundred calls are of each kind. */
export const MIX = {
  get_value: 30,
  store_value: 20,
  increment_value: 10,
  "store_value with a key": 5,
  add_note: 15,
  get_notes: 10,
  exchange_rate: 10,
} as const;
type Call = keyof typeof MIX;
const CALLS = Object.entries(MIX).flatMap(([call, count]) => Array<Call>(count).fill(call as Call));

const exchangeRate = defineTool({
  name: "exchange_rate",
  description: "Returns a rate that is the same for all callers.",
  input: z.object({ currency: z.number() }),
  output: z.object({ rate: z.number() }),
  annotations: { readOnlyHint: true },
  session: "none",
  cache: { ttlSeconds: 60, staleSeconds: 6, shared: true },
  run: async ({ currency }) => ({ rate: currency }),
});

export interface Clock {
  now(): number;
  ms: number;
}
export const clockAt = (ms = 1_800_000_000_000): Clock => ({
  ms,
  now() {
    return this.ms;
  },
});

export const appOn = (store: HeatStore, clock: Clock) =>
  createApp({
    store,
    clock,
    tools: [...builtinTools({ backend: "dynamodb", anonymous: false, ttlSeconds: 86_400 }), exchangeRate],
  });

export interface Workload {
  readonly principals: number;
  readonly sessionsPerPrincipal: number;
  readonly exponent: number;
  readonly processes: number;
  readonly calls: number;
  /** Calls a second of the whole fleet, in the time of the replay. */
  readonly rate: number;
  readonly seed: number;
}

/** Makes the calls one after the other, each in another process. What they cost is in the store. */
export async function replay(store: HeatStore, clock: Clock, workload: Workload): Promise<{ busiest: number }> {
  const random = seeded(workload.seed);
  const principals = zipf(workload.principals, workload.exponent);
  const sessions = zipf(workload.sessionsPerPrincipal, workload.exponent);
  const keys = zipf(20, 1);
  const apps = Array.from({ length: workload.processes }, () => appOn(store, clock));
  for (let at = 0; at < workload.calls; at++) {
    clock.ms += 1_000 / workload.rate;
    const principal = principalOf(principals.draw(random()));
    const session_id = `session-${sessions.draw(random())}`;
    const key = `key-${keys.draw(random())}`;
    const call = CALLS[Math.floor(random() * CALLS.length)] ?? "get_value";
    const [name, args] = argumentsOf(call, session_id, key, at);
    const app = apps[at % apps.length];
    try {
      await app?.call({ name, arguments: args, principal });
    } catch (error) {
      // A value that is read before it is there costs the same.
      if (!(error instanceof AppError && error.code === "not_found")) throw error;
    }
  }
  for (const app of apps) await app.close();
  return { busiest: principals.share(0) };
}

function argumentsOf(
  call: Call,
  session_id: string,
  key: string,
  at: number,
): [name: string, args: Record<string, unknown>] {
  const value = "x".repeat(300);
  switch (call) {
    case "store_value":
      return [call, { session_id, key, value }];
    case "store_value with a key":
      return ["store_value", { session_id, key, value, idempotency_key: `call-${at}` }];
    case "increment_value":
      return [call, { session_id, key: `count-${key}` }];
    case "add_note":
      return [call, { session_id, note: value }];
    case "get_notes":
      return [call, { session_id, limit: 20 }];
    case "exchange_rate":
      return [call, { currency: Number(key.slice(4)) }];
    default:
      return [call, { session_id, key }];
  }
}
