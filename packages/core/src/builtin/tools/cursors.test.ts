// Cursors that no list gave, well-formed ones with parts that no store could look for among them: each is refused, or lands in the
// caller's own list.
import { expect, it } from "vitest";
import { defineTool } from "../../define/tool.ts";
import { AppError } from "../../errors.ts";
import { testApp } from "../../testing/test-app.ts";

const job = defineTool({ name: "job", description: "Ends.", task: "allowed", session: "none", run: () => "done" });
const { app, call } = testApp({ tools: [...testApp().app.tools, job] });
const lists = app.tools.filter(({ inputSchema }) => "cursor" in (inputSchema.properties as object));

it("are taken by some tools", () => {
  expect(lists.map(({ name }) => name)).toEqual([
    "list_sessions",
    "get_notes",
    "list_values",
    "search_memory",
    "list_tasks",
  ]);
});

it.each(lists.map(({ name }) => name))("do not break %s", async (name) => {
  await call("job");
  await call("store_value", { key: "k", value: "needle" });
  await call("add_note", { note: "needle" });
  const { details } = await call("get_notes", { details: true, limit: 1 });
  const [, generation = ""] = /^note_(.+)_\d+$/.exec((details as { note_id: string }[])[0]?.note_id ?? "") ?? [];
  expect(generation).not.toBe("");
  const long = "x".repeat(1_100);
  const parts = ["", "default", generation, "oldest", long, `N#${generation}#${long}`, `V#${generation}#${long}`];
  const all = [...parts, "\u{10ffff}".repeat(280), "\0", 0, 1, Number.MAX_SAFE_INTEGER];
  const cursors = all.flatMap((a) => [[a], ...all.flatMap((b) => [[a, b], ...all.map((c) => [a, b, c])])]);
  const query = name === "search_memory" ? { query: "needle" } : {};
  for (const cursor of cursors) {
    const text = Buffer.from(JSON.stringify(cursor)).toString("base64url");
    const answer = await call(name, { ...query, cursor: text }).catch((error: unknown) => error);
    if (answer instanceof AppError) expect(answer.code, JSON.stringify(cursor)).toBe("invalid_input");
  }
});
