// What a search finds, how far it says it came, and that going on finds the rest, once.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interceptStore } from "../../../test-support/intercepted-store.ts";
import { testApp } from "../../testing/test-app.ts";

type Json = Record<string, unknown>;
type Call = (name: string, args?: Json, as?: string) => Promise<Json>;
interface Found {
  readonly session_id: string;
  readonly note_id?: string;
  readonly key?: string;
  readonly text: string;
}

async function all(call: Call, args: Json, as?: string) {
  const hits: Found[] = [];
  const searched = { notes: 0, values: 0, apart: 0 };
  let calls = 0;
  let cursor: unknown;
  do {
    const page = await call("search_memory", { ...args, ...(cursor ? { cursor } : {}) }, as);
    hits.push(...(page.hits as Found[]));
    for (const [name, count] of Object.entries(page.searched as Json))
      searched[name as keyof typeof searched] += Number(count);
    cursor = page.next_cursor;
    calls += 1;
  } while (cursor);
  return { hits, searched, calls };
}

describe("search_memory", () => {
  it("finds notes, values and keys, in all sessions of the caller or in one, and nothing of others", async () => {
    const { call } = testApp();
    const { note_id } = await call("add_note", { session_id: "plan", note: "The Train leaves at 9." }, "ana");
    await call("store_value", { session_id: "plan", key: "train/time", value: 9 }, "ana");
    await call("store_value", { session_id: "other", key: "k", value: { deep: ['a "train"\nhere'] } }, "ana");
    await call("add_note", { session_id: "plan", note: "train of Ben" }, "ben");
    expect((await all(call, { query: "TRAIN" }, "ana")).hits).toEqual([
      { session_id: "other", key: "k", text: '{"deep":["a \\"train\\"\\nhere"]}' },
      { session_id: "plan", note_id, text: "The Train leaves at 9." },
      { session_id: "plan", key: "train/time", text: "9" },
    ]);
    expect((await all(call, { query: "train", in_session: "plan" }, "ana")).hits).toHaveLength(2);
    expect((await all(call, { query: '"train"\nhere' }, "ana")).hits).toHaveLength(1);
    expect(await all(call, { query: "ship" }, "ana")).toEqual({
      hits: [],
      searched: { notes: 1, values: 2, apart: 0 },
      calls: 1,
    });
    expect((await all(call, { query: "train", in_session: "none" }, "ana")).hits).toEqual([]);
  });

  it("finds what is spelled with composed and with combining accents, and shows whole characters", async () => {
    const { call } = testApp();
    await call("add_note", { note: `${"🎉".repeat(80)}cafe\u0301${"🎉".repeat(80)}` });
    const { hits } = await all(call, { query: "CAFÉ" });
    expect(hits).toHaveLength(1);
    expect(hits[0]?.text.isWellFormed()).toBe(true);
    expect(hits[0]?.text).toMatch(/^….*cafe\u0301.*…$/u);
  });

  it("shows what was found, however much shorter folding makes the text before it", async () => {
    const { call } = testApp();
    await call("add_note", { note: `${"e\u0301".repeat(3_000)} needle ${"e\u0301".repeat(3_000)}` });
    const { hits } = await all(call, { query: "needle" });
    expect(hits[0]?.text).toContain(" needle ");
  });

  it("does not find what was deleted, corrected or reset", async () => {
    const { call } = testApp();
    const one = await call("add_note", { note: "needle 1" });
    const two = await call("add_note", { note: "needle 2" });
    await call("delete_note", { note_id: one.note_id });
    await call("update_note", { note_id: two.note_id, note: "straw" });
    expect(await all(call, { query: "needle" })).toMatchObject({ hits: [], searched: { notes: 1 } });
    await call("reset_session");
    expect(await all(call, { query: "straw" })).toMatchObject({ hits: [], searched: { notes: 0 } });
  });

  it("reads about 1 MB per call, says how much, and goes on to the last of many notes", async () => {
    let read = 0;
    const base = testApp();
    const store = interceptStore(base.store, async (request, send) => {
      const answer = await send();
      if (request.method === "list") read += JSON.stringify(answer).length;
      return answer;
    });
    const { call } = testApp({ ...base, store });
    for (let i = 0; i < 300; i++) await call("add_note", { note: `${i} ${"x".repeat(10_000)}` });
    await call("add_note", { note: "the needle" });
    read = 0;
    const first = await call("search_memory", { query: "needle" });
    expect(first).toMatchObject({ hits: [], next_cursor: expect.any(String) });
    expect(read).toBeLessThan(4_500_000);
    const { hits, searched, calls } = await all(call, { query: "needle" });
    expect(hits).toHaveLength(1);
    expect(searched.notes).toBe(301);
    expect(calls).toBeGreaterThan(2);
  });

  it("makes a bounded number of requests per call, also through sessions that hold nothing, and comes to the last", async () => {
    let requests = 0;
    const base = testApp();
    const store = interceptStore(base.store, async (request, send) => {
      if (request.method === "list") requests += 1;
      return send();
    });
    const { call } = testApp({ ...base, store });
    for (let i = 0; i < 400; i++) await call("create_session", { name: `s${i}` });
    await call("add_note", { session_id: "z", note: "needle" });
    requests = 0;
    expect(await call("search_memory", { query: "needle" })).toMatchObject({
      hits: [],
      next_cursor: expect.any(String),
    });
    expect(requests).toBeLessThan(260);
    expect((await all(call, { query: "needle" })).hits).toHaveLength(1);
  });

  it("looks at a bounded number of entries per call, also where they are deleted notes", async () => {
    const { call } = testApp();
    for (let i = 0; i < 6_000; i++) {
      const { note_id } = await call("add_note", { note: "needle" });
      await call("delete_note", { note_id });
    }
    await call("add_note", { note: "needle" });
    const { hits, calls } = await all(call, { query: "needle" });
    expect(hits).toHaveLength(1);
    expect(calls).toBeGreaterThan(1);
  }, 60_000);

  it("finds each of them once, for any limit, also where a reset comes between two pages", async () => {
    const entry = fc.record({
      session: fc.constantFrom("a", "b", "ses"),
      note: fc.boolean(),
      hit: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 25 }), fc.integer({ min: 1, max: 5 }), async (entries, limit) => {
        const { call } = testApp();
        for (const [i, { session, note, hit }] of entries.entries()) {
          const text = `${i} ${hit ? "needle" : "straw"}`;
          const args = note ? { note: text } : { key: `k${i}`, value: text };
          await call(note ? "add_note" : "store_value", { session_id: session, ...args });
        }
        const { hits } = await all(call, { query: "needle", limit });
        const found = hits.map(({ text }) => Number.parseInt(text.replace('"', ""), 10)).sort((a, b) => a - b);
        expect(found).toEqual(entries.flatMap(({ hit }, i) => (hit ? [i] : [])));
      }),
      { numRuns: 50 },
    );
    const { call } = testApp();
    for (let i = 0; i < 6; i++) await call("add_note", { note: "needle" });
    const { next_cursor: cursor } = await call("search_memory", { query: "needle", limit: 3 });
    await call("reset_session");
    await call("add_note", { note: "needle after" });
    expect((await call("search_memory", { query: "needle", cursor })).hits).toMatchObject([{ text: "needle after" }]);
  });

  it("is refused without a text, and to anonymous callers without a session", async () => {
    const { call } = testApp();
    for (const query of ["", "  "])
      await expect(call("search_memory", { query })).rejects.toMatchObject({ code: "invalid_input" });
    await expect(call("search_memory", { query: "a", cursor: "x" })).rejects.toMatchObject({ code: "invalid_input" });
    await expect(call("search_memory", { query: "a", in_session: "ses_nope" })).rejects.toMatchObject({
      code: "session_not_found",
    });
  });
});
