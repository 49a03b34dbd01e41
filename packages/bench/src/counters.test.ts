import { describe, expect, test } from "vitest";
import { Counters } from "./counters.ts";

function counted(...values: unknown[]): Counters {
  const counters = new Counters();
  for (const value of values) counters.add("key", value);
  return counters;
}

describe("the check of counting loads", () => {
  test("accepts each value once, in any order", () => {
    expect(() => counted(2, 10, 1, 3, 5, 4, 6, 9, 8, 7).check()).not.toThrow();
  });

  test("finds a lost update: two calls were answered the same value", () => {
    expect(() => counted(1, 2, 2, 3).check()).toThrow(/lost or doubled/);
  });

  test("finds a doubled update: a value nobody was answered", () => {
    expect(() => counted(1, 3).check()).toThrow(/lost or doubled/);
  });

  test("keeps keys apart", () => {
    const counters = counted(1, 2);
    counters.add("other", 2);
    expect(() => counters.check()).toThrow(/other/);
  });

  test("refuses an answer that is no number", () => {
    expect(() => counted("1")).toThrow();
  });
});
