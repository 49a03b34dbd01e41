// The contract's sentences about listing: order, bounds, continuation, and that nothing dead is ever shown.
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ListOptions } from "../../stores/state-store.ts";
import type { StoreHarness } from "./store-harness.ts";

/** In the order of their UTF-8 bytes. JavaScript's `<` would put the fox before U+FFFD. */
const SORT_KEYS = ["A", "N#1", "N#10", "N#2", "N#~", "V#a", "V#aa", "V#b", "a", "é", "\ufffd", "🦊", "🦊🦊"];

export function describeLists(get: () => StoreHarness): void {
  const fill = async (sortKeys: readonly string[], expiresAt?: number): Promise<string> => {
    const pk = randomUUID();
    // Backwards, so that the order of writing is not the order asked for.
    for (const sk of sortKeys.toReversed()) {
      await get().store.create({ pk, sk }, { sk }, { id: sk, expiresAt });
    }
    return pk;
  };
  const sortKeys = async (pk: string, options: Partial<ListOptions> = {}): Promise<string[]> =>
    (await get().store.list(pk, { limit: 100, ...options })).entries.map((entry) => entry.key.sk);
  const allPages = async (pk: string, options: ListOptions): Promise<string[][]> => {
    const pages: string[][] = [];
    let after = options.after;
    do {
      const page = await get().store.list(pk, { ...options, ...(after === undefined ? {} : { after }) });
      pages.push(page.entries.map((entry) => entry.key.sk));
      after = page.next;
    } while (after !== undefined);
    return pages;
  };

  describe("lists", () => {
    it("are in the order of the sort keys' UTF-8 bytes, or against it", async () => {
      const pk = await fill(SORT_KEYS);
      expect(await sortKeys(pk)).toEqual(SORT_KEYS);
      expect(await sortKeys(pk, { order: "ascending" })).toEqual(SORT_KEYS);
      expect(await sortKeys(pk, { order: "descending" })).toEqual(SORT_KEYS.toReversed());
    });

    it("hold whole entries of one partition only", async () => {
      const { store } = get();
      const pk = await fill(["x"]);
      await store.update({ pk, sk: "x" }, { set: { n: 1 } }, { on: "live", operation: { slot: "w", stamp: 3 } });
      await store.create({ pk: `${pk}x`, sk: "x" }, {}, { id: "other" });
      expect((await store.list(pk, { limit: 10 })).entries).toEqual([await store.get({ pk, sk: "x" })]);
      expect(await store.list(randomUUID(), { limit: 10 })).toEqual({ entries: [] });
    });

    it("keep to a prefix; an empty one is none", async () => {
      const pk = await fill(SORT_KEYS);
      for (const prefix of ["", "N#", "N#1", "V#a", "🦊", "nothing"]) {
        const expected = SORT_KEYS.filter((sk) => sk.startsWith(prefix));
        expect(await sortKeys(pk, { prefix })).toEqual(expected);
        expect(await sortKeys(pk, { prefix, order: "descending" })).toEqual(expected.toReversed());
      }
    });

    it("go on strictly after a sort key, which need not be there, nor inside the prefix", async () => {
      const pk = await fill(SORT_KEYS);
      const bytes = (text: string) => Buffer.from(text);
      const starts = ["", "A", "N#", "N#1", "N#11", "O", "V", "V#", "V#a", "V#ab", "Z", "b", "🦊", "\u{10ffff}"];
      for (const after of starts) {
        for (const prefix of ["", "N#", "V#", "🦊"]) {
          const within = SORT_KEYS.filter((sk) => sk.startsWith(prefix));
          const beyond = within.filter((sk) => Buffer.compare(bytes(sk), bytes(after)) > 0);
          const before = within.filter((sk) => Buffer.compare(bytes(sk), bytes(after)) < 0);
          expect(await sortKeys(pk, { prefix, after }), `"${after}" in "${prefix}"`).toEqual(beyond);
          expect(await sortKeys(pk, { prefix, after, order: "descending" })).toEqual(before.toReversed());
        }
      }
    });

    it("give pages of at most the limit, complete and without repeats, either way", async () => {
      const pk = await fill(SORT_KEYS);
      for (const order of ["ascending", "descending"] as const) {
        for (const prefix of ["", "N#"]) {
          const expected = SORT_KEYS.filter((sk) => sk.startsWith(prefix));
          const pages = await allPages(pk, { prefix, order, limit: 2 });
          expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(2);
          expect(pages.flat()).toEqual(order === "ascending" ? expected : expected.toReversed());
        }
      }
    });

    it("drop dead entries, and go on behind a page that holds nothing else", async () => {
      const { store, clock } = get();
      const pk = await fill(["a", "b", "c", "d"], clock.now() / 1000 + 5);
      for (const sk of ["e", "f"]) await store.create({ pk, sk }, {}, { id: sk });
      await store.update({ pk, sk: "e" }, { bury: true }, { on: "live" });
      clock.advance(5);
      expect(await sortKeys(pk)).toEqual(["f"]);
      expect((await allPages(pk, { limit: 2 })).flat()).toEqual(["f"]);
      expect((await allPages(pk, { limit: 1, order: "descending" })).flat()).toEqual(["f"]);
    });

    it("are complete when a page ends at the engine's 1 MB before the limit", async () => {
      const { store } = get();
      const pk = randomUUID();
      const names = ["a", "b", "c", "d", "e"];
      for (const sk of names) await store.create({ pk, sk }, { text: "x".repeat(300_000) }, { id: sk });
      const pages = await allPages(pk, { limit: 100 });
      expect(pages.length).toBeGreaterThan(1);
      expect(pages.flat()).toEqual(names);
    });

    it("show every write that was answered before", async () => {
      const { store, other } = get();
      const pk = randomUUID();
      for (let n = 0; n < 10; n += 1) {
        await store.create({ pk, sk: String(n) }, {}, { id: String(n) });
        expect((await other.list(pk, { limit: 100 })).entries).toHaveLength(n + 1);
      }
    });
  });
}
