import { afterEach, describe, expect, it, vi } from "vitest";
import { holding, interceptStore } from "../../test-support/intercepted-store.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import type { Key, StateStore } from "../stores/state-store.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";
import { EntryWriter, keyedSlot, OperationForgotten } from "./entry-writer.ts";

const KEY: Key = { pk: "P#p#S#s", sk: "V#g#n" };
const ADD = { increment: { attribute: "value", by: 1 } };
const add = (writer: EntryWriter) => writer.write(KEY, ADD, { mayCreate: true });

function setup() {
  const clock = movableClock();
  const store = new MemoryStore({ clock });
  const writerOn = (on: StateStore, completed: (slot: string) => boolean = () => true) =>
    new EntryWriter({
      store: on,
      clock,
      completedSlots: async (_, slots) => new Set(slots.filter(completed)),
    });
  const entry = async () => {
    const found = await store.get(KEY);
    if (!found) throw new Error("The entry is not there.");
    return found;
  };
  return { clock, store, writerOn, entry };
}

afterEach(() => {
  vi.useRealTimers();
});

describe("an entry's memory of operations", () => {
  it("keeps eight writers and forgets none that wrote less than a minute ago", async () => {
    const { clock, store, writerOn, entry } = setup();
    for (let i = 0; i < 20; i++) await add(writerOn(store));
    expect(Object.keys((await entry()).slots)).toHaveLength(20);
    clock.advance(60);
    await add(writerOn(store));
    expect(Object.keys((await entry()).slots)).toHaveLength(21);
    clock.advance(1);
    await add(writerOn(store));
    const { slots, attributes } = await entry();
    expect(Object.keys(slots)).toHaveLength(2);
    expect(attributes.value).toBe(22);
  });

  it("when forgetting raises the watermark, in the same write, over everything forgotten and over nothing kept", async () => {
    const { clock, store, writerOn, entry } = setup();
    for (let i = 0; i < 9; i++) {
      await add(writerOn(store));
      clock.advance(1);
    }
    const forgotten = Object.values((await entry()).slots).map(({ stamp }) => stamp);
    clock.advance(61);
    const changes: number[] = [];
    const counting = interceptStore(store, (request, send) => {
      if (request.method === "update") changes.push(1);
      return send();
    });
    await add(writerOn(counting));
    const { slots, watermark, version } = await entry();
    expect(watermark).toBe(Math.max(...forgotten));
    expect(Object.values(slots).map(({ stamp }) => stamp)).toEqual([clock.now()]);
    expect(version).toBe(10);
    expect(changes).toHaveLength(2);
  });

  it("forgets a keyed operation only when its claim is completed and five seconds have passed", async () => {
    const { clock, store, writerOn, entry } = setup();
    const open = new Set<string>();
    const writer = writerOn(store, (slot) => !open.has(slot));
    for (let i = 0; i < 9; i++) {
      const operation = { slot: keyedSlot(`claim${i}`, 0), stamp: clock.now() };
      if (i % 2 === 0) open.add(operation.slot);
      await writer.write(KEY, ADD, { mayCreate: true, operation });
    }
    clock.advance(5);
    await add(writer);
    expect(Object.keys((await entry()).slots)).toHaveLength(10);
    clock.advance(1);
    await add(writer);
    expect(new Set(Object.keys((await entry()).slots).filter((slot) => slot.startsWith("k")))).toEqual(open);
  });

  it("has a hard limit: at 48 a writer waits until one can be forgotten", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { clock, store, writerOn, entry } = setup();
    for (let i = 0; i < 47; i++) await add(writerOn(store));
    let settled = false;
    const last = add(writerOn(store)).finally(() => {
      settled = true;
    });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(settled).toBe(false);
    clock.advance(61);
    await vi.advanceTimersByTimeAsync(250);
    expect(settled).toBe(true);
    expect(await last).toMatchObject({ outcome: "applied", result: 48 });
    expect(Object.keys((await entry()).slots).length).toBeLessThan(8);
  });
});

describe("a plain operation", () => {
  it("that was overtaken by a watermark goes again under a later stamp, once", async () => {
    const { clock, store, writerOn, entry } = setup();
    for (let i = 0; i < 9; i++) await add(writerOn(store));
    const gate = holding(store, ({ method }) => method === "update");
    const late = add(writerOn(gate.store));
    await gate.reached;
    // Another process whose clock is ahead forgets operations created after this one.
    const ahead = movableClock(clock.now() + 100_000);
    const completedSlots = async () => new Set<string>();
    await add(new EntryWriter({ store, clock: ahead, completedSlots }));
    const { watermark, slots } = await entry();
    await store.update(KEY, { forget: { slots: {}, watermark: clock.now() + 1 }, versions: 0 }, { on: "live" });
    expect(watermark).toBeLessThan(clock.now() + 1);
    expect(slots).not.toEqual({});
    gate.open();
    expect(await late).toMatchObject({ outcome: "applied", result: 11 });
    expect((await entry()).attributes.value).toBe(11);
  });

  it("that slept so long that it may have been forgotten says that its outcome is not known", async () => {
    const { clock, store, writerOn, entry } = setup();
    await add(writerOn(store));
    const gate = holding(store, ({ method }) => method === "update");
    const late = add(writerOn(gate.store));
    await gate.reached;
    clock.advance(31);
    await store.update(KEY, { forget: { slots: {}, watermark: clock.now() }, versions: 0 }, { on: "live" });
    gate.open();
    await expect(late).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("not known") });
    expect((await entry()).attributes.value).toBe(1);
  });

  it("has a stamp that grows, also when the clock steps back", () => {
    const { clock, store, writerOn } = setup();
    const writer = writerOn(store);
    const stamps = [0, 0, -60, 1, 120].map((seconds) => {
      clock.advance(seconds);
      return writer.nextOperation().stamp;
    });
    expect(stamps).toEqual(stamps.toSorted((a, b) => a - b));
    expect(new Set(stamps).size).toBe(5);
  });
});

describe("a keyed operation", () => {
  const operation = (stamp: number) => ({ slot: keyedSlot("claim", 0), stamp });

  it("at or below the watermark is refused with it and changes nothing", async () => {
    const { clock, store, writerOn, entry } = setup();
    const writer = writerOn(store);
    await add(writer);
    const watermark = clock.now() + 10;
    await store.update(KEY, { forget: { slots: {}, watermark }, versions: 0 }, { on: "live" });
    for (const stamp of [clock.now(), watermark])
      expect(await writer.write(KEY, ADD, { mayCreate: true, operation: operation(stamp) })).toMatchObject({
        outcome: "refused",
        watermark,
      });
    expect(await writer.write(KEY, ADD, { mayCreate: true, operation: operation(watermark + 1) })).toMatchObject({
      outcome: "applied",
      result: 2,
    });
    expect((await entry()).attributes.value).toBe(2);
    expect(new OperationForgotten(watermark).watermark).toBe(watermark);
  });

  it("is recognised on a tombstone and after a new life began", async () => {
    const { clock, store, writerOn, entry } = setup();
    const writer = writerOn(store);
    const once = { mayCreate: true, operation: operation(clock.now()) };
    await writer.write(KEY, ADD, once);
    await writer.write(
      KEY,
      { bury: true, remove: ["value"], expiresAt: clock.now() / 1000 + 60 },
      { mayCreate: false },
    );
    expect(await writer.write(KEY, ADD, once)).toMatchObject({ outcome: "applied", result: 1 });
    expect(await store.get(KEY)).toBeUndefined();
    expect(await add(writer)).toMatchObject({ outcome: "applied", result: 1 });
    expect(await writer.write(KEY, ADD, once)).toMatchObject({ outcome: "applied", result: 1 });
    expect((await entry()).attributes.value).toBe(1);
  });
});
