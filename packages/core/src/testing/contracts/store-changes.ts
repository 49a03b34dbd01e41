// The contract's sentences about what a creation or a change leaves behind, and what its repeat does.
import { describe, expect, it } from "vitest";
import type { Attributes, Change } from "../../stores/state-store.ts";
import { applied, COLORS, newKey, place, type StoreHarness } from "./store-harness.ts";

export function describeCreations(get: () => StoreHarness): void {
  describe("creations", () => {
    it("of many at once, one is written and the others see it", async () => {
      const { store, other } = get();
      const key = newKey();
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, n) => (n % 2 ? store : other).create(key, { n }, { id: `creation ${n}` })),
      );
      expect(results.filter(({ written }) => written)).toHaveLength(1);
      const winner = await store.get(key);
      for (const result of results) expect(result.written ? result.entry : result.current).toEqual(winner);
    });

    it("a repeat with the same id is answered as written and changes nothing", async () => {
      const { store } = get();
      const key = newKey();
      const options = { id: "mine" } as const;
      await store.create(key, { n: 1 }, options);
      expect(await store.create(key, { n: 1 }, options)).toMatchObject({
        written: true,
        repeated: true,
        entry: { version: 1 },
      });
      await store.update(key, { set: { n: 2 } }, { on: "live" });
      const again = await store.create(key, { n: 1 }, options);
      expect(again).toMatchObject({ written: true, repeated: true, entry: { version: 2, attributes: { n: 2 } } });
    });

    it("a repeat does not revive what has been buried or has expired since", async () => {
      for (const state of ["expired", "tombstone"] as const) {
        const key = await place(get(), state);
        const again = await get().store.create(key, COLORS, { id: "creator" });
        expect(again, state).toMatchObject({ written: true, repeated: true, entry: { dead: true } });
        expect(await get().store.get(key), state).toBeUndefined();
      }
    });

    it("takes the place of what is dead, its slots and watermark too", async () => {
      const { store } = get();
      const key = await place(get(), "live");
      await store.update(key, {}, { on: "live", operation: { slot: "a", stamp: 1 } });
      await store.update(
        key,
        { forget: { slots: { a: 1 }, watermark: 1 } },
        { on: "live", operation: { slot: "b", stamp: 2 } },
      );
      await store.update(key, { bury: true, remove: Object.keys(COLORS) }, { on: "live" });
      await store.create(key, { only: "this" }, { id: "second" });
      const entry = await store.get(key);
      expect(entry).toMatchObject({ attributes: { only: "this" }, version: 1, watermark: 0, createdBy: "second" });
      expect(entry?.slots).toEqual({});
    });
  });
}

export function describeChanges(get: () => StoreHarness): void {
  describe("changes", () => {
    const changed = async (change: Change, attributes: Attributes = COLORS) => {
      const { store } = get();
      const key = newKey();
      await store.create(key, attributes, { id: "a", expiresAt: 4_000_000_000 });
      return { key, result: await store.update(key, change, { on: "live" }), entry: await store.get(key) };
    };

    it("set and remove change what they name and nothing else", async () => {
      const { entry, result } = await changed({
        set: { color: "blue", size: 1.5, on: false, note: "" },
        remove: ["count", "nothing"],
      });
      expect(entry?.attributes).toEqual({ color: "blue", size: 1.5, on: false, note: "" });
      expect(entry).toMatchObject({ version: 2, createdBy: "a", expiresAt: 4_000_000_000 });
      expect(applied(result).entry).toEqual(entry);
    });

    it("expiresAt is set, taken away or left", async () => {
      expect((await changed({ expiresAt: 4_100_000_000 })).entry?.expiresAt).toBe(4_100_000_000);
      expect((await changed({ expiresAt: null })).entry).not.toHaveProperty("expiresAt");
      expect((await changed({ set: { n: 1 } })).entry?.expiresAt).toBe(4_000_000_000);
    });

    it("expiresAtIfNone counts only where there is no expiry, or none that still means anything", async () => {
      const { store } = get();
      const change = { expiresAtIfNone: 4_200_000_000 };
      expect((await changed(change)).entry?.expiresAt).toBe(4_000_000_000);
      for (const state of ["live", "missing"] as const) {
        const { entry } = applied(await store.update(await place(get(), state), change, { on: "live-or-missing" }));
        expect(entry.expiresAt, state).toBe(4_200_000_000);
      }
      for (const state of ["expired", "tombstone"] as const) {
        const { entry } = applied(await store.update(await place(get(), state), change, { on: "dead" }));
        expect(entry, state).toMatchObject({ expiresAt: 4_200_000_000, dead: false });
      }
    });

    it("copy takes the value from before the change, and is refused where there is none", async () => {
      const { entry } = await changed({ copy: { from: "color", to: "previous" }, set: { color: "blue" } });
      expect(entry?.attributes).toEqual({ ...COLORS, color: "blue", previous: "red" });
      const refused = await changed({ copy: { from: "nothing", to: "previous" }, set: { color: "blue" } });
      expect(refused.result).toMatchObject({ applied: false, current: { attributes: COLORS } });
    });

    it("versions says by how much the version grows: 1, more, or not at all", async () => {
      expect((await changed({ set: { n: 1 } })).entry?.version).toBe(2);
      expect((await changed({ set: { n: 1 }, versions: 5 })).entry?.version).toBe(6);
      expect((await changed({ set: { n: 1 }, versions: 0 })).entry?.version).toBe(1);
    });

    it("only one of many concurrent changes of one version is applied", async () => {
      const { store, other } = get();
      const key = await place(get(), "live");
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          (n % 2 ? store : other).update(
            key,
            { set: { n } },
            { on: "live", version: 1, operation: { slot: `${n}`, stamp: 1 } },
          ),
        ),
      );
      expect(results.filter((result) => result.applied)).toHaveLength(1);
      expect((await store.get(key))?.version).toBe(2);
    });

    it("a burial leaves a tombstone for as long as it says, and the version's count", async () => {
      const { store, clock } = get();
      const key = await place(get(), "live");
      const expiresAt = clock.now() / 1000 + 60;
      const { entry } = applied(
        await store.update(key, { bury: true, remove: ["color", "count"], expiresAt }, { on: "live" }),
      );
      expect(entry).toMatchObject({ attributes: {}, version: 2, dead: true, expiresAt });
      expect((await store.update(key, { set: COLORS }, { on: "live-or-missing" })).applied).toBe(false);
    });

    it("what is revived keeps its old attributes, unless set or removed, and never expires, unless told", async () => {
      const { store, clock } = get();
      const expired = await place(get(), "expired");
      const { entry } = applied(
        await store.update(expired, { set: { color: "blue" }, remove: ["count"] }, { on: "dead" }),
      );
      expect(entry).toMatchObject({ attributes: { color: "blue" }, version: 2, dead: false });
      expect(entry).not.toHaveProperty("expiresAt");
      const expiresAt = clock.now() / 1000 + 5;
      const tombstone = await place(get(), "tombstone");
      await store.update(tombstone, { set: COLORS, expiresAt }, { on: "dead" });
      expect(await store.get(tombstone)).toMatchObject({ attributes: COLORS, version: 3, expiresAt, dead: false });
      expect((await store.update(tombstone, {}, { on: "dead" })).applied).toBe(false);
    });

    it("what has been handed out cannot change what is stored", async () => {
      const { store } = get();
      const key = await place(get(), "live");
      const entry = await store.get(key);
      if (entry) entry.attributes.color = "changed outside";
      expect((await store.get(key))?.attributes).toEqual(COLORS);
    });
  });
}
