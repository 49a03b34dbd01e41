import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyDocument, plain } from "../../test-support/documents.ts";
import { fromAttribute, fromAttributes, itemBytes, toAttribute, toAttributes, typedForm } from "./json.ts";

const through = (value: unknown) => fromAttribute(toAttribute(value, "value"));

describe("items as JSON", () => {
  it("come back equal, whatever JSON they were", () => {
    fc.assert(
      fc.property(anyDocument(), (document) => {
        expect(plain(fromAttributes(toAttributes(document, "item")))).toEqual(plain(document));
      }),
      { numRuns: 500 },
    );
  });

  it("keep what a double cannot hold, and give back a plain number for what it can", () => {
    const exact = ["12345678901234567890123456789012345678", "0.12345678901234567890123456789", "1e-130"];
    for (const text of ["9007199254740993", "2512292042121000000", ...exact.slice(0, 2)])
      expect(through({ $number: text })).toEqual({ $number: text });
    for (const [text, number] of [
      ["1e-130", 1e-130],
      ["0042.50", 42.5],
      ["-0", 0],
      ["1E+21", 1e21],
      ["9.9e125", 9.9e125],
    ] as const)
      expect(through({ $number: text })).toBe(number);
  });

  it("keep megabytes in base64", () => {
    const value = { $binary: Buffer.alloc(3_750_000, 7).toString("base64") };
    expect(through(value)).toEqual(value);
  });

  it("know DynamoDB's own form of a value", () => {
    for (const [typed, plain] of [
      [{ S: "full" }, '"full"'],
      [{ N: "5" }, "5"],
      [{ N: "12345678901234567890" }, '{"$number":"12345678901234567890"}'],
      [{ BOOL: false }, "false"],
      [{ NULL: true }, "null"],
      [{ L: [{ S: "a" }] }, '["…"]'],
      [{ M: { a: { N: "1" } } }, '{"name":"…"}'],
    ] as const)
      expect(typedForm(typed)).toBe(plain);
    for (const other of [{ S: 1 }, { N: "x" }, { S: "a", N: "1" }, { s: "a" }, { M: { a: 1 } }, {}, "S", null])
      expect(typedForm(other)).toBeUndefined();
  });

  it("keep bytes and sets", () => {
    for (const value of [
      { $binary: "" },
      { $binary: "AAEC/w==" },
      { $set: ["a", "b"] },
      { $set: [1, 2.5, { $number: "9007199254740993" }] },
      { $set: [{ $binary: "AA==" }] },
    ])
      expect(through(value)).toEqual(value);
  });

  it("escape names that begin with $ by doubling it, so that no document is taken for a tag", () => {
    const document = { $$set: 1, m: { $$number: "5", $$: true }, $$$binary: null };
    const attributes = toAttributes(document, "item");
    expect(Object.keys(attributes)).toEqual(["$set", "m", "$$binary"]);
    expect(fromAttributes(attributes)).toEqual(document);
  });

  it.each([
    [{ $number: "1e126" }, /DynamoDB's numbers reach/],
    [{ $number: "1e-131" }, /DynamoDB's numbers reach/],
    [5e-324, /DynamoDB's numbers reach/],
    [{ $number: "1".repeat(39) }, /at most 38 significant digits/],
    [{ $number: "0x10" }, /is not a decimal number/],
    [{ $number: "" }, /is not a decimal number/],
    [{ $number: 5 }, /\$number holds a text/],
    [{ $binary: "AAE" }, /base64 text with padding/],
    [{ $binary: "!!!!" }, /base64 text with padding/],
    [{ $binary: "A".repeat(5_000_001) }, /base64 text with padding/],
    [2512292042121000000, /beyond 9007199254740991.*"\$number"/],
    [{ $set: [] }, /at least one member/],
    [{ $set: ["a", "a"] }, /each member once/],
    [{ $set: [1, { $number: "1.0" }] }, /each member once/],
    [{ $set: ["a", 1] }, /all texts, all numbers/],
    [{ $set: [null] }, /all texts, all numbers/],
    [{ $set: "a" }, /holds a list/],
    [{ $remove: true }, /no type tag here/],
    [{ $number: "1", other: 1 }, /no type tag here.*"\$\$number"/],
    [JSON.parse('{"a":{"__proto__":1}}'), /"__proto__" cannot be stored/],
    ["\ud800", /half of a surrogate pair/],
    [{ "\udc00": 1 }, /half of a surrogate pair/],
  ])("refuse %j, with the field", (value, message) => {
    expect(() => through(value)).toThrow(message);
    expect(() => through(value)).toThrow(/^value/);
  });

  it("refuse what nests deeper than DynamoDB does, and take what just fits", () => {
    const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
    expect(through(nested(32))).toEqual(nested(32));
    expect(() => through(nested(33))).toThrow(/at most 32 levels/);
  });

  it("are counted in bytes of UTF-8, names included", () => {
    expect(itemBytes(toAttributes({ ä: "ü€" }, "item"))).toBe(2 + 5);
    expect(itemBytes(toAttributes({ a: { b: [true, null] } }, "item"))).toBe(1 + (3 + 1 + 1) + (3 + 2 + 2));
  });
});
