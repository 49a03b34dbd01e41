// The contract's sentences about preconditions: which of the four states each write applies to, and what it leaves.
import { describe, expect, it } from "vitest";
import type { UpdateOptions } from "../../stores/state-store.ts";
import { COLORS, newKey, peek, place, STATES, type State, type StoreHarness } from "./store-harness.ts";

/** Each precondition, and the states in which it holds. */
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
  ["live with a rising attribute", { on: "live", rising: { attribute: "count", value: 3.5 } }, ["live"]],
  ["live with an attribute that does not rise", { on: "live", rising: { attribute: "count", value: 3 } }, []],
  ["live with a rising attribute that is text", { on: "live", rising: { attribute: "color", value: 9 } }, []],
  [
    "live-or-missing with a rising attribute nobody has set",
    { on: "live-or-missing", rising: { attribute: "fence", value: 1 } },
    ["live", "missing"],
  ],
  // A tombstone has lost the attribute; an expired entry still shows how far it rose.
  ["dead with a rising attribute", { on: "dead", rising: { attribute: "count", value: 4 } }, ["expired", "tombstone"]],
  [
    "dead with an attribute that does not rise",
    { on: "dead", rising: { attribute: "count", value: 3 } },
    ["tombstone"],
  ],
  ["live with an operation", { on: "live", operation: { slot: "w", stamp: 5 } }, ["live"]],
  [
    "live-or-missing with an operation",
    { on: "live-or-missing", operation: { slot: "w", stamp: 5 } },
    ["live", "missing"],
  ],
  ["dead with an operation", { on: "dead", operation: { slot: "w", stamp: 5 } }, ["expired", "tombstone"]],
];

export function describePreconditions(get: () => StoreHarness): void {
  describe("preconditions", () => {
    it.each(STATES)("get shows an entry that is live only: %s", async (state) => {
      const key = await place(get(), state);
      expect((await get().store.get(key))?.attributes).toEqual(state === "live" ? COLORS : undefined);
      expect((await get().store.list(key.pk, { limit: 10 })).entries).toHaveLength(state === "live" ? 1 : 0);
      const current = await peek(get().store, key);
      expect(current?.dead).toBe(state === "missing" ? undefined : state !== "live");
    });

    for (const state of STATES) {
      it(`create on ${state}`, async () => {
        const { store } = get();
        const key = await place(get(), state);
        const before = await peek(store, key);
        const result = await store.create(key, { shape: "round" }, { id: "second" });
        if (state === "live") {
          expect(result).toEqual({ written: false, current: before });
          expect(await peek(store, key)).toEqual(before);
          return;
        }
        const entry = {
          key,
          attributes: { shape: "round" },
          version: 1,
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

      it(`delete of ${state}`, async () => {
        const { store } = get();
        const key = await place(get(), state);
        expect(await store.delete(key)).toBe(state !== "missing");
        expect(await peek(store, key)).toBeUndefined();
      });
    }

    it("an entry is gone from the very second of its expiry on", async () => {
      const { store, clock } = get();
      const key = newKey();
      await store.create(key, COLORS, { id: "a", expiresAt: clock.now() / 1000 + 2 });
      clock.advance(1.999);
      expect(await store.get(key)).toBeDefined();
      expect((await store.update(key, { set: { last: true } }, { on: "live" })).applied).toBe(true);
      expect((await store.create(key, {}, { id: "b" })).written).toBe(false);
      clock.advance(0.001);
      expect(await store.get(key)).toBeUndefined();
      expect((await store.update(key, { set: { late: true } }, { on: "live" })).applied).toBe(false);
      expect((await store.create(key, {}, { id: "c" })).written).toBe(true);
    });

    it("two stores on one table see each other's writes", async () => {
      const { store, other } = get();
      const key = newKey();
      await store.create(key, { from: "one" }, { id: "one" });
      expect((await other.get(key))?.attributes).toEqual({ from: "one" });
      expect((await other.create(key, {}, { id: "two" })).written).toBe(false);
      await other.update(key, { set: { from: "two" } }, { on: "live", version: 1 });
      expect((await store.get(key))?.attributes).toEqual({ from: "two" });
      expect((await store.list(key.pk, { limit: 1 })).entries[0]?.version).toBe(2);
      await other.delete(key);
      expect(await store.get(key)).toBeUndefined();
    });

    it("answers a ping", async () => {
      await get().store.ping();
    });
  });
}
