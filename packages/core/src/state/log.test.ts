import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interceptStore, pausedAt } from "../../test-support/intercepted-store.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import { DenseLog } from "./log.ts";

const PLACE = { pk: "P#p#S#s", prefix: "N#g#" };
const append = (store: StateStore, id: string, fromTail?: number) =>
  new DenseLog(store).append(PLACE, { text: id }, { id, maxEntries: 1000, fromTail });
const written = async (store: StateStore) => {
  const { entries } = await store.list(PLACE.pk, { prefix: PLACE.prefix, limit: 1000 });
  return entries.map(({ key, createdBy }) => ({ sequence: Number(key.sk.slice(PLACE.prefix.length)), id: createdBy }));
};

describe("a log", () => {
  it("has no gaps and no entry twice, whatever the order in which requests of several processes arrive", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const table = new MemoryStore();
        const store = interceptStore(table, async (_, send) => {
          await scheduler.schedule(Promise.resolve());
          const answer = await send();
          await scheduler.schedule(Promise.resolve());
          return answer;
        });
        await append(table, "before");
        // The same keyed append on three processes beside three plain ones.
        const appended = Promise.all([
          append(store, "keyed", 1),
          append(store, "a"),
          append(store, "keyed", 1),
          append(store, "b"),
          append(store, "keyed", 0),
          append(store, "c"),
        ]);
        await scheduler.waitFor(appended);
        const [first, a, second, b, third, c] = await appended;
        const entries = await written(table);
        expect(entries.map(({ id }) => id).sort()).toEqual(["a", "b", "before", "c", "keyed"]);
        expect(entries.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
        expect([second, third]).toEqual([first, first]);
        for (const [id, sequence] of Object.entries({ a, b, c, keyed: first }))
          expect(entries[sequence - 1]?.id).toBe(id);
      }),
      { numRuns: 300 },
    );
  });

  it("recognises an append whose first sending arrives after others have passed it", async () => {
    const table = new MemoryStore();
    const gate = pausedAt(table, ({ method }) => method === "create");
    const late = append(gate.store, "keyed", 0);
    await gate.reached;
    for (const id of ["a", "b"]) await append(table, id);
    expect(await append(table, "keyed", 0)).toBe(3);
    await append(table, "c");
    gate.open();
    expect(await late).toBe(3);
    expect((await written(table)).map(({ id }) => id)).toEqual(["a", "b", "keyed", "c"]);
  });

  it("counts on behind many entries that another process has added since", async () => {
    const table = new MemoryStore();
    const log = new DenseLog(table);
    await log.append(PLACE, {}, { id: "first", maxEntries: 1000 });
    const other = new DenseLog(table);
    for (let i = 0; i < 150; i++) await other.append(PLACE, {}, { id: `${i}`, maxEntries: 1000 });
    expect(await log.append(PLACE, {}, { id: "mine", maxEntries: 1000 })).toBe(152);
    expect(await append(table, "keyed", 0)).toBe(153);
    expect(await append(table, "120", 0)).toBe(122);
  });

  it("appends with a warm hint in one request, and asks for the tail at most once in three lost races", async () => {
    const table = new MemoryStore();
    const requests: string[] = [];
    const log = new DenseLog(
      interceptStore(table, ({ method }, send) => {
        requests.push(method);
        return send();
      }),
    );
    await log.append(PLACE, {}, { id: "a", maxEntries: 1000 });
    requests.length = 0;
    await log.append(PLACE, {}, { id: "b", maxEntries: 1000 });
    expect(requests).toEqual(["create"]);
    for (let i = 0; i < 20; i++) await append(table, `${i}`);
    requests.length = 0;
    await log.append(PLACE, {}, { id: "c", maxEntries: 1000 });
    expect(requests).toEqual(["create", "create", "create", "list", "create"]);
  });
});
