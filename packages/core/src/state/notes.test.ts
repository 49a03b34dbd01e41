import { describe, expect, it } from "vitest";
import { PAGE_MAX_BYTES } from "../limits.ts";
import { makePrincipal } from "../principal.ts";
import { testApp } from "../testing/test-app.ts";

describe("notes", () => {
  it("are kept in the order they were added, also when the clock stands still or steps back", async () => {
    const { call, clock } = testApp();
    for (let i = 0; i < 20; i++) {
      expect(await call("add_note", { note: `note ${i}` })).toMatchObject({ count: i + 1 });
      clock.advance(i % 3 === 0 ? -5 : 0);
    }
    const notes = Array.from({ length: 20 }, (_, i) => `note ${i}`);
    expect((await call("get_notes")).notes).toEqual(notes);
    expect((await call("get_notes", { order: "newest" })).notes).toEqual(notes.toReversed());
  });

  it("added at the same moment by several processes are all kept, each at its own count", async () => {
    const one = testApp();
    const processes = [one, testApp(one), testApp(one), testApp(one)];
    const added = await Promise.all(
      Array.from({ length: 80 }, (_, i) => processes[i % 4]?.call("add_note", { note: `${i}` })),
    );
    expect(added.map((answer) => answer?.count).sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 80 }, (_, i) => i + 1),
    );
    const notes = (await one.call("get_notes", { limit: 1000 })).notes as string[];
    for (const [i, answer] of added.entries()) expect(notes[Number(answer?.count) - 1]).toBe(`${i}`);
  });

  it("come in pages that miss none and repeat none while others add", async () => {
    const { call } = testApp();
    for (let i = 0; i < 25; i++) await call("add_note", { note: `${i}` });
    const seen: string[] = [];
    let cursor: unknown;
    do {
      const page = await call("get_notes", { limit: 7, ...(cursor ? { cursor } : {}) });
      seen.push(...(page.notes as string[]));
      cursor = page.next_cursor;
      if (seen.length < 20) await call("add_note", { note: `late ${seen.length}` });
    } while (cursor);
    expect(seen).toEqual([...Array.from({ length: 25 }, (_, i) => `${i}`), "late 7", "late 14"]);
  });

  it("newest first come in pages too, and the last page has no cursor", async () => {
    const { call } = testApp();
    for (let i = 0; i < 9; i++) await call("add_note", { note: `${i}` });
    const first = await call("get_notes", { limit: 5, order: "newest" });
    const second = await call("get_notes", { limit: 5, order: "newest", cursor: first.next_cursor });
    expect([first.notes, second.notes]).toEqual([
      ["8", "7", "6", "5", "4"],
      ["3", "2", "1", "0"],
    ]);
    expect(second).not.toHaveProperty("next_cursor");
    const exact = await call("get_notes", { limit: 9 });
    expect(exact).not.toHaveProperty("next_cursor");
  });

  it("of great size come in pages of bounded bytes, at least one note each", async () => {
    const { call } = testApp();
    const note = "ü".repeat(15_000);
    for (let i = 0; i < 7; i++) await call("add_note", { note });
    let pages = 0;
    let count = 0;
    let cursor: unknown;
    do {
      const page = await call("get_notes", { ...(cursor ? { cursor } : {}) });
      const notes = page.notes as string[];
      expect(Buffer.byteLength(notes.join(""))).toBeLessThanOrEqual(PAGE_MAX_BYTES);
      count += notes.length;
      pages += 1;
      cursor = page.next_cursor;
    } while (cursor);
    expect({ count, pages }).toEqual({ count: 7, pages: 4 });
  });

  it("tell with details who wrote them, with which client and when", async () => {
    const { app, call } = testApp();
    const principal = makePrincipal("token", "token", "alice");
    const note = { name: "add_note", arguments: { session_id: "s", note: "n" }, principal };
    await app.call({ ...note, client: "editor 1.2" });
    await app.call(note);
    const { notes, details } = await call("get_notes", { session_id: "s", details: true }, "alice");
    expect(notes).toEqual(["n", "n"]);
    expect(details).toEqual([
      {
        note_id: expect.any(String),
        created_at: "2027-01-15T08:00:00.000Z",
        principal: "alice",
        client: "editor 1.2",
        version: 1,
      },
      {
        note_id: expect.any(String),
        created_at: "2027-01-15T08:00:00.000Z",
        principal: "alice",
        client: "",
        version: 1,
      },
    ]);
    expect(await call("get_notes", { session_id: "s" }, "alice")).not.toHaveProperty("details");
  });

  it.each(["line\nbreak", "emoji 🎉", "\u0000", "  ", '{"a":1}', "\u2028", "-"])("keep %j as it is", async (note) => {
    const { call } = testApp();
    await call("add_note", { note });
    expect((await call("get_notes")).notes).toEqual([note]);
  });

  it("that are empty, too long or no Unicode are refused with the limit", async () => {
    const { call } = testApp();
    await expect(call("add_note", { note: "" })).rejects.toMatchObject({ code: "invalid_input" });
    await expect(call("add_note", { note: "\ud800" })).rejects.toMatchObject({ code: "invalid_input" });
    await call("add_note", { note: "x".repeat(32_768) });
    await expect(call("add_note", { note: `${"x".repeat(32_767)}é` })).rejects.toMatchObject({
      code: "too_large",
      message: expect.stringContaining("32768"),
    });
  });

  it("beyond the limit of a session are refused, and a reset makes room", async () => {
    const { call } = testApp({ limits: { notesPerSession: 2 } });
    await call("add_note", { note: "1" });
    await call("add_note", { note: "2" });
    await expect(call("add_note", { note: "3" })).rejects.toMatchObject({
      code: "too_large",
      message: expect.stringContaining("2"),
    });
    await call("reset_session");
    expect(await call("add_note", { note: "3" })).toMatchObject({ count: 1 });
  });

  it("of before a reset are not reached by a cursor of before it", async () => {
    const { call } = testApp();
    for (let i = 0; i < 5; i++) await call("add_note", { note: `${i}` });
    const { next_cursor: cursor } = await call("get_notes", { limit: 2 });
    await call("reset_session");
    await call("add_note", { note: "new" });
    await expect(call("get_notes", { cursor })).rejects.toMatchObject({ code: "invalid_input" });
  });
});
