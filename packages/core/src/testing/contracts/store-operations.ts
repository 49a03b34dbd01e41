// The contract's sentences about operations sent again: applied once, recorded, superseded, forgotten, refused for good.
import { describe, expect, it } from "vitest";
import type { Change, Key, UpdateOptions } from "../../stores/state-store.ts";
import { applied, COLORS, newKey, peek, place, type StoreHarness } from "./store-harness.ts";

export function describeOperations(get: () => StoreHarness): void {
  const ADD_ONE: Change = { increment: { attribute: "n", by: 1 } };
  const add = (key: Key, slot: string, stamp: number, more: Partial<UpdateOptions> = {}, change: Change = ADD_ONE) =>
    get().store.update(key, change, { on: "live-or-missing", operation: { slot, stamp }, ...more });

  describe("operations", () => {
    it("a repeat is applied once and answered with the version and result of the first time", async () => {
      const key = newKey();
      expect(await add(key, "w", 1)).toMatchObject({ applied: true, repeated: false, version: 1, result: 1 });
      expect(await add(key, "w", 1)).toMatchObject({ applied: true, repeated: true, version: 1, result: 1 });
      await add(key, "x", 2);
      const again = applied(await add(key, "w", 1));
      expect(again).toMatchObject({ repeated: true, version: 1, result: 1 });
      expect(again.entry).toMatchObject({ version: 2, attributes: { n: 2 } });
    });

    it("a repeat is recognised whatever else would refuse it: version, match, burial, expiry", async () => {
      const { store, clock } = get();
      const key = await place(get(), "live");
      const options = { on: "live", operation: { slot: "w", stamp: 1 }, version: 1, match: { color: "red" } } as const;
      const change = { set: { color: "blue" }, expiresAt: clock.now() / 1000 + 5 };
      await store.update(key, change, options);
      expect(await store.update(key, change, options)).toMatchObject({ applied: true, repeated: true, version: 2 });
      clock.advance(5);
      const expired = applied(await store.update(key, change, options));
      expect(expired).toMatchObject({ repeated: true, version: 2, entry: { dead: true } });
      await store.update(key, { bury: true, remove: ["color", "count"] }, { on: "dead" });
      const buried = applied(await store.update(key, change, options));
      expect(buried).toMatchObject({ repeated: true, version: 2, entry: { dead: true, version: 3 } });
    });

    it("of concurrent sendings of one operation, every one is applied and one of them not a repeat", async () => {
      const { store, other } = get();
      const key = newKey();
      const options = { on: "live-or-missing", operation: { slot: "w", stamp: 1 } } as const;
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, n) => (n % 2 ? store : other).update(key, ADD_ONE, options)),
      );
      expect(results.filter((result) => !applied(result).repeated)).toHaveLength(1);
      for (const result of results) expect(result).toMatchObject({ version: 1, result: 1 });
      expect((await store.get(key))?.attributes.n).toBe(1);
    });

    it("a slot that holds a later stamp refuses an earlier one", async () => {
      const key = newKey();
      await add(key, "w", 5);
      const refused = await add(key, "w", 4);
      expect(refused).toMatchObject({ applied: false, current: { slots: { w: { stamp: 5, version: 1, result: 1 } } } });
      expect(await add(key, "w", 5.5)).toMatchObject({ applied: true, repeated: false, result: 2 });
      expect(await add(key, "x", 4)).toMatchObject({ applied: true, repeated: false, result: 3 });
    });

    it("a slot keeps no result of an earlier increment", async () => {
      const key = newKey();
      await add(key, "w", 1);
      await add(key, "w", 2, {}, { set: { n: 9 } });
      expect((await get().store.get(key))?.slots).toEqual({ w: { stamp: 2, version: 2 } });
      expect(await add(key, "w", 2, {}, { set: { n: 9 } })).not.toHaveProperty("result");
    });

    it("an update without an operation leaves no slot and is applied each time", async () => {
      const key = newKey();
      for (const version of [1, 2]) {
        const result = await get().store.update(key, { set: { n: 1 } }, { on: "live-or-missing" });
        expect(result).toMatchObject({ applied: true, repeated: false, version });
      }
      expect((await get().store.get(key))?.slots).toEqual({});
    });

    it("an operation that was refused leaves no trace and may be sent again", async () => {
      const key = await place(get(), "live");
      expect((await add(key, "w", 1, { match: { color: "blue" } })).applied).toBe(false);
      expect((await get().store.get(key))?.slots).toEqual({});
      expect(await add(key, "w", 1)).toMatchObject({ applied: true, repeated: false });
    });
  });

  describe("forgetting", () => {
    const forget = (key: Key, slots: Record<string, number>, watermark: number) =>
      get().store.update(key, { forget: { slots, watermark }, versions: 0 }, { on: "live" });

    it("removes the named slots, raises the watermark and leaves the rest", async () => {
      const key = newKey();
      for (const [slot, stamp] of [
        ["a", 1],
        ["b", 2],
        ["c", 3],
      ] as const)
        await add(key, slot, stamp);
      const { entry } = applied(await forget(key, { a: 1, b: 2 }, 2));
      expect(entry).toMatchObject({ watermark: 2, version: 3, attributes: { n: 3 } });
      expect(entry.slots).toEqual({ c: { stamp: 3, version: 3, result: 3 } });
    });

    it("refuses every operation stamped at or before the watermark, for good", async () => {
      const key = newKey();
      await add(key, "a", 5);
      await forget(key, { a: 5 }, 5);
      for (const [slot, stamp] of [
        ["a", 5],
        ["b", 5],
        ["b", 4],
      ] as const) {
        expect(await add(key, slot, stamp)).toMatchObject({
          applied: false,
          current: { watermark: 5, attributes: { n: 1 } },
        });
      }
      expect(await add(key, "a", 6)).toMatchObject({ applied: true, repeated: false, result: 2 });
    });

    it("still recognises a repeat whose slot is there, however high the watermark", async () => {
      const key = newKey();
      await add(key, "a", 1);
      await add(key, "b", 2);
      await forget(key, { b: 2 }, 2);
      expect(await add(key, "a", 1)).toMatchObject({ applied: true, repeated: true, version: 1, result: 1 });
    });

    it("is refused when a slot has moved on, is gone, or the watermark stands higher", async () => {
      const key = newKey();
      await add(key, "a", 1);
      await add(key, "b", 2);
      for (const [slots, watermark] of [
        [{ a: 2 }, 2],
        [{ a: 1, gone: 1 }, 2],
      ] as const) {
        expect((await forget(key, slots, watermark)).applied).toBe(false);
      }
      await forget(key, { b: 2 }, 2);
      expect((await forget(key, { a: 1 }, 1)).applied).toBe(false);
      expect(await get().store.get(key)).toMatchObject({ watermark: 2, slots: { a: { stamp: 1 } } });
      expect((await forget(key, { a: 1 }, 2)).applied).toBe(true);
    });

    it("may come with an operation of another slot", async () => {
      const key = newKey();
      await add(key, "a", 1);
      const result = await add(key, "b", 9, {}, { ...ADD_ONE, forget: { slots: { a: 1 }, watermark: 1 } });
      expect(applied(result).entry).toMatchObject({ watermark: 1, attributes: { n: 2 } });
      expect(applied(result).entry.slots).toEqual({ b: { stamp: 9, version: 2, result: 2 } });
    });
  });

  describe("tombstones", () => {
    it("keep slots and watermark, so that a late repeat finds its operation and a late stranger is refused", async () => {
      const { store } = get();
      const key = newKey();
      await add(key, "a", 1);
      await add(key, "b", 2);
      await store.update(key, { forget: { slots: { a: 1 }, watermark: 1 }, versions: 0 }, { on: "live" });
      const burial = { bury: true, remove: ["n"] } as const;
      const options = { on: "live", operation: { slot: "c", stamp: 3 } } as const;
      await store.update(key, burial, options);
      expect(await store.update(key, burial, options)).toMatchObject({ applied: true, repeated: true, version: 3 });
      expect(await add(key, "b", 2)).toMatchObject({ applied: true, repeated: true, version: 2, result: 2 });
      expect((await add(key, "d", 4)).applied).toBe(false);
      expect(await peek(store, key)).toMatchObject({ watermark: 1, dead: true, attributes: {} });
    });

    it("revived, keep slots, watermark and the version's count, so that nothing is applied twice", async () => {
      const { store } = get();
      const key = newKey();
      await add(key, "a", 1);
      await add(key, "b", 2);
      await store.update(key, { forget: { slots: { a: 1 }, watermark: 1 }, versions: 0 }, { on: "live" });
      await store.update(key, { bury: true, remove: ["n"] }, { on: "live", operation: { slot: "c", stamp: 3 } });
      expect(await add(key, "a", 1, { on: "dead" })).toMatchObject({ applied: false, current: { dead: true } });
      const revived = applied(await add(key, "d", 4, { on: "dead" }));
      expect(revived).toMatchObject({ repeated: false, version: 4, result: 1 });
      expect(revived.entry).toMatchObject({ watermark: 1, dead: false, attributes: { n: 1 } });
      expect(Object.keys(revived.entry.slots).sort()).toEqual(["b", "c", "d"]);
      expect(await add(key, "d", 4, { on: "dead" })).toMatchObject({
        applied: true,
        repeated: true,
        version: 4,
        result: 1,
      });
      expect(await add(key, "b", 2)).toMatchObject({ applied: true, repeated: true, version: 2, result: 2 });
    });

    it("an entry that expired and was revived remembers its operations too", async () => {
      const { store } = get();
      const key = await place(get(), "expired");
      const revive = { on: "dead", operation: { slot: "w", stamp: 1 } } as const;
      await store.update(key, { set: COLORS }, revive);
      expect(await store.update(key, { set: COLORS }, revive)).toMatchObject({
        applied: true,
        repeated: true,
        version: 2,
      });
    });
  });
}
