// Answers stay within what hosts hand to a model, counted as they are sent, and everything is reached by reading on.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { modern } from "../../../test-support/modern-requests.ts";
import { PAGE_MAX_BYTES } from "../../limits.ts";
import { principalNamed, testApp } from "../../testing/test-app.ts";

type Json = Record<string, unknown>;

/** The envelope of an answer, with the member that bounds nothing: an entry more than the page holds never comes. */
const ENVELOPE_BYTES = 1_000;

function server() {
  const { app, call } = testApp();
  /** The structured answer; fails when what was sent has more bytes than a page may have, twice, or its text says something else. */
  const bounded = async (name: string, args: Json): Promise<Json> => {
    const { result } = await modern(app, "tools/call", { name, arguments: args });
    expect(result.isError).not.toBe(true);
    const sent = Buffer.byteLength(JSON.stringify(result));
    expect(sent).toBeLessThanOrEqual(2 * PAGE_MAX_BYTES + ENVELOPE_BYTES);
    expect(JSON.parse(result.content[0].text)).toEqual(result.structuredContent);
    return result.structuredContent;
  };
  const pages = async (name: string, args: Json, list: string): Promise<unknown[]> => {
    const all: unknown[] = [];
    let cursor: unknown;
    do {
      const page = await bounded(name, { ...args, limit: 1000, ...(cursor ? { cursor } : {}) });
      expect((page[list] as unknown[]).length).toBeGreaterThan(0);
      all.push(...(page[list] as unknown[]));
      cursor = page.next_cursor;
    } while (cursor);
    return all;
  };
  return { call, bounded, pages };
}

describe("an answer", () => {
  it.each([
    ["short notes with details", Array.from({ length: 600 }, (_, i) => `${i}`)],
    ["quotes", Array.from({ length: 10 }, () => '"'.repeat(20_000))],
    ["backslashes", Array.from({ length: 10 }, () => "\\".repeat(20_000))],
    ["controls", Array.from({ length: 10 }, () => "\u0001".repeat(5_000))],
    ["three bytes each", Array.from({ length: 10 }, () => "€".repeat(10_000))],
  ])(
    "with many notes of %s comes in pages",
    async (_, notes) => {
      const { call, pages } = server();
      for (const note of notes) await call("add_note", { note });
      expect(await pages("get_notes", { details: true }, "notes")).toEqual(notes);
      expect(await pages("get_notes", { order: "newest" }, "notes")).toEqual(notes.toReversed());
    },
    60_000,
  );

  it("with many long keys, or much known of each, comes in pages", async () => {
    const { call, pages } = server();
    const keys = Array.from({ length: 300 }, (_, i) => `${'"'.repeat(250)}${String(i).padStart(3, "0")}`);
    for (const key of keys) await call("store_value", { key, value: "x".repeat(300) });
    for (const details of [false, true]) {
      const listed = (await pages("list_values", { details }, "values")) as { key: string }[];
      expect(listed.map(({ key }) => key)).toEqual(keys);
    }
  }, 60_000);

  it("with many sessions of long names comes in pages", async () => {
    const { call, pages } = server();
    for (let i = 0; i < 400; i++) await call("create_session", { name: `${'"'.repeat(120)}${i}` });
    expect(await pages("list_sessions", {}, "sessions")).toHaveLength(400);
  }, 60_000);

  it("with a value too large for it has parts, which together are the value's JSON text", async () => {
    const { call, bounded } = server();
    const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom('"', "\\", "\u0001", "🎉", "€", "a"));
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 8 }), async (unit, members) => {
        const value = Array.from({ length: members }, () => unit.repeat(Math.floor(7_000 / (unit.length * 6 + 1))));
        await call("store_value", { key: "k", value });
        const whole = JSON.stringify(value);
        let read = "";
        let offset: unknown;
        do {
          const answer = await bounded("get_value", { key: "k", offset: offset ?? 0, limit: 5_000 });
          expect(answer).toMatchObject({ found: true, value: null, version: expect.any(Number), length: whole.length });
          expect(answer.offset).toBe(read.length);
          expect(String(answer.part).isWellFormed()).toBe(true);
          read += answer.part;
          offset = answer.next_offset;
        } while (offset !== undefined);
        expect(read).toBe(whole);
      }),
      { numRuns: 30 },
    );
  });

  it("has a value whole where it fits or where the caller makes room, and says where the next part begins", async () => {
    const { call, bounded } = server();
    const value = "x".repeat(59_000);
    await call("store_value", { key: "fits", value });
    expect(await bounded("get_value", { key: "fits" })).not.toHaveProperty("part");
    const quotes = '"'.repeat(29_000);
    await call("store_value", { key: "k", value: quotes });
    const first = await bounded("get_value", { key: "k" });
    expect(first).toMatchObject({ found: true, value: null, offset: 0, next_offset: 15_000, length: 58_002 });
    expect(await call("get_value", { key: "k", limit: 58_002 })).toMatchObject({ value: quotes });
    expect(await call("get_value", { key: "k", offset: 99_999 })).toMatchObject({ part: "", offset: 58_002 });
    await call("store_value", { key: "pair", value: "🎉" });
    const parts = [];
    for (const offset of [0, 1, 2, 3, 4]) parts.push((await call("get_value", { key: "pair", offset, limit: 1 })).part);
    expect(parts).toEqual(['"', "🎉", "🎉", '"', ""]);
  });
});

describe("a value's listing with details", () => {
  it("tells its size and beginning, and who wrote it last, also after an increment", async () => {
    const { app, call, clock } = testApp();
    const s = { session_id: "plan" };
    await call("store_value", { ...s, key: "n", value: 1 }, "alice");
    await call("store_value", { ...s, key: "text", value: "x".repeat(300) }, "alice");
    clock.advance(60);
    await app.call({
      name: "increment_value",
      arguments: { ...s, key: "n" },
      principal: principalNamed("alice"),
      client: "editor 1.2",
    });
    expect(await call("list_values", { ...s, details: true }, "alice")).toMatchObject({
      values: [
        { key: "n", version: 2 },
        { key: "text", version: 1 },
      ],
      details: [
        { bytes: 1, preview: "2", updated_at: "2027-01-15T08:01:00.000Z", principal: "alice", client: "editor 1.2" },
        { bytes: 302, preview: `"${"x".repeat(199)}`, updated_at: "2027-01-15T08:00:00.000Z", client: "" },
      ],
    });
  });
});
