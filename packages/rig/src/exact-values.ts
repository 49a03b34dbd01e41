// Numbers as JSON text spells them and texts of every kind, and what "came back equal" means for them: for the tests that send them
// over each transport.
import * as fc from "fast-check";

const digits = (maxLength: number) =>
  fc.array(fc.constantFrom(..."0123456789"), { minLength: 1, maxLength }).map((all) => all.join(""));

/** A number as JSON text: many are more than a double holds. */
export const numberText: fc.Arbitrary<string> = fc
  .record({
    negative: fc.boolean(),
    whole: digits(24).map((text) => text.replace(/^0+(?=\d)/, "")),
    fraction: fc.option(digits(20)),
    power: fc.option(fc.integer({ min: -400, max: 400 }), { freq: 3 }),
  })
  .map(
    ({ negative, whole, fraction, power }) =>
      `${negative ? "-" : ""}${whole}${fraction === null ? "" : `.${fraction}`}${power === null ? "" : `e${power}`}`,
  );

/** Any text as JSON text, half surrogate pairs included. */
const anyText: fc.Arbitrary<string> = fc
  .array(fc.oneof(fc.string({ unit: "binary", maxLength: 5 }), fc.constantFrom("\ud800", "\udc00", "\ufffd", "\u0000")))
  .map((parts) => JSON.stringify(parts.join("")));

/** A number or a text, as JSON text. */
export const exactValue: fc.Arbitrary<string> = fc.oneof(
  numberText,
  fc.constantFrom("9007199254740993", "2512292042121000001", "1e400", "1e-400", "-0", "0.30000000000000004"),
  anyText,
);

/** One text for each decimal number. */
function canonical(text: string): string {
  const [, sign = "", whole = "", fraction = "", power = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  let digits = BigInt(whole + fraction);
  let exponent = Number(power) - fraction.length;
  for (; digits !== 0n && digits % 10n === 0n; digits /= 10n) exponent++;
  return digits === 0n ? "0" : `${sign}${digits}e${exponent}`;
}

/** Whether `back` is what `sent` said. */
export function isEqual(sent: string, back: unknown): boolean {
  const value: unknown = JSON.parse(sent);
  return typeof value === "number"
    ? typeof back === "number" && canonical(sent) === canonical(String(back))
    : value === back;
}
