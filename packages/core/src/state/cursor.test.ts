import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testApp } from "../testing/test-app.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";

const LISTS: [string, Record<string, unknown>, string][] = [
  ["get_notes", {}, "notes"],
  ["get_notes", { order: "newest" }, "notes"],
  ["list_values", {}, "values"],
  ["list_values", { prefix: "alice" }, "values"],
  ["list_sessions", {}, "sessions"],
];

/** Two principals with lists of the same shape; whatever holds "bob" must never be seen by alice. */
async function twoCallers() {
  const { call } = testApp();
  for (const who of ["alice", "bob"])
    for (const session of ["s", `${who} 1`, `${who} 2`])
      for (const i of [1, 2, 3]) {
        await call("add_note", { session_id: session, note: `${who} ${i}` }, who);
        await call("store_value", { session_id: session, key: `${who} ${i}`, value: i }, who);
      }
  return call;
}

const part = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom("\ud800", "\udfff", "#", "%", "\u0000", "V", "N", "0") }),
  fc.constantFrom("oldest", "newest", "", "N#", "V#", "S#", "s", "bob 1", "alice 1"),
  fc.integer(),
  fc.constantFrom(0, 1, 2, -1, 0.5, 2 ** 53, 999_999_999_999, 1e15, 1e300),
  fc.constant(null),
);

describe("a cursor", () => {
  it.each(LISTS)(
    "of %s %j that was tampered with is refused or stays inside the caller's own list",
    async (name, args, field) => {
      const call = await twoCallers();
      const own = await call(name, { ...args, session_id: "s", limit: 1 }, "alice").catch(() =>
        call(name, { ...args, limit: 1 }, "alice"),
      );
      const real = decodeParts(String(own.next_cursor));
      const session = name === "list_sessions" ? {} : { session_id: "s" };
      const all = (await call(name, { ...args, ...session }, "alice"))[field] as unknown[];
      const texts = new Set(all.map((entry) => JSON.stringify(entry)));
      const tampered = fc.oneof(
        fc.array(part, { maxLength: 4 }).map((parts) => encodeCursor(parts as never)),
        // One part of a real cursor replaced.
        fc.tuple(fc.nat(real.length - 1), part).map(([at, value]) => encodeCursor(real.with(at, value) as never)),
        fc
          .tuple(fc.nat(real.length - 1), fc.string())
          .map(([at, more]) => encodeCursor(real.with(at, `${String(real[at])}${more}`) as never)),
        fc.string(),
        fc.base64String(),
        fc.json().map((text) => Buffer.from(text).toString("base64url")),
      );
      await fc.assert(
        fc.asyncProperty(tampered, async (cursor) => {
          try {
            const page = await call(name, { ...args, ...session, cursor }, "alice");
            for (const entry of page[field] as unknown[]) expect(texts).toContain(JSON.stringify(entry));
          } catch (error) {
            expect(error).toMatchObject({ code: "invalid_input" });
          }
        }),
        { numRuns: 300 },
      );
    },
  );

  it("of one list is of no use in another", async () => {
    const call = await twoCallers();
    const cursors = await Promise.all(
      ["get_notes", "list_values", "list_sessions"].map(async (name) => {
        const session = name === "list_sessions" ? {} : { session_id: "s" };
        return [name, session, (await call(name, { ...session, limit: 1 }, "alice")).next_cursor] as const;
      }),
    );
    for (const [name, session] of cursors)
      for (const [other, , cursor] of cursors)
        if (name !== other)
          await expect(call(name, { ...session, cursor }, "alice"), `${other} in ${name}`).rejects.toMatchObject({
            code: "invalid_input",
          });
    const bobs = (await call("get_notes", { session_id: "s", limit: 1 }, "bob")).next_cursor;
    await expect(call("get_notes", { session_id: "s", cursor: bobs }, "alice")).rejects.toMatchObject({
      code: "invalid_input",
    });
  });

  it("comes back as it was given", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.maxSafeNat(), (text, number) => {
        expect(decodeCursor(encodeCursor([text, number]), ["string", "number"])).toEqual([text, number]);
      }),
    );
  });
});

const decodeParts = (cursor: string): unknown[] => JSON.parse(Buffer.from(cursor, "base64url").toString()) as unknown[];
