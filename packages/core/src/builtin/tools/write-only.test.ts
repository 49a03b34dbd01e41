// A token that may write and not read learns nothing of what is stored: its answers are the same for any content.
import { expect, it } from "vitest";
import { createApp } from "../../app.ts";
import { parseTokens } from "../../auth/tokens.ts";

const [OWNER, WRITER] = ["o".repeat(32), "w".repeat(32)];
const SESSION = "plan";
const LINES = "application/x-ndjson";

/** A server whose one caller has stored something, and has given a token away that may only write. */
async function serverWith(note: string, value: unknown) {
  const access = { mode: "tokens", tokens: parseTokens(`alice=${OWNER},alice:write=${WRITER}`) } as const;
  const app = createApp({ access, confirm: [] });
  const send = (token: string, path: string, type?: string, body?: string) =>
    app.fetch(
      new Request(`http://localhost${path}`, {
        headers: { host: "localhost", authorization: `Bearer ${token}`, ...(type && { "content-type": type }) },
        ...(body !== undefined && { method: "POST", body }),
      }),
    );
  const call = async (token: string, name: string, args: object) => {
    const answer = await send(token, `/tools/${name}`, "application/json", JSON.stringify(args));
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const { body } = await call(OWNER, "add_note", { session_id: SESSION, note });
  await call(OWNER, "store_value", { session_id: SESSION, key: "k", value });
  return { app, send, call, noteId: body.note_id as string };
}

it("gets the same answers for any stored content", async () => {
  const guessed = ["The code is 4711.", 4711] as const;
  const worlds = await Promise.all(
    [guessed, ["The code is 4712.", 4712], ["No code.", "text"]].map(([note, value]) =>
      serverWith(String(note), value),
    ),
  );
  const file = await (await worlds[0]!.send(OWNER, "/memory/export")).text();
  const writes = worlds[0]!.app.tools.filter(({ scope }) => scope === "write").map(({ name }) => name);
  const session_id = SESSION;
  // In this order, so that each meets what was stored.
  const arguments_: Record<string, (noteId: string) => object> = {
    create_session: () => ({ name: SESSION }),
    increment_value: () => ({ session_id, key: "k", by: 0 }),
    add_note: () => ({ session_id, note: guessed[0] }),
    update_note: (note_id) => ({ session_id, note_id, note: guessed[0] }),
    store_value: () => ({ session_id, key: "k", value: guessed[1] }),
    delete_value: () => ({ session_id, key: "k" }),
    delete_note: (note_id) => ({ session_id, note_id }),
    reset_session: () => ({ session_id }),
    delete_session: () => ({ session_id }),
  };
  const tried = Object.keys(arguments_);
  expect(writes.filter((name) => !tried.includes(name) && !/_task$/.test(name))).toEqual([]);
  const answers = await Promise.all(
    worlds.map(async ({ send, call, noteId }) => {
      const said: unknown[] = [];
      for (const path of ["/memory/import?dry_run=true", "/memory/import"]) {
        const answer = await send(WRITER, path, LINES, file);
        said.push([path, answer.status, await answer.json()]);
      }
      for (const [name, make] of Object.entries(arguments_)) said.push([name, await call(WRITER, name, make(noteId))]);
      const ids =
        /"(note_id|session_id|generation|created_at|updated_at|expires_at|next_cursor|request_id)":("[^"]*"|[\d.]+)/g;
      return JSON.stringify(said).replace(ids, '"$1":"…"');
    }),
  );
  expect(answers[1]).toBe(answers[0]);
  expect(answers[2]).toBe(answers[0]);
  // What its scope is for goes on.
  expect(answers[0]).toContain('["store_value",{"status":200');
  expect(answers[0]).toContain("does not have the scope read");
});
