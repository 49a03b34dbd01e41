import { describe, expect, test } from "vitest";
import { type Goal, met, type Outcome } from "./outcome.ts";

const outcome = (goal: Goal): Outcome => ({
  measure: "anything",
  unit: "µs",
  ours: [50, 60, 70],
  ratios: [1, 2, 3],
  goal,
});

describe("a goal", () => {
  test("about the ratio is judged by the median of the ratios", () => {
    expect(met(outcome({ of: "ratio", atLeast: 2 }))).toBe(true);
    expect(met(outcome({ of: "ratio", atLeast: 2.1 }))).toBe(false);
    expect(met(outcome({ of: "ratio", atMost: 1.9 }))).toBe(false);
  });

  test("about ours is judged by the median of our values", () => {
    expect(met(outcome({ of: "ours", atMost: 60 }))).toBe(true);
    expect(met(outcome({ of: "ours", atMost: 59 }))).toBe(false);
  });
});
