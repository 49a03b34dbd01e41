// The contract of stores/state-store.ts as a Vitest suite, for every implementation, ours and others. Knows no implementation.
import { afterAll, beforeAll, describe } from "vitest";
import { describeBounds, describeIncrements, describeReads } from "./store-bounds.ts";
import { describeChanges, describeCreations } from "./store-changes.ts";
import type { StoreHarness } from "./store-harness.ts";
import { describeLists } from "./store-lists.ts";
import { describeModel } from "./store-model.ts";
import { describeOperations } from "./store-operations.ts";
import { describePreconditions } from "./store-preconditions.ts";

export { type MovableClock, movableClock, type StoreHarness } from "./store-harness.ts";

/** For stores on engines with known faults. */
export interface StoreSuiteOptions {
  /** Sentences of the contract that the engine behind the store breaks, with the reason: skipped, with the reason in the title. */
  broken?: { sums?: string };
  /** Repeats a run of the random commands; each run prints its seed in the title. */
  seed?: number;
}

/**
 * Declares the suite. `makeHarness` is called once; tests use keys of their own and move the clock forward only.
 */
export function describeStateStore(
  name: string,
  makeHarness: () => Promise<StoreHarness>,
  options: StoreSuiteOptions = {},
): void {
  describe(`${name} keeps the store contract`, () => {
    let harness: StoreHarness | undefined;
    beforeAll(async () => {
      harness = await makeHarness();
    });
    afterAll(async () => {
      await harness?.close();
    });
    const get = (): StoreHarness => {
      if (!harness) throw new Error("The store did not start.");
      return harness;
    };
    describePreconditions(get);
    describeReads(get);
    describeCreations(get);
    describeChanges(get);
    describeIncrements(get, options.broken?.sums);
    describeBounds(get);
    describeOperations(get);
    describeLists(get);
    describeModel(get, options.seed);
  });
}
