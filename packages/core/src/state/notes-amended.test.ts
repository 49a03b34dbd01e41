// Notes that are corrected and deleted: in their place, once, with nothing left of the old text.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { addNote, deleteNote, updateNote } from "../builtin/tools/notes.ts";
import { defineTool } from "../define/tool.ts";
import { LOCAL_PRINCIPAL } from "../principal.ts";
import type { StateStore } from "../stores/state-store.ts";
import { testApp } from "../testing/test-app.ts";
import { sessionPartition } from "./keys.ts";

type Json = Record<string, unknown>;
type Call = (name: string, args?: Json, as?: string) => Promise<Json>;

const idsOf = async (call: Call): Promise<string[]> => {
  const { details } = await call("get_notes", { limit: 1000, details: true });
  return (details as { note_id: string }[]).map(({ note_id }) => note_id);
};

const everything = async (store: StateStore): Promise<string> => {
  const page = await store.list(sessionPartition(LOCAL_PRINCIPAL.id, "default"), { limit: 1000 });
  return JSON.stringify(page.entries);
};

describe("a corrected note", () => {
  it("keeps its place and id, tells who corrected it, and nothing of the old text is left", async () => {
    const { call, app, store, clock } = testApp();
    for (const note of ["first", "secret", "third"]) await call("add_note", { note });
    const [, id = ""] = await idsOf(call);
    clock.advance(60);
    const args = { note_id: id, note: "second" };
    const { structured } = await app.call({
      name: "update_note",
      arguments: args,
      principal: LOCAL_PRINCIPAL,
      client: "editor 1.2",
    });
    expect(structured).toMatchObject({ note_id: id, version: 2 });
    const { notes, details } = await call("get_notes", { details: true });
    expect(notes).toEqual(["first", "second", "third"]);
    expect((details as Json[])[0]).not.toHaveProperty("edited");
    expect((details as Json[])[1]).toEqual({
      note_id: id,
      created_at: "2027-01-15T08:00:00.000Z",
      principal: LOCAL_PRINCIPAL.subject,
      client: "",
      version: 2,
      edited: { at: "2027-01-15T08:01:00.000Z", principal: LOCAL_PRINCIPAL.subject, client: "editor 1.2" },
    });
    expect(await everything(store)).not.toContain("secret");
  });

  it("is protected by its version, and checked like a new one", async () => {
    const { call } = testApp();
    const { note_id } = await call("add_note", { note: "a" });
    expect(await call("update_note", { note_id, note: "b", if_version: 1 })).toMatchObject({ version: 2 });
    await expect(call("update_note", { note_id, note: "c", if_version: 1 })).rejects.toMatchObject({
      code: "conflict",
      details: { current_version: 2 },
    });
    await expect(call("delete_note", { note_id, if_version: 1 })).rejects.toMatchObject({ code: "conflict" });
    await expect(call("update_note", { note_id, note: "" })).rejects.toMatchObject({ code: "invalid_input" });
    await expect(call("update_note", { note_id, note: "x".repeat(32_769) })).rejects.toMatchObject({
      code: "too_large",
    });
    expect((await call("get_notes")).notes).toEqual(["b"]);
  });

  it("is not found when it is no id, of another session, of another caller or of before a reset", async () => {
    const { call } = testApp();
    const { note_id } = await call("add_note", { note: "mine", session_id: "s" }, "alice");
    const { note_id: others } = await call("add_note", { note: "other", session_id: "t" }, "alice");
    for (const [args, as] of [
      [{ note_id: "note_1", session_id: "s" }, "alice"],
      [{ note_id: `${note_id}0`, session_id: "s" }, "alice"],
      [{ note_id: `${String(note_id).slice(0, -1)}0`, session_id: "s" }, "alice"],
      [{ note_id: others, session_id: "s" }, "alice"],
      [{ note_id, session_id: "s" }, "bob"],
      [{ note_id, session_id: "none" }, "alice"],
    ] as const) {
      await expect(call("update_note", { ...args, note: "x" }, as)).rejects.toMatchObject({ code: "not_found" });
      await expect(call("delete_note", args, as)).rejects.toMatchObject({ code: "not_found" });
    }
    await call("reset_session", { session_id: "s" }, "alice");
    await expect(call("update_note", { note_id, session_id: "s", note: "x" }, "alice")).rejects.toMatchObject({
      code: "not_found",
    });
    // Asking for what is not there makes no session.
    expect((await call("list_sessions", {}, "bob")).sessions).toEqual([]);
  });
});

describe("a deleted note", () => {
  it("is gone from pages, counts and the store, and others keep their order, ids and positions", async () => {
    const { call, store } = testApp();
    for (const note of ["0", "secret", "2", "3"]) await call("add_note", { note });
    const ids = await idsOf(call);
    expect(await call("delete_note", { note_id: ids[1] })).toMatchObject({ deleted: true });
    expect(await call("delete_note", { note_id: ids[1] })).toMatchObject({ deleted: false });
    await expect(call("update_note", { note_id: ids[1], note: "x" })).rejects.toMatchObject({ code: "not_found" });
    expect((await call("get_notes")).notes).toEqual(["0", "2", "3"]);
    expect((await call("get_notes", { order: "newest", limit: 4 })).notes).toEqual(["3", "2", "0"]);
    expect(await idsOf(call)).toEqual([ids[0], ids[2], ids[3]]);
    expect(await call("session_info")).toMatchObject({ notes: 3 });
    expect(await call("add_note", { note: "4" })).toMatchObject({ count: 5 });
    expect(await everything(store)).not.toContain("secret");
    expect(await call("reset_session")).toMatchObject({ cleared: 4 });
    expect(await call("session_info")).toMatchObject({ notes: 0 });
  });

  it("of many leaves no page empty that has a note behind it, and cursors go on", async () => {
    const { call } = testApp();
    for (let i = 0; i < 60; i++) await call("add_note", { note: `${i}` });
    const ids = await idsOf(call);
    for (const id of ids.slice(5, 55)) await call("delete_note", { note_id: id });
    const seen: string[] = [];
    let cursor: unknown;
    do {
      const page = await call("get_notes", { limit: 4, ...(cursor ? { cursor } : {}) });
      expect((page.notes as string[]).length).toBeGreaterThan(0);
      seen.push(...(page.notes as string[]));
      cursor = page.next_cursor;
    } while (cursor);
    expect(seen).toEqual(["0", "1", "2", "3", "4", "55", "56", "57", "58", "59"]);
  });

  it("changes what those who watch the notes compare, and so does a correction", async () => {
    const compared = defineTool({
      name: "compared",
      description: "What watching compares.",
      input: z.object({}),
      output: z.object({ version: z.string().optional() }),
      run: async (_, { session }) => ({ version: await session.versions.notes() }),
    });
    const { call } = testApp({ tools: [addNote, updateNote, deleteNote, compared] });
    const watched = async () => (await call("compared")).version;
    const { note_id } = await call("add_note", { note: "a" });
    const before = await watched();
    await call("update_note", { note_id, note: "b" });
    const corrected = await watched();
    await call("delete_note", { note_id });
    expect(new Set([before, corrected, await watched()]).size).toBe(3);
  });
});

describe("amendments that are sent again", () => {
  it("under one key have one effect, on any process, also after others", async () => {
    const one = testApp();
    const two = testApp(one);
    const { note_id } = await one.call("add_note", { note: "a" });
    const correct = { note_id, note: "b", idempotency_key: "key-1" };
    expect(await one.call("update_note", correct)).toMatchObject({ version: 2 });
    await two.call("update_note", { note_id, note: "c" });
    expect(await two.call("update_note", correct)).toMatchObject({ version: 2 });
    expect((await one.call("get_notes")).notes).toEqual(["c"]);
    const remove = { note_id, idempotency_key: "key-2" };
    expect(await two.call("delete_note", remove)).toMatchObject({ deleted: true });
    expect(await one.call("delete_note", remove)).toMatchObject({ deleted: true });
  });

  it("agree with a list of texts, whatever is added, corrected and deleted by two processes", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), text: fc.string({ minLength: 1 }) }),
      fc.record({ kind: fc.constant("update" as const), at: fc.nat(12), text: fc.string({ minLength: 1 }) }),
      fc.record({ kind: fc.constant("delete" as const), at: fc.nat(12) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const one = testApp();
        const calls = [one.call, testApp(one).call];
        const model: { id: unknown; text: string | undefined }[] = [];
        for (const [i, step] of steps.entries()) {
          const call = calls[i % 2] as Call;
          if (step.kind === "add") {
            const { note_id, count } = await call("add_note", { note: step.text });
            expect(count).toBe(model.push({ id: note_id, text: step.text }));
            continue;
          }
          const target = model[step.at];
          if (!target) continue;
          const note_id = target.id;
          if (step.kind === "delete") {
            expect(await call("delete_note", { note_id })).toMatchObject({ deleted: target.text !== undefined });
            target.text = undefined;
          } else if (target.text === undefined)
            await expect(call("update_note", { note_id, note: step.text })).rejects.toMatchObject({
              code: "not_found",
            });
          else {
            await call("update_note", { note_id, note: step.text });
            target.text = step.text;
          }
        }
        const texts = model.flatMap(({ text }) => text ?? []);
        expect((await one.call("get_notes")).notes).toEqual(texts);
        expect(await one.call("session_info")).toMatchObject({ notes: texts.length });
      }),
      { numRuns: 60 },
    );
  });
});
