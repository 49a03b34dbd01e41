// Calls per minute over processes that share nothing but the store.
import { describe, expect, it } from "vitest";
import { AppError } from "../errors.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { RateLimits } from "./rate-limit.ts";

const MINUTE_MS = 60_000;

function fleet(size: number) {
  const time = { ms: 1_800_000_000_000 };
  const clock = { now: () => time.ms };
  let writes = 0;
  class CountingStore extends MemoryStore {
    override update(...given: Parameters<MemoryStore["update"]>) {
      writes += 1;
      return super.update(...given);
    }
  }
  const store = new CountingStore({ clock });
  return { time, processes: Array.from({ length: size }, () => new RateLimits(store, clock)), writes: () => writes };
}

const admitted = async (limits: RateLimits, limit: number, principal = "p") => {
  try {
    await limits.admit(principal, "*", limit);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === "rate_limited") return false;
    throw error;
  }
};

describe("a limit of calls per minute", () => {
  it("admits at most the limit over four processes, and nearly as many", async () => {
    const { processes } = fleet(4);
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, i) => admitted(processes[i % 4] as RateLimits, 100)),
    );
    const count = answers.filter(Boolean).length;
    expect(count).toBeLessThanOrEqual(100);
    expect(count).toBeGreaterThanOrEqual(80);
  });

  it("admits nearly the limit over a large fleet, of which each process takes few calls, with one write in four calls", async () => {
    const { processes, writes } = fleet(64);
    let count = 0;
    for (let i = 0; i < 14_400; i++) if (await admitted(processes[i % 64] as RateLimits, 12_000)) count += 1;
    expect(count).toBeLessThanOrEqual(12_000);
    expect(count).toBeGreaterThanOrEqual(0.9 * 12_000);
    expect(writes()).toBeLessThanOrEqual(12_000 / 4);
  });

  it("admits exactly the limit in one process", async () => {
    const { processes } = fleet(1);
    const answers = await Promise.all(Array.from({ length: 50 }, () => admitted(processes[0] as RateLimits, 20)));
    expect(answers.filter(Boolean)).toHaveLength(20);
  });

  it("begins again with the next minute, and says when that is", async () => {
    const { time, processes } = fleet(1);
    const [limits] = processes as [RateLimits];
    for (let i = 0; i < 3; i++) await limits.admit("p", "*", 3);
    await expect(limits.admit("p", "*", 3)).rejects.toMatchObject({ code: "rate_limited", retryAfterSeconds: 60 });
    time.ms += MINUTE_MS;
    await limits.admit("p", "*", 3);
  });

  it("counts each principal and each bucket alone", async () => {
    const { processes } = fleet(1);
    const [limits] = processes as [RateLimits];
    await limits.admit("p", "*", 1);
    await limits.admit("q", "*", 1);
    await limits.admit("p", "echo", 1);
    await expect(limits.admit("p", "*", 1)).rejects.toThrow(/limit/);
  });

  it("costs far less than a write per call while it is far, and none once it is reached", async () => {
    const { processes, writes } = fleet(1);
    const [limits] = processes as [RateLimits];
    for (let i = 0; i < 200; i++) await limits.admit("p", "*", 400);
    expect(writes()).toBeLessThanOrEqual(12);
    for (let i = 0; i < 200; i++) await limits.admit("p", "*", 400);
    const before = writes();
    for (let i = 0; i < 50; i++) await admitted(limits, 400);
    expect(writes() - before).toBeLessThanOrEqual(1);
  });
});
