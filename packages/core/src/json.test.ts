import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AppError } from "./errors.ts";
import { decimalOf, findJsonFault, LongNumber, parseJson, sameDecimal, toWellFormedJson } from "./json.ts";
import { cutText } from "./text.ts";

const digits = (min: number, max: number) =>
  fc.array(fc.constantFrom(..."0123456789"), { minLength: min, maxLength: max }).map((all) => all.join(""));
const numberText = fc
  .tuple(fc.boolean(), digits(1, 25), fc.option(digits(1, 25)), fc.option(fc.integer({ min: -420, max: 420 })))
  .map(([negative, whole, fraction, power]) => {
    const start = whole.replace(/^0+(?=\d)/, "");
    return `${negative ? "-" : ""}${start}${fraction === null ? "" : `.${fraction}`}${power === null ? "" : `e${power}`}`;
  });

describe("JSON as it arrives", () => {
  it("has every number as it was sent, or as one that it would have rounded", () => {
    fc.assert(
      fc.property(numberText, fc.string(), (source, text) => {
        const parsed = parseJson(`{"a":[${JSON.stringify(text)}, ${source}]}`) as { a: [string, unknown] };
        const [before, value] = parsed.a;
        expect(before).toBe(text);
        if (value instanceof LongNumber) {
          expect(value.source).toBe(source);
          expect(sameDecimal(source, String(Number(source)))).toBe(false);
        } else expect(sameDecimal(source, String(value))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("finds numbers that a double cannot hold wherever they stand, and only those", () => {
    for (const source of [
      "9007199254740993",
      "-2512292042121000001",
      "1e400",
      "-1e400",
      "1e-400",
      "0.10000000000000001",
      "123456789012345678.5",
      "1234567.89012345678",
      "100000000000000000000000001e-3",
    ])
      for (const before of ["", " ", "      "])
        expect(parseJson(`[${before}${source}]`)).toEqual([new LongNumber(source)]);
    for (const source of ["9007199254740992", "2512292042121000000", "0.1", "1e21", "-0", "5e-324", "1.50", "1e0100"])
      expect(parseJson(`[${source}]`)).toEqual([Number(source)]);
  });

  it("leaves texts that look like long numbers alone, and names such as __proto__ where they are", () => {
    const text = '{"9007199254740993":"9007199254740993","__proto__":{"a":1},"n":12345678901234567890}';
    const parsed = parseJson(text) as object;
    expect(Object.keys(parsed)).toEqual(["9007199254740993", "__proto__", "n"]);
    expect(findJsonFault(parsed)).toMatchObject({ path: ["n"] });
  });

  it("refuses what is no JSON or nests too deeply, and bears a long row of digits", () => {
    for (const text of ["", "{", "[".repeat(1_000_000), "[".repeat(65) + "]".repeat(65), "NaN"])
      expect(() => parseJson(text)).toThrow(AppError);
    expect(() => parseJson("1".repeat(1_000_000))).toThrow(/the number 1+… would be rounded/);
    expect(decimalOf(`${"0".repeat(1_000_000)}1`)?.digits).toBe("1");
  });

  it("counts levels outside of strings only, however their quotes are escaped", () => {
    const levels = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(levels)) : 0;
    const around = (inner: string, times: number) => "[".repeat(times) + inner + "]".repeat(times);
    fc.assert(
      fc.property(fc.json({ stringUnit: "binary", maxDepth: 6 }), fc.integer({ min: 55, max: 64 }), (inner, times) => {
        const text = around(inner, times);
        const isDeep = times + levels(JSON.parse(inner)) > 64;
        if (isDeep) expect(() => parseJson(text)).toThrow(/nests deeper than 64 levels/);
        else expect(() => parseJson(text)).not.toThrow();
      }),
    );
    for (const brackets of ['"[[[[\\\\"', '"\\"[[[["', '{"[\\\\\\"[":"]"}'])
      expect(parseJson(around(brackets, 60))).toEqual(JSON.parse(around(brackets, 60)));
  });

  it("refuses a long text for a number that would be rounded, and for none in a string", () => {
    const filler = `${"1,".repeat(40_000)}12345678.1234567`;
    for (const source of ["12345678901234567", "-1e400", "0.10000000000000001"])
      expect(() => parseJson(`[${filler},"x",${source}]`)).toThrow(`the number ${source} would be rounded`);
    const quoted = `[${filler},"\\"12345678901234567",1e300,-0,1.50,5e-324]`;
    expect(parseJson(quoted)).toEqual(JSON.parse(quoted));
  });

  it("names the place of half a surrogate pair in a text or a name", () => {
    expect(findJsonFault(parseJson('{"a":[1,{"b":"x\\ud800"}]}'))?.path).toEqual(["a", 1, "b"]);
    expect(findJsonFault(parseJson('{"a":{"\\udc00":1}}'))?.path).toEqual(["a"]);
    expect(findJsonFault(parseJson('{"a":"\\ud83d\\ude00"}'))).toBeUndefined();
    expect(toWellFormedJson({ a: ["x\ud800", "😀", "\\ud800"] })).toEqual({ a: ["x\ufffd", "😀", "\\ud800"] });
  });

  it("cuts no character in two", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(20), (text, max) => {
        const cut = cutText(text, max);
        expect(cut.length).toBeLessThanOrEqual(max);
        expect(cut.isWellFormed()).toBe(true);
        expect(text.startsWith(cut)).toBe(true);
      }),
    );
  });
});
