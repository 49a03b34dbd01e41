// Keys that a whole fleet uses at once: the counter of a limit, and a shared cached result. Real calls in a time of its own.
import { AppError, createApp, defineTool } from "@stateful-mcp/core";
import * as z from "zod";
import { HeatStore } from "./heat.ts";
import { clockAt, principalOf, seeded } from "./workload.ts";

const nothing = defineTool({
  name: "nothing",
  description: "Does nothing.",
  input: z.object({}),
  output: z.object({}),
  session: "none",
  run: async () => ({}),
});

/** One principal that calls a fifth more than its limit during one minute, evenly and spread over all processes. */
export async function limiter(limit: number, processes: number) {
  const clock = clockAt();
  const store = new HeatStore(clock);
  const apps = Array.from({ length: processes }, () =>
    createApp({ store, clock, tools: [nothing], sessionTools: false, limits: { callsPerMinute: limit } }),
  );
  const calls = Math.round(limit * 1.2);
  const begin = clock.ms - (clock.ms % 60_000);
  let [admitted, writesBefore, second, peakWrites] = [0, 0, 0, 0];
  for (let at = 0; at < calls; at++) {
    clock.ms = begin + (60_000 * at) / calls;
    if (Math.floor((clock.ms - begin) / 1_000) !== second) {
      peakWrites = Math.max(peakWrites, store.all.writes - writesBefore);
      [second, writesBefore] = [second + 1, store.all.writes];
    }
    try {
      await apps[at % processes]?.call({ name: "nothing", arguments: {}, principal: principalOf(0) });
      admitted += 1;
    } catch (error) {
      if (!(error instanceof AppError && error.code === "rate_limited")) throw error;
    }
  }
  for (const app of apps) await app.close();
  return { limit, processes, admitted, writes: store.all.writes, peakWrites };
}

/** A shared result of 20 KB that every process serves, while it is fresh and during the two seconds for which one refreshes it. */
export async function sharedResult(processes: number, callsPerSecond: number) {
  const clock = clockAt();
  const store = new HeatStore(clock);
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const shared = defineTool({
    name: "shared",
    description: "Returns what is the same for all callers.",
    input: z.object({}),
    output: z.object({ text: z.string() }),
    annotations: { readOnlyHint: true },
    session: "none",
    cache: { ttlSeconds: 60, staleSeconds: 6, shared: true },
    run: async () => {
      runs += 1;
      if (runs > 1) await gate.promise;
      return { text: "x".repeat(19_000) };
    },
  });
  const apps = Array.from({ length: processes }, () =>
    createApp({ store, clock, tools: [shared], sessionTools: false }),
  );
  const random = seeded(7);
  const serve = async (seconds: number) => {
    store.reset();
    for (let at = 0; at < seconds * callsPerSecond; at++) {
      clock.ms += 1_000 / callsPerSecond;
      await apps[Math.floor(random() * processes)]?.call({
        name: "shared",
        arguments: {},
        principal: principalOf(Math.floor(random() * 1e6)),
      });
    }
    return store.all.reads;
  };
  const fresh = await serve(5);
  clock.ms += 56_000;
  const stale = await serve(2);
  gate.resolve();
  for (const app of apps) await app.close();
  return { processes, callsPerSecond, fresh, stale: stale / 2 };
}
