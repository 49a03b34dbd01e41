import { LOCAL_PRINCIPAL } from "@stateful-mcp/core";
import { expect, it, test } from "vitest";
import { limiter, sharedResult } from "./fleet.ts";
import { HeatStore, hot, hottest, kindOf } from "./heat.ts";
import { bill, quotasMet } from "./month.ts";
import { appOn, clockAt, replay, seeded, zipf } from "./workload.ts";

const session_id = "costs";
test.for([
  ["add_note", { session_id, note: "x".repeat(700) }, { reads: 1, writes: 1 }],
  ["store_value", { session_id, key: "key", value: "x".repeat(700) }, { reads: 1, writes: 1 }],
  ["increment_value", { session_id, key: "number" }, { reads: 1, writes: 1 }],
  ["get_value", { session_id, key: "number" }, { reads: 2, writes: 0 }],
] as const)(
  "the store counts for %s what an engine that reports capacity does (e2e/wire/cost.test.ts)",
  async ([name, args, units]) => {
    const clock = clockAt();
    const store = new HeatStore(clock);
    const app = appOn(store, clock);
    const call = async (name: string, args: Record<string, unknown>) => {
      store.reset();
      await app.call({ name, arguments: args, principal: LOCAL_PRINCIPAL });
      return { ...store.all };
    };
    await call("increment_value", { session_id, key: "number" });
    await call("add_note", { session_id, note: "first" });
    await call(name, args);
    expect(await call(name, args)).toEqual(units);
    expect([...store.partitions.keys()].map(kindOf).sort()).toEqual(["session", "sessions"]);
    await app.close();
  },
);

it("draws the same numbers again, and low ranks as often as their share says", () => {
  const [one, other] = [seeded(3), seeded(3)];
  const { draw, share } = zipf(1_000_000, 1);
  const ranks = Array.from({ length: 20_000 }, () => draw(one()));
  expect(ranks).toEqual(ranks.map(() => draw(other())));
  expect(ranks.filter((rank) => rank === 0).length / ranks.length).toBeCloseTo(share(0), 1);
  expect(Math.max(...ranks)).toBeLessThan(1_000_000);
});

it("finds the busiest principal's sessions as what is read most", async () => {
  const clock = clockAt();
  const store = new HeatStore(clock);
  const workload = { principals: 1_000, sessionsPerPrincipal: 5, exponent: 1.2, processes: 4, rate: 500, seed: 1 };
  await replay(store, clock, { ...workload, calls: 500 });
  const sessions = hottest(store.partitions, 500).get("sessions");
  expect(sessions?.reads).toBeGreaterThan(50);
  expect(sessions?.throttlesAt).toBeLessThan(60_000);
});

it("says from which rate a place is throttled: at 3,000 reads or 1,000 writes a second, whichever comes first", () => {
  expect(hot({ reads: 10, writes: 0 }, 100)).toEqual({ reads: 100, writes: 0, throttlesAt: 30_000 });
  expect(hot({ reads: 10, writes: 5 }, 100).throttlesAt).toBe(20_000);
});

it("keeps the two keys of a fleet cool: a limit's counter, and a result that all read while one refreshes it", async () => {
  const { admitted, writes } = await limiter(3_000, 16);
  expect(admitted).toBeGreaterThan(2_700);
  expect(admitted).toBeLessThanOrEqual(3_000);
  expect(writes).toBeLessThan(1_000);
  const { stale } = await sharedResult(16, 400);
  // In each process and second the result once, which is five read units, and its lease; and a little for the one who computes.
  expect(stale).toBeLessThanOrEqual(16 * 7);
});

it("sums a month up, and names quotas in the order in which they are met", () => {
  const units = { reads: 1, writes: 1 };
  const small = bill({ users: 1e6, callsPerUser: 1 }, units);
  const large = bill({ users: 1e6, callsPerUser: 1_000 }, units);
  // A million calls, as docs/deploy.md counts them, with 9 for what is kept, 4.70 for what runs anyway, and 0.18 for bytes that leave.
  expect(small.lambda).toBeCloseTo(5.78 + 9 + 4.7 + 0.18, 1);
  expect(small.fargate).toBeGreaterThan(small.lambda);
  expect(large.fargate).toBeLessThan(large.lambda);
  const rates = quotasMet(units, 300).map(({ rate }) => rate);
  expect(rates).toEqual(rates.toSorted((one, other) => one - other));
});
