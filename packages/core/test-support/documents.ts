// Any JSON document that DynamoDB can keep, for property tests.
import * as fc from "fast-check";

const DEEPEST = 8;

/** Doubles outside DynamoDB's range are refused, and JSON knows no minus zero. */
const number = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .filter((n) => n === 0 || (Math.abs(n) >= 1e-130 && Math.abs(n) < 9.9e125))
  // Whole numbers that may have been rounded before are asked for as {"$number"}.
  .filter((n) => !Number.isInteger(n) || Number.isSafeInteger(n) || Math.abs(n) >= 1e21)
  .map((n) => n || 0);
const text = fc.string({ unit: "binary", maxLength: 20 });
const name = fc
  .oneof(
    text,
    fc.constantFrom("status", "name", "size", "constructor", "toString", "a.b", "a[0]", ":v", "#n", " ", "$$", "$$set"),
  )
  .filter((key) => key !== "" && key !== "__proto__")
  // As a caller writes a name that begins with $.
  .map((key) => (key.startsWith("$") && !key.startsWith("$$") ? `$${key}` : key));

const tagged = fc.oneof(
  fc.uint8Array({ maxLength: 20 }).map((bytes) => ({ $binary: Buffer.from(bytes).toString("base64") })),
  // More digits than a double keeps.
  fc
    .bigInt({ min: 10n ** 17n, max: 10n ** 37n })
    .filter((n) => n % 10n !== 0n)
    .map((n) => ({ $number: String(n) })),
  fc
    .uniqueArray(
      text.filter((one) => one !== ""),
      { minLength: 1, maxLength: 4 },
    )
    .map((all) => ({ $set: all.sort() })),
);

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: DEEPEST, depthSize: "small" },
    fc.oneof(fc.constant(null), fc.boolean(), number, text, tagged),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(name, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

export const anyDocument = (): fc.Arbitrary<Record<string, unknown>> =>
  fc.dictionary(name, value, { maxKeys: 6, noNullPrototype: true });

/** The same with the members of sets in one order, which a set does not have. */
export function plain(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(plain);
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, member]) => [
      key,
      key === "$set" && Array.isArray(member) ? member.toSorted() : plain(member),
    ]),
  );
}
