// The contract's sentences about single entries: which state each write applies to, what it leaves, what is refused.
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type {
  Attributes,
  Change,
  DeleteOptions,
  PutOptions,
  StateStore,
  UpdateOptions,
} from "../stores/state-store.ts";
import type { StoreSuiteOptions } from "./store-contract.ts";
import { applied, COLORS, newKey, peek, place, STATES, type State, type StoreHarness } from "./store-harness.ts";

type Get = () => StoreHarness;

/** Each precondition, and the states in which it holds. */
const PUTS: [string, PutOptions["if"], State[]][] = [
  ["absent", "absent", ["missing", "expired", "tombstone"]],
  ["version 1", { version: 1 }, ["live"]],
  // A tombstone stands at version 2.
  ["version 2", { version: 2 }, []],
];

const UPDATES: [string, UpdateOptions, State[]][] = [
  ["live", { on: "live" }, ["live"]],
  ["live-or-missing", { on: "live-or-missing" }, ["live", "missing"]],
  ["dead", { on: "dead" }, ["expired", "tombstone"]],
  ["live at version 0", { on: "live", version: 0 }, []],
  ["live-or-missing at version 0", { on: "live-or-missing", version: 0 }, ["missing"]],
  ["dead at version 0", { on: "dead", version: 0 }, ["expired", "tombstone"]],
  ["live at version 1", { on: "live", version: 1 }, ["live"]],
  ["live-or-missing at version 1", { on: "live-or-missing", version: 1 }, ["live"]],
  ["dead at version 1", { on: "dead", version: 1 }, []],
  ["live at version 2", { on: "live", version: 2 }, []],
  ["live with a match", { on: "live", match: COLORS }, ["live"]],
  ["live-or-missing with a match", { on: "live-or-missing", match: COLORS }, ["live"]],
  ["live with a match of another value", { on: "live", match: { ...COLORS, count: 4 } }, []],
  ["live with a match of another type", { on: "live", match: { count: "3" } }, []],
  ["live with a match of a missing attribute", { on: "live", match: { ...COLORS, size: 1 } }, []],
  ["live with an operation", { on: "live", operation: { slot: "w", stamp: 5 } }, ["live"]],
  [
    "live-or-missing with an operation",
    { on: "live-or-missing", operation: { slot: "w", stamp: 5 } },
    ["live", "missing"],
  ],
  ["dead with an operation", { on: "dead", operation: { slot: "w", stamp: 5 } }, ["expired", "tombstone"]],
];

const DELETES: [string, DeleteOptions | undefined, State[]][] = [
  ["without conditions", undefined, ["live", "expired", "tombstone"]],
  ["at version 1", { version: 1 }, ["live"]],
  ["at version 2", { version: 2 }, []],
  ["with a match", { match: { color: "red" } }, ["live"]],
  ["with a match of another value", { match: { color: "blue" } }, []],
];

export function describeEntries(get: Get, { broken = {} }: StoreSuiteOptions): void {
  describe("preconditions", () => describePreconditions(get));
  describe("puts", () => describePuts(get));
  describe("changes", () => describeChanges(get));
  describe("increments", () => describeIncrements(get, broken.sums));
  describe("bounds", () => describeBounds(get));
}

function describePreconditions(get: Get): void {
  it.each(STATES)("get shows an entry that is live only: %s", async (state) => {
    const key = await place(get(), state);
    expect((await get().store.get(key))?.attributes).toEqual(state === "live" ? COLORS : undefined);
    expect((await get().store.list(key.pk, { limit: 10 })).entries).toHaveLength(state === "live" ? 1 : 0);
    const current = await peek(get().store, key);
    expect(current?.dead).toBe(state === "missing" ? undefined : state !== "live");
  });

  for (const state of STATES) {
    it.each(PUTS)(`put if %s on ${state}`, async (_, condition, states) => {
      const { store } = get();
      const key = await place(get(), state);
      const before = await peek(store, key);
      const result = await store.put(key, { shape: "round" }, { if: condition, id: "second" });
      if (!states.includes(state)) {
        expect(result).toEqual({ written: false, current: before });
        expect(await peek(store, key)).toEqual(before);
        return;
      }
      const version = condition === "absent" ? 1 : condition.version + 1;
      const entry = {
        key,
        attributes: { shape: "round" },
        version,
        createdBy: "second",
        slots: {},
        watermark: 0,
        dead: false,
      };
      expect(result).toEqual({ written: true, repeated: false, entry });
      expect(await store.get(key)).toEqual(entry);
    });

    it.each(UPDATES)(`update on %s of ${state}`, async (_, options, states) => {
      const { store } = get();
      const key = await place(get(), state);
      const before = await peek(store, key);
      const result = await store.update(key, { set: { shape: "round" } }, options);
      if (!states.includes(state)) {
        expect(result).toEqual({ applied: false, current: before });
        expect(await peek(store, key)).toEqual(before);
        return;
      }
      const version = (before?.version ?? 0) + 1;
      expect(result).toMatchObject({ applied: true, repeated: false, version });
      expect(await store.get(key)).toEqual({
        key,
        attributes: { ...before?.attributes, shape: "round" },
        version,
        ...(before ? { createdBy: "creator" } : {}),
        slots: options.operation ? { w: { stamp: 5, version } } : {},
        watermark: 0,
        dead: false,
      });
    });

    it.each(DELETES)(`delete %s of ${state}`, async (_, options, states) => {
      const { store } = get();
      const key = await place(get(), state);
      const before = await peek(store, key);
      const holds = states.includes(state);
      expect(await store.delete(key, options)).toBe(holds);
      expect(await peek(store, key)).toEqual(holds ? undefined : before);
    });
  }

  it("an entry is gone from the very second of its expiry on", async () => {
    const { store, clock } = get();
    const key = newKey();
    await store.put(key, COLORS, { if: "absent", id: "a", expiresAt: clock.now() / 1000 + 2 });
    clock.advance(1.999);
    expect(await store.get(key)).toBeDefined();
    expect((await store.update(key, { set: { last: true } }, { on: "live" })).applied).toBe(true);
    expect((await store.put(key, {}, { if: "absent", id: "b" })).written).toBe(false);
    clock.advance(0.001);
    expect(await store.get(key)).toBeUndefined();
    expect((await store.update(key, { set: { late: true } }, { on: "live" })).applied).toBe(false);
    expect((await store.put(key, {}, { if: "absent", id: "c" })).written).toBe(true);
  });

  it("two stores on one table see each other's writes", async () => {
    const { store, other } = get();
    const key = newKey();
    await store.put(key, { from: "one" }, { if: "absent", id: "one" });
    expect((await other.get(key))?.attributes).toEqual({ from: "one" });
    expect((await other.put(key, {}, { if: "absent", id: "two" })).written).toBe(false);
    await other.update(key, { set: { from: "two" } }, { on: "live", version: 1 });
    expect((await store.get(key))?.attributes).toEqual({ from: "two" });
    expect((await store.list(key.pk, { limit: 1 })).entries[0]?.version).toBe(2);
    await other.delete(key);
    expect(await store.get(key)).toBeUndefined();
  });

  it("answers a ping", async () => {
    await get().store.ping();
  });
}

function describePuts(get: Get): void {
  it("of many concurrent puts if absent, one is written and the others see it", async () => {
    const { store, other } = get();
    const key = newKey();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => (n % 2 ? store : other).put(key, { n }, { if: "absent", id: `put ${n}` })),
    );
    expect(results.filter(({ written }) => written)).toHaveLength(1);
    const winner = await store.get(key);
    for (const result of results) expect(result.written ? result.entry : result.current).toEqual(winner);
  });

  it("a repeat with the same id is answered as written and changes nothing", async () => {
    const { store } = get();
    const key = newKey();
    const options = { if: "absent", id: "mine" } as const;
    await store.put(key, { n: 1 }, options);
    expect(await store.put(key, { n: 1 }, options)).toMatchObject({
      written: true,
      repeated: true,
      entry: { version: 1 },
    });
    await store.update(key, { set: { n: 2 } }, { on: "live" });
    const again = await store.put(key, { n: 1 }, options);
    expect(again).toMatchObject({ written: true, repeated: true, entry: { version: 2, attributes: { n: 2 } } });
  });

  it("a repeat does not revive what has been buried or has expired since", async () => {
    for (const state of ["expired", "tombstone"] as const) {
      const key = await place(get(), state);
      const again = await get().store.put(key, COLORS, { if: "absent", id: "creator" });
      expect(again, state).toMatchObject({ written: true, repeated: true, entry: { dead: true } });
      expect(await get().store.get(key), state).toBeUndefined();
    }
  });

  it("a repeated put by version is answered as written", async () => {
    const { store } = get();
    const key = await place(get(), "live");
    const options = { if: { version: 1 }, id: "second" };
    await store.put(key, { n: 2 }, options);
    expect(await store.put(key, { n: 2 }, options)).toMatchObject({
      written: true,
      repeated: true,
      entry: { version: 2 },
    });
  });

  it("a put replaces the whole item, its slots and watermark too", async () => {
    const { store } = get();
    const key = await place(get(), "live");
    await store.update(key, {}, { on: "live", operation: { slot: "a", stamp: 1 } });
    await store.update(
      key,
      { forget: { slots: { a: 1 }, watermark: 1 } },
      { on: "live", operation: { slot: "b", stamp: 2 } },
    );
    await store.put(key, { only: "this" }, { if: { version: 3 }, id: "second" });
    const entry = await store.get(key);
    expect(entry).toMatchObject({ attributes: { only: "this" }, version: 4, watermark: 0 });
    expect(entry?.slots).toEqual({});
  });
}

function describeChanges(get: Get): void {
  const changed = async (change: Change, attributes: Attributes = COLORS) => {
    const { store } = get();
    const key = newKey();
    await store.put(key, attributes, { if: "absent", id: "a", expiresAt: 4_000_000_000 });
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
}

function describeIncrements(get: Get, brokenSums: string | undefined): void {
  const increment = (store: StateStore, key: ReturnType<typeof newKey>, by: number, attribute = "n") =>
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
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        (n % 2 ? store : other).update(
          key,
          { increment: { attribute: "n", by: 1 } },
          { on: "live-or-missing", operation: { slot: `w${n}`, stamp: 1 } },
        ),
      ),
    );
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
      await store.put(key, { n }, { if: "absent", id: "a" });
      expect(await increment(store, key, 1)).toMatchObject({
        applied: false,
        current: { attributes: { n }, version: 1 },
      });
    }
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
        await expect(increment(store, key, second)).rejects.toMatchObject({ name: "AppError", code: "invalid_input" });
        expect((await store.get(key))?.attributes).toEqual({ n: first });
      }
    },
  );
}

function describeBounds(get: Get): void {
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
    await store.put(key, attributes, { if: "absent", id: "a" });
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
      await store.put(key, { text }, { if: "absent", id: "a" });
      expect(await store.get(key), text).toMatchObject({ key, attributes: { text } });
      expect((await store.list(key.pk, { prefix: text, limit: 1 })).entries.map((entry) => entry.key)).toEqual([key]);
    }
    const longest = { pk: `${partition}${"p".repeat(2048 - partition.length)}`, sk: "s".repeat(1024) };
    await store.put(longest, {}, { if: "absent", id: "a" });
    expect((await store.get(longest))?.key).toEqual(longest);
  });

  it("an item over 400 KB is too large, by put and by update, and changes nothing", async () => {
    const { store } = get();
    const key = newKey();
    const tooLarge = { name: "AppError", code: "too_large" };
    const put = (bytes: number) => store.put(key, { text: "x".repeat(bytes) }, { if: "absent", id: "a" });
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
    const put = get().store.put(newKey(), { text: "é".repeat(205_000) }, { if: "absent", id: "a" });
    await expect(put).rejects.toMatchObject({ code: "too_large" });
  });

  it("numbers keep their exact value within the table's range, and are refused beyond it", async () => {
    const { store } = get();
    for (const n of [0, 1e-130, -1e-130, 9.9e125, -9.9e125, Number.MAX_SAFE_INTEGER, 0.1 + 0.2, Math.PI * 1e50]) {
      const key = newKey();
      await store.put(key, { n }, { if: "absent", id: "a" });
      expect((await store.get(key))?.attributes.n).toBe(n);
    }
    for (const n of [-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e126, -1e126, 9e-131]) {
      await expect(store.put(newKey(), { n }, { if: "absent", id: "a" })).rejects.toThrow(RangeError);
      await expect(store.update(newKey(), { set: { n } }, { on: "live-or-missing" })).rejects.toThrow(RangeError);
      const change = { increment: { attribute: "n", by: n } };
      await expect(store.update(newKey(), change, { on: "live-or-missing" })).rejects.toThrow(RangeError);
    }
  });

  it("refuses what no table could keep, as a mistake of the calling code", async () => {
    const { store } = get();
    const key = newKey();
    const put = { if: "absent", id: "a" } as const;
    const live = { on: "live-or-missing" } as const;
    const mistakes = [
      () => store.put({ ...key, sk: "" }, {}, put),
      () => store.put({ ...key, sk: "é".repeat(513) }, {}, put),
      () => store.put({ ...key, pk: "p".repeat(2049) }, {}, put),
      () => store.put(key, { text: "half \ud83e" }, put),
      () => store.put(key, {}, { ...put, expiresAt: 1.5 }),
      () => store.update(key, { set: { n: 1 }, increment: { attribute: "n", by: 1 } }, live),
      () => store.update(key, { set: { n: 1 }, remove: ["n"] }, live),
      () => store.update(key, { bury: true, set: { n: 1 } }, live),
      () => store.update(key, { expiresAt: 5, expiresAtIfNone: 5 }, live),
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
}
