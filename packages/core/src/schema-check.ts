// Checks JSON that a caller sent against a schema, so that what is wrong with it is an issue of the schema and never an exception.
import type { z } from "zod";

/** Members that decide what an object is as a number or a text. */
const CONVERTING = new Set(["toString", "valueOf"]);

/**
 * As `schema.safeParse`. Zod compares the length of what has the wrong type as well, which throws where that length is an object whose own
 * `toString` is no function: then what is wrong is said without such members. What a schema of an author's throws by itself goes through.
 */
export function checkJson<T extends z.ZodType>(schema: T, given: unknown): z.ZodSafeParseResult<z.output<T>> {
  try {
    return schema.safeParse(given);
  } catch (thrown) {
    const without = JSON.stringify(given, (name, value: unknown) => (CONVERTING.has(name) ? undefined : value));
    const result = schema.safeParse(JSON.parse(without));
    if (result.success) throw thrown;
    return result;
  }
}
