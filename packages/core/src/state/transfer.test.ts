// What is exported and imported is equal to what there was, once, however often and wherever it breaks off.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endingAfter } from "../../test-support/intercepted-store.ts";
import { principalNamed, type TestApp, testApp } from "../testing/test-app.ts";
import type { ExportLine } from "./transfer.ts";

const ANA = principalNamed("ana");

async function exported({ app }: Pick<TestApp, "app">, principal = ANA): Promise<ExportLine[]> {
  const lines: ExportLine[] = [];
  for await (const line of app.memoryOf(principal).export()) lines.push(line);
  return lines;
}

async function* textOf(lines: readonly unknown[]): AsyncGenerator<string> {
  for (const line of lines) yield typeof line === "string" ? line : JSON.stringify(line);
}

const put = ({ app }: Pick<TestApp, "app">, lines: readonly unknown[], more = {}) =>
  app.memoryOf(ANA).import(textOf(lines), { fileId: JSON.stringify(lines), ...more });

/** Without what an import gives anew: when it was exported, when sessions began, how often a value had changed. */
const comparable = (lines: readonly ExportLine[]) =>
  lines.map((line) => ({ ...line, exported_at: "", created_at: "", ...("version" in line && { version: 0 }) }));

async function filled(): Promise<TestApp> {
  const test = testApp();
  const call = (name: string, args: object) =>
    test.app.call({ name, arguments: args, principal: ANA, client: "editor 1.2" });
  await call("create_session", { name: "plan", ttl_seconds: 500 });
  for (let i = 0; i < 5; i++) {
    await call("add_note", { session_id: "plan", note: `note ${i}\n"quoted"` });
    test.clock.advance(1);
  }
  await call("store_value", { session_id: "plan", key: "k/é", value: { deep: [1, null, "x"] } });
  await call("store_value", { session_id: "plan", key: "soon", value: 1, ttl_seconds: 60 });
  await call("increment_value", { session_id: "empty of notes", key: "n", by: 2.5 });
  await test.call("add_note", { session_id: "bens", note: "not hers" }, "ben");
  return test;
}

describe("an export", () => {
  it("holds what its principal keeps, and nothing of others", async () => {
    const lines = await exported(await filled());
    expect(lines[0]).toMatchObject({ kind: "header", format: "stateful-mcp/1", principal: "ana" });
    expect(lines.map(({ kind }) => kind).filter((kind) => kind === "session_end")).toHaveLength(2);
    expect(lines).toContainEqual({
      kind: "note",
      text: 'note 0\n"quoted"',
      at: "2027-01-15T08:00:00.000Z",
      by: "ana",
      client: "editor 1.2",
    });
    expect(lines).toContainEqual(
      expect.objectContaining({ kind: "value", key: "soon", expires_at: expect.any(String) }),
    );
    expect(JSON.stringify(lines)).not.toContain("not hers");
  });

  it("put into another server is equal to what there was, and adds nothing a second time", async () => {
    const lines = await exported(await filled());
    const other = testApp();
    expect(await put(other, lines)).toEqual({ sessions: 2, notes: 5, values: 3, present: 0, kept: 0, expired: 0 });
    expect(comparable(await exported(other))).toEqual(comparable(lines));
    expect(await put(other, lines)).toEqual({ sessions: 0, notes: 0, values: 0, present: 8, kept: 0, expired: 0 });
    expect(comparable(await exported(other))).toEqual(comparable(lines));
  });

  it("keeps the time of a value that ends in the middle of a second to the second before", async () => {
    const lines = await exported(await filled());
    const odd = lines.map((line) =>
      "expires_at" in line ? { ...line, expires_at: "2027-01-15T08:00:30.500Z" } : line,
    );
    const other = testApp();
    await put(other, odd);
    expect(await exported(other)).toContainEqual(expect.objectContaining({ expires_at: "2027-01-15T08:00:30.000Z" }));
  });

  it("goes behind what is there, overwrites nothing, and says what it left", async () => {
    const lines = await exported(await filled());
    const other = testApp();
    await other.call("add_note", { session_id: "plan", note: "there before" }, "ana");
    await other.call("store_value", { session_id: "plan", key: "k/é", value: "mine" }, "ana");
    expect(await put(other, lines, { dryRun: true })).toMatchObject({ sessions: 1, notes: 5, values: 2, kept: 1 });
    expect(await put(other, lines)).toMatchObject({ sessions: 1, notes: 5, values: 2, kept: 1 });
    const { notes } = await other.call("get_notes", { session_id: "plan" }, "ana");
    expect((notes as string[])[0]).toBe("there before");
    expect(await other.call("get_value", { session_id: "plan", key: "k/é" }, "ana")).toMatchObject({ value: "mine" });
    expect(await put(other, lines)).toMatchObject({ notes: 0, values: 0, present: 7, kept: 1 });
  });

  it("says of a session that was reset meanwhile that it is not whole", async () => {
    const test = await filled();
    const lines: ExportLine[] = [];
    for await (const line of test.app.memoryOf(ANA).export()) {
      if (line.kind === "note" && lines.at(-1)?.kind === "session")
        await test.call("reset_session", { session_id: "plan" }, "ana");
      lines.push(line);
    }
    expect(lines.filter((line) => line.kind === "session_end" && !line.complete)).toHaveLength(1);
  });
});

describe("an import that breaks off", () => {
  it("after any number of requests is finished by another, with nothing twice", async () => {
    const lines = await exported(await filled());
    for (let requests = 0, ended = true; ended; requests++) {
      const other = testApp();
      const doomed = testApp({ ...other, store: endingAfter(other.store, requests) });
      ended = await put(doomed, lines).then(
        () => false,
        () => true,
      );
      await put(other, lines);
      expect(comparable(await exported(other))).toEqual(comparable(lines));
    }
  });

  it("at a line that is none says which, and leaves that one out whole", async () => {
    const [header, session] = await exported(await filled());
    const note = { kind: "note", text: "n", at: "2027-01-15T08:00:00.000Z", by: "ana", client: "" };
    for (const [lines, message] of [
      [[], "empty"],
      [["", " "], "empty"],
      [[note], "Line 1 of the import: it must be the header"],
      [["", session], "Line 2 of the import: it must be the header"],
      [[{ ...header, format: "other/1" }], "Line 1 of the import: format"],
      [[header, note], "Line 2 of the import: a note stands outside of a session"],
      [[header, session, { ...note, text: "" }], "note is empty"],
      [[header, session, { ...note, at: "yesterday" }], "Line 3 of the import: at"],
      [
        [header, session, { kind: "value", key: "k", at: note.at, by: "", client: "", version: 1 }],
        "Line 3 of the import: value",
      ],
      [[header, session, "{"], "Line 3 of the import is not valid JSON"],
      [[header, session, '{"kind":"note","text":"\\ud800"}'], "Line 3 of the import: text"],
      [[header, { ...session, session_id: "" }], "session_id"],
      [[header, { ...session, ttl_seconds: 1e15 }], "Line 2 of the import: ttl_seconds"],
      [[header, session, { kind: "odd" }], "Line 3 of the import: kind"],
    ] as const) {
      const other = testApp();
      await expect(put(other, lines)).rejects.toMatchObject({
        code: "invalid_input",
        message: expect.stringContaining(message),
      });
      expect((await exported(other)).filter(({ kind }) => kind === "note" || kind === "value")).toEqual([]);
    }
  });
});

it("any memory comes back as it was", async () => {
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
  const memory = fc.array(
    fc.record({ session: fc.constantFrom("a", "b"), note: fc.boolean(), text, value: fc.jsonValue() }),
    { maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(memory, async (entries) => {
      const one = testApp();
      for (const [i, { session, note, text, value }] of entries.entries()) {
        const args = note ? { note: text } : { key: `k${i}`, value };
        await one.call(note ? "add_note" : "store_value", { session_id: session, ...args }, "ana");
      }
      const lines = await exported(one);
      const other = testApp();
      await put(other, lines);
      expect(comparable(await exported(other))).toEqual(comparable(lines));
    }),
    { numRuns: 40 },
  );
});
