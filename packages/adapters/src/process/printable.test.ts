import { expect, it } from "vitest";
import { printable } from "./printable.ts";

it.each([
  ["a\tb\nc", "a\tb\nc"],
  ["\u001b]0;title\u0007\u001b[2J", "\\u001b]0;title\\u0007\\u001b[2J"],
  ["\u009b31mred\r", "\\u009b31mred\\u000d"],
  ["abc\u202edcba\u2069\u2028", "abc\\u202edcba\\u2069\\u2028"],
  ["👨‍👩‍👧 é ‌", "👨‍👩‍👧 é ‌"],
])("%j is printed as %j", (text, printed) => {
  expect(printable(text)).toBe(printed);
});

it("leaves the value of JSON as it is", () => {
  const value = { note: "\u001b[2J \u009b1m \u202e x\u2028", "k\u0085": 1 };
  const printed = printable(JSON.stringify(value, null, 2));
  expect(printed).not.toMatch(/[\u0080-\u009f\u202e\u2028]/);
  expect(JSON.parse(printed)).toEqual(value);
});
