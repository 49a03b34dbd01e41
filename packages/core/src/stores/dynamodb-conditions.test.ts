// Conditions are flat: some engines' parsers take exponential time on nested parentheses.
import { expect, test } from "vitest";
import { createCondition, StateExpression, updateCondition } from "./dynamodb-conditions.ts";
import type { Change, UpdateOptions } from "./state-store.ts";

/** Parentheses of function calls do not group. */
const deepest = (condition: string): number => {
  let depth = 0;
  let most = 0;
  for (const char of condition.replace(/\b[a-z_]+\([^()]*\)/g, "call")) {
    if (char === "(") most = Math.max(most, ++depth);
    if (char === ")") depth -= 1;
  }
  expect(depth).toBe(0);
  return most;
};

const CHANGE: Change = {
  set: { a: 1 },
  increment: { attribute: "n", by: 1, from: { min: 0, max: 9 } },
  copy: { from: "a", to: "b" },
  forget: { slots: { s: 1, t: 2 }, watermark: 3 },
};

test("no condition nests deeper than one", () => {
  expect(deepest("(a OR (b AND c))")).toBe(2);
  expect(deepest(createCondition(new StateExpression(1), { id: "i" }))).toBe(1);
  for (const on of ["live", "live-or-missing", "dead"] as const)
    for (const version of [undefined, 0, 7]) {
      const options: UpdateOptions = {
        on,
        ...(version !== undefined && { version }),
        operation: { slot: "w", stamp: 5 },
        match: { a: 1, b: "x" },
        rising: { attribute: "fence", value: 2 },
      };
      expect(deepest(updateCondition(new StateExpression(1), CHANGE, options)), `${on} ${version}`).toBe(1);
    }
});
