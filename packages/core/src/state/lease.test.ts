import { afterEach, describe, expect, it, vi } from "vitest";
import { MemoryStore } from "../stores/memory-store.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";
import { heldForMs, LEASE_MS, Leases } from "./lease.ts";

const KEY = { pk: "P#p#C#x", sk: "L" };

function setup() {
  const clock = movableClock();
  const store = new MemoryStore({ clock });
  const leases = new Leases(store, clock);
  const take = async (fenceAbove = 0) =>
    leases.take(KEY, await store.get(KEY), { fenceAbove, expiresAt: clock.now() / 1000 + 1000 });
  return { clock, store, leases, take };
}

afterEach(() => {
  vi.useRealTimers();
});

describe("a lease", () => {
  it.each(["free", "released", "run out", "expired"])(
    "that is %s is taken by one of many that see it so",
    async (state) => {
      const { clock, store, leases, take } = setup();
      if (state !== "free") {
        const held = await take();
        if (held && state === "released") await leases.release(held);
        if (state === "run out") clock.advance(LEASE_MS / 1000);
        if (state === "expired") clock.advance(1000);
      }
      const seen = await store.get(KEY);
      expect(heldForMs(seen, clock)).toBe(0);
      const expiresAt = clock.now() / 1000 + 1000;
      const taken = await Promise.all(
        Array.from({ length: 10 }, () => leases.take(KEY, seen, { fenceAbove: 0, expiresAt })),
      );
      expect(taken.filter((held) => held !== undefined)).toHaveLength(1);
      expect(heldForMs(await store.get(KEY), clock)).toBe(LEASE_MS);
    },
  );

  it("has a fence that grows with every holder and stands above one known from elsewhere", async () => {
    const { clock, take } = setup();
    const fences: (number | undefined)[] = [];
    for (const fenceAbove of [0, 0, 41]) {
      fences.push((await take(fenceAbove))?.fence);
      clock.advance(LEASE_MS / 1000);
    }
    expect(fences).toEqual([1, 2, 42]);
  });

  it("taken by somebody else is neither renewed nor released by its last holder", async () => {
    const { clock, store, leases, take } = setup();
    const first = await take();
    clock.advance(LEASE_MS / 1000);
    const second = await take();
    if (!first || !second) throw new Error("Both were to hold it in turn.");
    clock.advance(1);
    expect(await leases.renew(first)).toBe(false);
    await leases.release(first);
    expect(heldForMs(await store.get(KEY), clock)).toBe(LEASE_MS - 1000);
    expect(await leases.renew(second)).toBe(true);
    expect(heldForMs(await store.get(KEY), clock)).toBe(LEASE_MS);
    await leases.release(second);
    expect(heldForMs(await store.get(KEY), clock)).toBe(0);
  });

  it("is renewed for as long as the work runs, and no longer", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const { clock, store, leases, take } = setup();
    const held = await take();
    if (!held) throw new Error("It was to be taken.");
    const work = Promise.withResolvers<string>();
    const kept = leases.renewWhile(held, () => work.promise);
    for (let seconds = 0; seconds < 60; seconds += 2) {
      clock.advance(2);
      await vi.advanceTimersByTimeAsync(2_000);
      expect(heldForMs(await store.get(KEY), clock)).toBeGreaterThan(0);
    }
    work.resolve("done");
    expect(await kept).toBe("done");
    expect(vi.getTimerCount()).toBe(0);
    await expect(leases.renewWhile(held, async () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(vi.getTimerCount()).toBe(0);
  });
});
