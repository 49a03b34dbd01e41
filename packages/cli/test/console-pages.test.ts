// The console's pages for search, export and import, tools and tasks, and how pages follow changes, in a real browser.
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { call, inBrowser, open, visit } from "./browser.ts";
import { startServer, startTasksServer, temporaryDirectory } from "./process.ts";

const execute = promisify(execFile);
const notesIn = (page: Page) => page.getByRole("list", { name: "Notes" }).getByRole("listitem");

/** What the page would be told by the browser when its tab is put behind another one. */
const setHidden = (page: Page, hidden: boolean) =>
  page.evaluate(
    `Object.defineProperty(document, "visibilityState", { configurable: true, get: () => ${JSON.stringify(hidden ? "hidden" : "visible")} });
     document.dispatchEvent(new Event("visibilitychange"));`,
  );

inBrowser("a page that is followed", () => {
  it("leaves what is read in its place: new notes wait on top", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "old" });
    const { page } = await open(`${url}/console#/session/plan`);
    await page.getByRole("button", { name: "Live" }).waitFor();
    const before = await notesIn(page).first().boundingBox();
    for (const note of ["a", "b", "c"]) await call(url, "add_note", { session_id: "plan", note });
    await page.getByRole("button", { name: "3 new" }).waitFor();
    expect(await notesIn(page).count()).toBe(1);
    expect(await notesIn(page).first().boundingBox()).toEqual(before);
    await page.getByRole("button", { name: "3 new" }).click();
    await expect.poll(() => notesIn(page).locator("pre").allTextContents()).toEqual(["c", "b", "a", "old"]);
  });

  it("shows at once a value and a note that another client changes", async () => {
    const { url } = await startServer();
    const { note_id } = await call(url, "add_note", { session_id: "plan", note: "old" });
    await call(url, "store_value", { session_id: "plan", key: "k", value: "before" });
    const { page } = await open(`${url}/console#/session/plan`);
    await page.getByRole("button", { name: "Live" }).waitFor();
    await call(url, "update_note", { session_id: "plan", note_id, note: "corrected" });
    await call(url, "store_value", { session_id: "plan", key: "k", value: "after" });
    await notesIn(page).getByText("corrected", { exact: true }).waitFor();
    await page.getByText('"after"').waitFor();
    await call(url, "delete_value", { session_id: "plan", key: "k" });
    await page.getByText("This value was deleted elsewhere.").waitFor();
    await call(url, "store_value", { session_id: "plan", key: "k", value: "anew" });
    await page.getByText('"anew"').waitFor();
    await call(url, "delete_note", { session_id: "plan", note_id });
    await notesIn(page).getByText("This note was deleted elsewhere.").waitFor();
    await call(url, "add_note", { session_id: "plan", note: "another" });
    await page.getByRole("button", { name: "1 new" }).click();
    await notesIn(page).getByText("another", { exact: true }).waitFor();
  });

  it("can be paused, and a hidden tab asks for nothing; both then show what they missed", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "old" });
    const address = `${url}/console#/session/plan`;
    const [{ page: seen }, { page: paused }, { page: hidden }] = [
      await open(address),
      await open(address),
      await open(address),
    ];
    for (const page of [seen, paused, hidden]) await page.getByRole("button", { name: "Live" }).waitFor();
    const asked = { paused: 0, hidden: 0 };
    const ended = hidden.waitForEvent("requestfailed");
    await setHidden(hidden, true);
    await ended;
    await paused.getByRole("button", { name: "Live" }).click();
    await paused.getByRole("button", { name: "Paused" }).waitFor();
    paused.on("request", () => {
      asked.paused += 1;
    });
    hidden.on("request", () => {
      asked.hidden += 1;
    });
    await call(url, "add_note", { session_id: "plan", note: "new" });
    // A tab that is seen knows of it: so would the others, if they had asked.
    await seen.getByRole("button", { name: "1 new" }).waitFor();
    await call(url, "add_note", { session_id: "plan", note: "newer" });
    await seen.getByRole("button", { name: "2 new" }).waitFor();
    expect(asked).toEqual({ paused: 0, hidden: 0 });
    expect(await paused.getByRole("button", { name: /new$/ }).count()).toBe(0);
    await paused.getByRole("button", { name: "Paused" }).click();
    await paused.getByRole("button", { name: "2 new" }).waitFor();
    await setHidden(hidden, false);
    await hidden.getByRole("button", { name: "2 new" }).waitFor();
  });

  it("asks now and then where the server holds no streams", async () => {
    const { url } = await startServer([], { env: { STATEFUL_MCP_SUBSCRIPTIONS: "off" } });
    await call(url, "add_note", { session_id: "plan", note: "old" });
    const { page } = await open(`${url}/console#/session/plan`);
    await call(url, "add_note", { session_id: "plan", note: "new" });
    await page.getByRole("button", { name: "1 new" }).waitFor();
  });

  it("follows again after the server was started anew", async () => {
    const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: temporaryDirectory() };
    const first = await startServer([], { env });
    await call(first.url, "add_note", { session_id: "plan", note: "old" });
    const { page } = await open(`${first.url}/console#/session/plan`);
    await page.getByRole("button", { name: "Live" }).waitFor();
    first.child.kill("SIGTERM");
    await first.ended;
    await page.getByRole("button", { name: "Connecting" }).waitFor();
    const { port } = new URL(first.url);
    const second = await startServer(["--port", port], { env });
    await call(second.url, "add_note", { session_id: "plan", note: "new" });
    await page.getByRole("button", { name: "1 new" }).waitFor();
  });
});

inBrowser("search", () => {
  it("finds a word late in many notes, says how much it looked at, and marks and opens what it found", async () => {
    const { url } = await startServer([], { env: { STATEFUL_MCP_BODY_MAX_BYTES: "8000000" } });
    const at = new Date(0).toISOString();
    const lines = [
      { kind: "header", format: "stateful-mcp/1", exported_at: at, principal: "local" },
      { kind: "session", session_id: "many", created_at: at, ttl_seconds: 86_400 },
      ...Array.from({ length: 10_000 }, (_, i) => ({
        ...{ kind: "note", at, by: "local", client: "" },
        text: `note ${i + 1} ${"lorem ipsum ".repeat(20)}${i + 1 === 9_000 ? "the Needle" : ""}`,
      })),
      { kind: "session_end", complete: true },
    ];
    const body = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    const headers = { "Content-Type": "application/x-ndjson" };
    const imported = await fetch(`${url}/memory/import`, { method: "POST", headers, body });
    expect(await imported.json()).toMatchObject({ notes: 10_000 });

    const { page } = await open(`${url}/console#/search`);
    let asked = 0;
    page.on("request", (request) => {
      if (request.postData()?.includes("search_memory") || request.url().endsWith("search_memory")) asked += 1;
    });
    await page.getByLabel("Text", { exact: true }).fill("needle");
    await page.keyboard.press("Enter");
    await page
      .locator("main")
      .getByText(/^1 hit\. Looked at [\d,]+ notes/)
      .waitFor();
    expect(await page.locator("mark").textContent()).toBe("Needle");
    await page.locator("main").getByText("Looked at 10,000 notes and 0 values, which is all").waitFor();
    // The notes have 2.6 MB, of which a request reads at most one.
    expect(asked).toBeGreaterThanOrEqual(3);
    await page.getByRole("list", { name: "Found" }).getByRole("link", { name: "many" }).click();
    await page.getByRole("heading", { level: 1, name: "many" }).waitFor();
    // A page of fifty is all that is sent of ten thousand.
    expect(await notesIn(page).count()).toBe(50);
  });

  it("looks in one session where it is told to, and finds values by their keys", async () => {
    const { url } = await startServer();
    await call(url, "store_value", { session_id: "one", key: "needle/a", value: 1 });
    await call(url, "add_note", { session_id: "two", note: "needle" });
    const { page } = await open(`${url}/console#/search?q=needle&in=one`);
    await page.locator("main").getByText("1 hit. Looked at 0 notes and 1 value, which is all.").waitFor();
    await page.getByRole("link", { name: "one" }).click();
    await page.getByRole("heading", { level: 1, name: "needle/a" }).waitFor();
  });
});

inBrowser("your data", () => {
  it("goes out, is deleted, and comes back equal; a second import adds nothing", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "one\ntwo" });
    await call(url, "store_value", { session_id: "plan", key: "k", value: { deep: [null, "ä"] } });
    await call(url, "add_note", { session_id: "other", note: "three" });
    const { page } = await open(`${url}/console#/data`);
    const save = async () => {
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Export" }).click(),
      ]);
      expect(download.suggestedFilename()).toBe("stateful-mcp-export.jsonl");
      return readFileSync(await download.path(), "utf8");
    };
    const content = (text: string) =>
      text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ kind }) => kind === "note" || kind === "value")
        // The sessions come in the order of their last use.
        .sort((a, b) => String(a.text).localeCompare(String(b.text)));
    const before = await save();
    expect(content(before)).toHaveLength(3);

    await page.getByRole("button", { name: "Delete everything…" }).click();
    await page.getByLabel(/^Type/).fill("delete everything");
    await page.getByRole("button", { name: "Delete everything", exact: true }).click();
    await page.getByText("2 sessions deleted. Nothing is left.").waitFor();
    expect((await call(url, "list_sessions", {})).sessions).toEqual([]);

    const file = join(temporaryDirectory(), "export.jsonl");
    writeFileSync(file, before);
    await page.getByLabel("File").setInputFiles(file);
    await page.getByRole("button", { name: "Try without writing" }).click();
    await page.getByText("It would add 2 sessions, 2 notes and 1 value.").waitFor();
    expect((await call(url, "list_sessions", {})).sessions).toEqual([]);
    await page.getByRole("button", { name: "Import", exact: true }).click();
    await page.getByText("Added 2 sessions, 2 notes and 1 value.").waitFor();
    expect(content(await save())).toEqual(content(before));
    await page.getByRole("button", { name: "Import", exact: true }).click();
    await page.getByText("3 were there already").waitFor();
    expect(content(await save())).toEqual(content(before));

    writeFileSync(file, "{}\n");
    await page.getByLabel("File").setInputFiles(file);
    await page.getByRole("button", { name: "Import", exact: true }).click();
    await page.getByText("Line 1 of the import").waitFor();
  });
});

inBrowser("tools", () => {
  it("runs one with arguments that its schema asks for, tells of a replay, and gives the same call to a shell", async () => {
    const { url } = await startServer();
    const { page } = await open(`${url}/console#/tools`);
    await page.getByRole("link", { name: "add_note" }).click();
    const given = page.getByLabel("Arguments, as JSON");
    expect(JSON.parse(await given.inputValue())).toEqual({ note: "" });
    const run = page.getByRole("button", { name: /^Run/ });
    await given.fill("{");
    await run.click();
    await page.getByText("These arguments are not JSON").waitFor();
    await given.fill(JSON.stringify({ note: "it's $HOME", idempotency_key: "k1" }));
    await run.click();
    await page.getByText(/✓ done · \d+ ms/).waitFor();
    await run.click();
    await page.getByText("replayed").waitFor();
    expect((await call(url, "get_notes", {})).notes).toEqual(["it's $HOME"]);

    await given.fill(JSON.stringify({ note: "it's `from` a shell" }));
    const command = await page.locator("figure.snippet pre").textContent();
    await execute("sh", ["-c", command ?? ""]);
    expect((await call(url, "get_notes", {})).notes).toEqual(["it's $HOME", "it's `from` a shell"]);

    await given.fill(JSON.stringify({ note: 7 }));
    await run.click();
    await page.getByText("✗ the tool refused").waitFor();
    await visit(page, "/console#/tools/no-such", "There is no such tool");
  });
});

inBrowser("tasks", () => {
  it("are listed while they run, cancelled, and shown with what came of them", async () => {
    const url = await startTasksServer();
    const begin = (tool: string) =>
      fetch(`${url}/tools/${tool}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: "{}",
      });
    expect((await begin("brief")).status).toBe(202);
    expect((await begin("endless")).status).toBe(202);
    const { page } = await open(`${url}/console`);
    await page.getByRole("link", { name: "Tasks" }).click();
    const rows = page.getByRole("list", { name: "Tasks" }).getByRole("listitem");
    const waits = rows.filter({ hasText: "working" });
    await waits.getByRole("button", { name: "Cancel" }).click();
    await rows.filter({ hasText: "cancelled" }).waitFor();
    await rows.filter({ hasText: "completed" }).getByRole("link", { name: "brief" }).click();
    await page.getByText("It is done.").waitFor();
  });
});

describe("a server without tasks", () => {
  it("has tools for what the pages need", async () => {
    const { url } = await startServer();
    const { tools } = (await (await fetch(`${url}/mcp/list_tools`)).json()) as { tools: { name: string }[] };
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(["list_sessions", "search_memory"]));
    expect(tools.map(({ name }) => name)).not.toContain("list_tasks");
  });
});
