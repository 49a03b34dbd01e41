// The contract's sentences about arithmetic and about what an entry may hold: sums, names, keys, sizes, numbers.
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Key, StateStore, UpdateResult } from "../../stores/state-store.ts";
import { applied, newKey, peek, place, type StoreHarness } from "./store-harness.ts";

/** The contract's sentences about several entries read at once. */
export function describeReads(get: () => StoreHarness): void {
  describe("reads of several entries", () => {
    it("find each as a read of it alone would, in the order asked for", async () => {
      const { store, other } = get();
      const keys: Key[] = [];
      for (const state of ["live", "missing", "expired", "tombstone", "live"] as const)
        keys.push(await place(get(), state));
      // One partition holds several of them.
      const [first] = keys as [Key];
      keys.push({ pk: first.pk, sk: "another" }, { pk: first.pk, sk: "" + "#" });
      await other.create({ pk: first.pk, sk: "another" }, { n: 1 }, { id: "i" });
      const alone = await Promise.all(keys.map((key) => store.get(key)));
      expect(alone.map((entry) => entry !== undefined)).toEqual([true, false, false, false, true, true, false]);
      expect(await store.getMany(keys)).toEqual(alone);
      expect(await store.getMany(keys.toReversed())).toEqual(alone.toReversed());
    });

    it("see at once what another store has written", async () => {
      const { store, other } = get();
      const key = newKey();
      expect(await store.getMany([key])).toEqual([undefined]);
      await other.create(key, { n: 1 }, { id: "i" });
      expect(await store.getMany([key])).toMatchObject([{ attributes: { n: 1 } }]);
    });

    it("take 1 to 100 different keys", async () => {
      const { store } = get();
      const keys = Array.from({ length: 101 }, newKey);
      expect(await store.getMany(keys.slice(1))).toHaveLength(100);
      await expect(store.getMany(keys)).rejects.toThrow(RangeError);
      await expect(store.getMany([])).rejects.toThrow(RangeError);
      await expect(store.getMany([keys[0]!, keys[0]!])).rejects.toThrow(RangeError);
    });
  });
}

export function describeIncrements(get: () => StoreHarness, brokenSums: string | undefined): void {
  describe("increments", () => {
    const increment = (store: StateStore, key: Key, by: number, attribute = "n") =>
      store.update(key, { increment: { attribute, by } }, { on: "live-or-missing" });

    it("a missing item and a missing attribute count as 0", async () => {
      const { store } = get();
      const key = newKey();
      expect(await increment(store, key, 5)).toMatchObject({ applied: true, result: 5, version: 1 });
      expect(await increment(store, key, -7, "other")).toMatchObject({ applied: true, result: -7, version: 2 });
    });

    it("adds in decimal", async () => {
      const { store } = get();
      const key = newKey();
      const results = [];
      for (const by of [0.1, 0.2, -0.3, 1e21, -1e21, 1.5e-7])
        results.push(applied(await increment(store, key, by)).result);
      expect(results).toEqual([0.1, 0.3, 0, 1e21, 0, 1.5e-7]);
    });

    it("concurrent increments of two stores add up, and each sees its own sum and version", async () => {
      const { store, other } = get();
      const key = newKey();
      const results: UpdateResult[] = [];
      // In rounds: all at once would be a test of how long a busy engine keeps the last one waiting.
      for (let round = 0; round < 5; round++) {
        const writes = Array.from({ length: 20 }, (_, n) =>
          (n % 2 ? store : other).update(
            key,
            { increment: { attribute: "n", by: 1 } },
            { on: "live-or-missing", operation: { slot: `w${round}.${n}`, stamp: 1 } },
          ),
        );
        results.push(...(await Promise.all(writes)));
      }
      const order = Array.from({ length: 100 }, (_, n) => n + 1);
      expect(results.map((result) => applied(result).result).sort((a = 0, b = 0) => a - b)).toEqual(order);
      expect(results.map((result) => applied(result).version).sort((a, b) => a - b)).toEqual(order);
    });

    it("merged increments count as several versions", async () => {
      const { store } = get();
      const key = newKey();
      const change = { increment: { attribute: "n", by: 4 }, versions: 4 };
      expect(await store.update(key, change, { on: "live-or-missing" })).toMatchObject({ result: 4, version: 4 });
    });

    it("is refused where the attribute is not a number", async () => {
      const { store } = get();
      for (const n of ["7", "", true]) {
        const key = newKey();
        await store.create(key, { n }, { id: "a" });
        expect(await increment(store, key, 1)).toMatchObject({
          applied: false,
          current: { attributes: { n }, version: 1 },
        });
      }
    });

    it("is refused where the attribute is outside its range", async () => {
      const { store } = get();
      const key = newKey();
      await store.create(key, { n: 5, text: "5" }, { id: "a" });
      const add = (min: number, max: number, attribute = "n") =>
        store.update(key, { increment: { attribute, by: 1, from: { min, max } } }, { on: "live-or-missing" });
      expect(await add(-9, 9, "text")).toMatchObject({ applied: false, current: { version: 1 } });
      expect(await add(6, 9)).toMatchObject({ applied: false, current: { attributes: { n: 5 }, version: 1 } });
      expect(await add(-9, 4.5)).toMatchObject({ applied: false, current: { attributes: { n: 5 }, version: 1 } });
      expect(await add(5, 5)).toMatchObject({ applied: true, result: 6 });
      expect(await add(8, 9, "missing")).toMatchObject({ applied: true, result: 1 });
    });

    it("starts from 0 on a dead entry, whatever it held", async () => {
      const { store } = get();
      for (const attribute of ["count", "color"]) {
        const key = await place(get(), "expired");
        const operation = { slot: "w", stamp: 1 };
        const result = await store.update(key, { increment: { attribute, by: 2 } }, { on: "dead", operation });
        expect(result).toMatchObject({ applied: true, result: 2, version: 2 });
        expect(applied(result).entry.slots.w).toEqual({ stamp: 1, version: 2, result: 2 });
      }
    });

    const sums = "a sum the table cannot hold is refused as input, and changes nothing";
    it.skipIf(brokenSums !== undefined)(
      brokenSums === undefined ? sums : `${sums} (SKIPPED: ${brokenSums})`,
      async () => {
        const { store } = get();
        for (const [first, second] of [
          [1e100, 1],
          [9e125, 9e125],
        ] as const) {
          const key = newKey();
          await increment(store, key, first);
          await expect(increment(store, key, second)).rejects.toMatchObject({
            name: "AppError",
            code: "invalid_input",
          });
          expect((await store.get(key))?.attributes).toEqual({ n: first });
        }
      },
    );
  });
}

export function describeBounds(get: () => StoreHarness): void {
  describe("bounds", () => {
    const HOSTILE = [
      "emoji 🦊 and é",
      "\u0000\u0001\u007f",
      "status",
      "size",
      "name",
      "pk",
      "sk",
      "v",
      "expiresAt",
      "dead",
      "op",
      "wm",
    ];
    const MORE = [
      "a.b",
      "s.w",
      "sv.w",
      "sr.w",
      "#n0",
      ":v0",
      "__proto__",
      "constructor",
      "",
      " ",
      "a[0]",
      "\uffff",
      "x".repeat(200),
    ];

    it("any text is an attribute's name and value", async () => {
      const { store } = get();
      const key = newKey();
      const names = [...HOSTILE, ...MORE];
      const attributes = Object.fromEntries(names.map((name) => [name, name]));
      await store.create(key, attributes, { id: "a" });
      expect(await store.get(key)).toEqual({
        key,
        attributes,
        version: 1,
        createdBy: "a",
        slots: {},
        watermark: 0,
        dead: false,
      });
      for (const [n, name] of names.entries()) {
        const { entry } = applied(
          await store.update(key, { set: { [name]: n } }, { on: "live", match: { [name]: name } }),
        );
        expect(Object.entries(entry.attributes)).toContainEqual([name, n]);
        const sum = await store.update(key, { increment: { attribute: name, by: 1 } }, { on: "live" });
        expect(applied(sum).result, name).toBe(n + 1);
      }
      await store.update(key, { remove: names }, { on: "live" });
      expect(Object.keys((await store.get(key))?.attributes ?? {})).toEqual([]);
    });

    it("any text is a slot's name", async () => {
      const { store } = get();
      const key = newKey();
      for (const slot of [...HOSTILE, ...MORE]) {
        const options = { on: "live-or-missing", operation: { slot, stamp: 7 } } as const;
        const first = applied(await store.update(key, { increment: { attribute: "n", by: 1 } }, options));
        const again = applied(await store.update(key, { increment: { attribute: "n", by: 1 } }, options));
        expect(again, slot).toMatchObject({ repeated: true, version: first.version, result: first.result });
      }
      expect(Object.keys((await store.get(key))?.slots ?? {}).sort()).toEqual([...HOSTILE, ...MORE].sort());
    });

    it("any text up to the bound is a key", async () => {
      const { store } = get();
      const partition = randomUUID();
      for (const text of [...HOSTILE, ...MORE].filter((name) => name !== "").concat("🦊".repeat(256))) {
        const key = { pk: `${partition}${text}`, sk: text };
        await store.create(key, { text }, { id: "a" });
        expect(await store.get(key), text).toMatchObject({ key, attributes: { text } });
        expect((await store.list(key.pk, { prefix: text, limit: 1 })).entries.map((entry) => entry.key)).toEqual([key]);
      }
      const longest = { pk: `${partition}${"p".repeat(2048 - partition.length)}`, sk: "s".repeat(1024) };
      await store.create(longest, {}, { id: "a" });
      expect((await store.get(longest))?.key).toEqual(longest);
    });

    it("an item over 400 KB is too large, by put and by update, and changes nothing", async () => {
      const { store } = get();
      const key = newKey();
      const tooLarge = { name: "AppError", code: "too_large" };
      const put = (bytes: number) => store.create(key, { text: "x".repeat(bytes) }, { id: "a" });
      await expect(put(409_600)).rejects.toMatchObject(tooLarge);
      expect(await store.get(key)).toBeUndefined();
      await put(300_000);
      const grow = store.update(key, { set: { more: "x".repeat(120_000) } }, { on: "live" });
      await expect(grow).rejects.toMatchObject(tooLarge);
      const jump = store.update(key, { set: { more: "é".repeat(210_000) } }, { on: "live" });
      await expect(jump).rejects.toMatchObject(tooLarge);
      expect((await store.get(key))?.version).toBe(1);
      expect((await store.update(key, { set: { more: "x".repeat(100_000) } }, { on: "live" })).applied).toBe(true);
    });

    it("size counts bytes, not characters", async () => {
      const put = get().store.create(newKey(), { text: "é".repeat(205_000) }, { id: "a" });
      await expect(put).rejects.toMatchObject({ code: "too_large" });
    });

    it("numbers keep their exact value within the table's range, and are refused beyond it", async () => {
      const { store } = get();
      for (const n of [0, 1e-130, -1e-130, 9.9e125, -9.9e125, Number.MAX_SAFE_INTEGER, 0.1 + 0.2, Math.PI * 1e50]) {
        const key = newKey();
        await store.create(key, { n }, { id: "a" });
        expect((await store.get(key))?.attributes.n).toBe(n);
      }
      for (const n of [-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e126, -1e126, 9e-131]) {
        await expect(store.create(newKey(), { n }, { id: "a" })).rejects.toThrow(RangeError);
        await expect(store.update(newKey(), { set: { n } }, { on: "live-or-missing" })).rejects.toThrow(RangeError);
        const change = { increment: { attribute: "n", by: n } };
        await expect(store.update(newKey(), change, { on: "live-or-missing" })).rejects.toThrow(RangeError);
      }
    });

    it("refuses what no table could keep, as a mistake of the calling code", async () => {
      const { store } = get();
      const key = newKey();
      const put = { id: "a" } as const;
      const live = { on: "live-or-missing" } as const;
      const mistakes = [
        () => store.create({ ...key, sk: "" }, {}, put),
        () => store.create({ ...key, sk: "é".repeat(513) }, {}, put),
        () => store.create({ ...key, pk: "p".repeat(2049) }, {}, put),
        () => store.create(key, { text: "half \ud83e" }, put),
        () => store.create(key, {}, { ...put, expiresAt: 1.5 }),
        () => store.update(key, { set: { n: 1 }, increment: { attribute: "n", by: 1 } }, live),
        () => store.update(key, { set: { n: 1 }, remove: ["n"] }, live),
        () => store.update(key, { bury: true, set: { n: 1 } }, live),
        () => store.update(key, { expiresAt: 5, expiresAtIfNone: 5 }, live),
        () => store.update(key, { set: { n: 1 }, versions: 0 }, live),
        () => store.update(key, { set: { n: 1 }, versions: 0 }, { on: "dead" }),
        () => store.update(key, {}, { ...live, operation: { slot: "w", stamp: 0 } }),
        () =>
          store.update(
            key,
            { forget: { slots: { w: 1 }, watermark: 1 } },
            { ...live, operation: { slot: "w", stamp: 2 } },
          ),
        () => store.list(key.pk, { limit: 0 }),
      ];
      for (const mistake of mistakes) await expect(mistake()).rejects.toThrow(RangeError);
      expect(await peek(store, key)).toBeUndefined();
    });
  });
}
