import { describe, expect, test } from "vitest";
import { ratios, spread } from "./statistics.ts";

describe("spread", () => {
  test("the median of an odd number of rounds is the middle one, whatever their order and size", () => {
    expect(spread([100, 9, 20])).toEqual({ median: 20, low: 9, high: 100 });
  });

  test("the median of an even number of rounds lies between the two in the middle", () => {
    expect(spread([4, 1, 3, 2]).median).toBe(2.5);
  });

  test("no rounds, or a round without a figure, is an error and not a number", () => {
    expect(() => spread([])).toThrow();
    expect(() => spread([1, Number.NaN, 2])).toThrow();
    expect(() => spread([1, Number.POSITIVE_INFINITY])).toThrow();
  });
});

describe("ratios", () => {
  test("each round is compared with its own partner", () => {
    expect(ratios([10, 30], [5, 10])).toEqual([2, 3]);
  });

  test("rounds without a partner are refused", () => {
    expect(() => ratios([1, 2], [1])).toThrow();
  });
});
