import { describe, expect, it } from "vitest";
import { MemoryStore } from "../stores/memory-store.ts";
import type { Change, Key, StateStore, UpdateOptions } from "../stores/state-store.ts";
import { movableClock } from "../testing/index.ts";
import { EntryWriter, type WriteOptions, type WriteOutcome } from "./entry-writer.ts";

const KEY: Key = { pk: "P#p", sk: "V#key" };
const KEYED = { slot: "kclaim.0", stamp: 1_800_000_000_000 };

/** A store whose first update reaches it only when `arrives` is called; the one sent again in its place is answered. */
function withStraggler(store: StateStore) {
  let arrives = async (): Promise<unknown> => undefined;
  let first = true;
  const late: StateStore = Object.assign(Object.create(store), {
    get: store.get.bind(store),
    update: async (key: Key, change: Change, options: UpdateOptions) => {
      const result = await store.update(key, change, options);
      if (!first) return result;
      first = false;
      arrives = () => store.update(key, change, options);
      return result.applied ? result : { ...result, straggler: true };
    },
  });
  return { late, arrives: () => arrives() };
}

async function setUp() {
  const clock = movableClock();
  const store = new MemoryStore({ clock });
  const { late, arrives } = withStraggler(store);
  const writer = new EntryWriter({ store: late, clock });
  const other = new EntryWriter({ store, clock });
  return { store, arrives, writer, other };
}

const set = (value: string): Change => ({ set: { value } });

describe("a write that was answered as refused changes nothing any more when an attempt of it arrives late", () => {
  const refusals: [string, Change, WriteOptions, WriteOutcome["outcome"]][] = [
    ["a condition on a version", set("late"), { mayCreate: true, version: 2 }, "conflict"],
    ["an increment of a text", { increment: { attribute: "value", by: 1 } }, { mayCreate: true }, "conflict"],
  ];
  it.each(refusals)("%s", async (_, change, options, outcome) => {
    const { store, arrives, writer, other } = await setUp();
    await other.write(KEY, set("first"), { mayCreate: true });
    expect(await writer.write(KEY, change, options)).toMatchObject({ outcome });
    // What the refused write asked for comes true: version 2, or a number.
    await other.write(KEY, { set: { value: 2 } }, { mayCreate: true });
    const before = await store.get(KEY);
    await arrives();
    expect((await store.get(KEY))?.attributes).toEqual(before?.attributes);
  });

  it("a delete of what is not there", async () => {
    const { store, arrives, writer, other } = await setUp();
    const burial: Change = { bury: true, remove: ["value"] };
    expect(await writer.write(KEY, burial, { mayCreate: false })).toEqual({ outcome: "missing" });
    await other.write(KEY, set("stored since"), { mayCreate: true });
    await arrives();
    expect(await store.get(KEY)).toMatchObject({ attributes: { value: "stored since" } });
  });

  it("a keyed write that a paused process has still to send", async () => {
    const { store, other } = await setUp();
    await other.write(KEY, set("first"), { mayCreate: true });
    const options = { mayCreate: true, version: 2, operation: KEYED };
    expect(await other.write(KEY, set("late"), options)).toMatchObject({ outcome: "conflict" });
    await other.write(KEY, set("second"), { mayCreate: true });
    await store.update(KEY, set("late"), { on: "live", version: 2, operation: KEYED });
    expect(await store.get(KEY)).toMatchObject({ attributes: { value: "second" } });
  });
});

it("an attempt that arrives before its refusal is answered has been made", async () => {
  const { store, other } = await setUp();
  await other.write(KEY, set("first"), { mayCreate: true });
  let overtaken = false;
  const clock = movableClock();
  const racing: StateStore = Object.assign(Object.create(store), {
    update: async (key: Key, change: Change, options: UpdateOptions) => {
      const result = await store.update(key, change, options);
      if (result.applied || overtaken) return result;
      overtaken = true;
      await other.write(KEY, set("second"), { mayCreate: true });
      await store.update(key, change, options);
      return { ...result, straggler: true };
    },
  });
  const writer = new EntryWriter({ store: racing, clock });
  const written = await writer.write(KEY, set("third"), { mayCreate: true, version: 2 });
  expect(written).toMatchObject({ outcome: "applied", version: 3 });
});
