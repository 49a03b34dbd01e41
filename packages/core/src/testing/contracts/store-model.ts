// Random command sequences against a plain model: what no list of cases thinks of. The model is the contract written down
// once more in the simplest way, over one item.
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Attributes, Change, CreateOptions, Key, Slot, UpdateOptions } from "../../stores/state-store.ts";
import type { StoreHarness } from "./store-harness.ts";

interface Item {
  attributes: Attributes;
  version: number;
  expiresAt?: number;
  createdBy?: string;
  slots: Record<string, Slot>;
  watermark: number;
  buried: boolean;
}

type Command =
  | { do: "create"; attributes: Attributes; options: CreateOptions; lifetimeSeconds?: number }
  | { do: "update"; change: Change; options: UpdateOptions; lifetimeSeconds?: number }
  | { do: "delete" }
  | { do: "wait"; seconds: number };

const name = fc.constantFrom("x", "y");
const slot = fc.constantFrom("p", "q");
const small = fc.integer({ min: 1, max: 4 });
const lifetimeSeconds = fc.integer({ min: 1, max: 3 });
const value = fc.oneof(
  // Adding 0 makes a 0 of -0.
  fc.integer({ min: -9, max: 9 }).map((n) => n / 10 + 0),
  fc.constant("text"),
);
const attributes = fc.dictionary(name, value);

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ set: attributes }),
  fc.record({ remove: fc.uniqueArray(name) }),
  fc.record(
    { increment: fc.record({ attribute: name, by: fc.constantFrom(1, 0.1, -2) }), versions: small },
    { requiredKeys: ["increment"] },
  ),
  fc.constant({ copy: { from: "x", to: "y" } }),
  fc.constant({ bury: true as const, remove: ["x", "y"] }),
  fc.record({ forget: fc.record({ slots: fc.dictionary(slot, small), watermark: small }), versions: fc.constant(0) }),
  fc.constant({ expiresAt: null }),
);
const createOptions: fc.Arbitrary<CreateOptions> = fc.record({
  id: fc.constantFrom("i", "j", "k"),
});
const updateOptions: fc.Arbitrary<UpdateOptions> = fc.record(
  {
    on: fc.constantFrom("live", "live-or-missing", "dead"),
    operation: fc.record({ slot, stamp: fc.integer({ min: 1, max: 8 }) }),
    version: fc.integer({ min: 0, max: 4 }),
    match: attributes,
  },
  { requiredKeys: ["on"] },
);

const kind = <const K extends Command["do"]>(of: K): fc.Arbitrary<K> => fc.constant(of);
const creations: fc.Arbitrary<Command> = fc.record(
  { do: kind("create"), attributes, options: createOptions, lifetimeSeconds },
  { requiredKeys: ["do", "attributes", "options"] },
);
const updates: fc.Arbitrary<Command> = fc.record(
  { do: kind("update"), change, options: updateOptions, lifetimeSeconds },
  { requiredKeys: ["do", "change", "options"] },
);
const deletes: fc.Arbitrary<Command> = fc.record({ do: kind("delete") });
const waits: fc.Arbitrary<Command> = fc.record({ do: kind("wait"), seconds: fc.constantFrom(1, 2) });
const command = fc.oneof(
  { weight: 2, arbitrary: creations },
  { weight: 6, arbitrary: updates },
  { weight: 1, arbitrary: deletes },
  { weight: 1, arbitrary: waits },
);

/** An operation may not forget its own slot, and a change without a version of its own brings nothing to life. */
const possible = (given: Command): boolean =>
  given.do !== "update" ||
  (!(given.options.operation && given.change.forget && given.options.operation.slot in given.change.forget.slots) &&
    !(given.change.versions === 0 && given.options.on !== "live"));

class Model {
  item: Item | undefined;

  isLive(now: number): boolean {
    return (
      this.item !== undefined && !this.item.buried && !(this.item.expiresAt !== undefined && this.item.expiresAt <= now)
    );
  }

  create(values: Attributes, options: CreateOptions, now: number): "written" | "repeated" | "refused" {
    if (this.item?.createdBy === options.id) return "repeated";
    if (this.isLive(now)) return "refused";
    const { expiresAt } = options;
    this.item = {
      attributes: { ...values },
      version: 1,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      createdBy: options.id,
      slots: {},
      watermark: 0,
      buried: false,
    };
    return "written";
  }

  update(given: Change, options: UpdateOptions, now: number): "applied" | "refused" | Slot {
    const { operation } = options;
    const recorded = operation && this.item?.slots[operation.slot];
    if (recorded && recorded.stamp === operation?.stamp) return recorded;
    if (!this.admits(given, options, now)) return "refused";
    const revives = options.on === "dead";
    const item: Item = structuredClone(this.item) ?? {
      attributes: {},
      version: 0,
      slots: {},
      watermark: 0,
      buried: false,
    };
    item.version += given.versions ?? 1;
    item.buried = given.bury === true;
    const copied = given.copy && item.attributes[given.copy.from];
    if (given.copy && copied !== undefined) item.attributes[given.copy.to] = copied;
    for (const attribute of given.remove ?? []) delete item.attributes[attribute];
    Object.assign(item.attributes, given.set);
    const done: Slot = { stamp: operation?.stamp ?? 0, version: item.version };
    if (given.increment) {
      const before = revives ? 0 : Number(item.attributes[given.increment.attribute] ?? 0);
      const result = Math.round((before + given.increment.by) * 10) / 10;
      // Adding 0 turns the -0 that rounding may give into 0.
      item.attributes[given.increment.attribute] = result + 0;
      Object.assign(done, { result: result + 0 });
    }
    if (typeof given.expiresAt === "number") item.expiresAt = given.expiresAt;
    else if (given.expiresAt === null || revives) delete item.expiresAt;
    for (const forgotten of Object.keys(given.forget?.slots ?? {})) delete item.slots[forgotten];
    if (given.forget) item.watermark = given.forget.watermark;
    if (operation) item.slots[operation.slot] = done;
    this.item = item;
    return "applied";
  }

  admits(given: Change, { on, operation, version, match }: UpdateOptions, now: number): boolean {
    const { item } = this;
    const live = this.isLive(now);
    const state = live ? "live" : item ? "dead" : "missing";
    const sum = given.increment && item?.attributes[given.increment.attribute];
    const matching = Object.entries(match ?? {}).every(([attribute, value]) => item?.attributes[attribute] === value);
    const kept = Object.entries(given.forget?.slots ?? {}).every(([name, stamp]) => item?.slots[name]?.stamp === stamp);
    return [
      on === state || (on === "live-or-missing" && state !== "dead"),
      version === undefined || version === (live ? item?.version : 0),
      matching,
      !operation || operation.stamp > Math.max(item?.slots[operation.slot]?.stamp ?? 0, item?.watermark ?? 0),
      !given.increment || on === "dead" || sum === undefined || typeof sum === "number",
      !given.copy || item?.attributes[given.copy.from] !== undefined,
      !given.forget || (kept && given.forget.watermark >= (item?.watermark ?? 0)),
    ].every(Boolean);
  }
}

async function step({ store, clock }: StoreHarness, model: Model, key: Key, given: Command): Promise<void> {
  const now = Math.floor(clock.now() / 1000);
  const lifetime =
    "lifetimeSeconds" in given && given.lifetimeSeconds !== undefined ? { expiresAt: now + given.lifetimeSeconds } : {};
  if (given.do === "wait") clock.advance(given.seconds);
  if (given.do === "create") {
    const options = { ...given.options, ...lifetime };
    const expected = model.create(given.attributes, options, now);
    const result = await store.create(key, given.attributes, options);
    expect(result.written ? (result.repeated ? "repeated" : "written") : "refused").toBe(expected);
  }
  if (given.do === "update") {
    const changed = { ...given.change, ...(given.change.expiresAt === null ? {} : lifetime) };
    const expected = model.update(changed, given.options, now);
    const result = await store.update(key, changed, given.options);
    if (expected === "refused") expect(result.applied).toBe(false);
    else if (expected === "applied")
      expect(result).toMatchObject({ applied: true, repeated: false, version: model.item?.version });
    else {
      const { stamp: _, ...recorded } = expected;
      expect(result).toMatchObject({ applied: true, repeated: true, ...recorded });
    }
  }
  if (given.do === "delete") {
    const stood = model.item !== undefined;
    model.item = undefined;
    expect(await store.delete(key)).toBe(stood);
  }
}

export function describeModel(get: () => StoreHarness, seed = Math.floor(Math.random() * 2 ** 31)): void {
  it(`random commands do what a plain model does (seed ${seed})`, { timeout: 120_000 }, async () => {
    const commands = fc.array(command.filter(possible), { minLength: 1, maxLength: 40, size: "max" });
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        const { store, clock } = get();
        const model = new Model();
        const key = { pk: randomUUID(), sk: "k" };
        for (const given of sequence) {
          await step(get(), model, key, given);
          const live = model.isLive(Math.floor(clock.now() / 1000));
          const { buried: _, ...item } = model.item ?? { buried: false };
          const expected = live ? { key, dead: false, ...item } : undefined;
          expect(await store.get(key)).toEqual(expected);
        }
      }),
      { seed, numRuns: 40, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: false },
    );
  });
}
