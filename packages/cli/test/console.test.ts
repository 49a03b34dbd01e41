// The console in a real browser, served by the real program: where it is served, what protects it, and what its pages show and do.
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { call, inBrowser, open, visit } from "./browser.ts";
import { startServer } from "./process.ts";

const FOLDER = new URL("../console/", import.meta.url);
const filesOf = (extension: string) =>
  readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(extension));
const textOf = (extension: string) =>
  filesOf(extension)
    .map((name) => readFileSync(new URL(name, FOLDER), "utf8"))
    .join("\n");

const ALICE = "alice-0123456789abcdef0123456789abcdef";
const BOB = "bob-0123456789abcdef0123456789abcdef00";
const tokens = { MCP_AUTH_TOKEN: `alice=${ALICE},bob=${BOB}` };

inBrowser("memory", () => {
  it("waits for the first call, and shows by itself what a client then keeps", async () => {
    const { url } = await startServer();
    const { page, foreign, complaints } = await open(`${url}/console`);
    await page.getByText("Waiting for the first call").waitFor();
    await page.getByText(`${url}/mcp`, { exact: true }).waitFor();
    await call(url, "add_note", { note: "Deploy on Tuesday." });
    await page.getByRole("link", { name: "default", exact: true }).click();
    await page.getByText("Deploy on Tuesday.").waitFor();
    expect({ foreign, complaints }).toEqual({ foreign: [], complaints: [] });
  });

  it("adds, corrects and deletes notes, as clients then read them, with who did it and with what", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "Deploy on Tuesday." });
    await call(url, "add_note", { session_id: "plan", note: "Ask Ana." });
    const { page } = await open(`${url}/console#/session/plan`);
    const notes = page.getByRole("list", { name: "Notes" }).getByRole("listitem");
    await expect.poll(() => notes.count()).toBe(2);
    expect(await notes.first().textContent()).toContain("Ask Ana.");

    await page.getByLabel("New note").fill("Third.");
    await page.getByRole("button", { name: "Add note" }).click();
    await expect.poll(() => notes.first().textContent()).toContain("Third.");

    const old = notes.filter({ hasText: "Deploy on Tuesday." });
    await old.getByRole("button", { name: "Correct" }).click();
    await page.getByLabel("The note's text").fill("Deploy on Friday.");
    await page.getByRole("button", { name: "Save" }).click();
    await notes.filter({ hasText: "Deploy on Friday." }).getByText("corrected").waitFor();

    await notes.filter({ hasText: "Ask Ana." }).getByRole("button", { name: "Delete" }).click();
    await expect.poll(() => notes.count()).toBe(2);
    const kept = await call(url, "get_notes", { session_id: "plan", details: true });
    expect(kept.notes).toEqual(["Deploy on Friday.", "Third."]);
    expect(kept.details).toMatchObject([
      { version: 2, edited: { client: "stateful-mcp-console 0.1.0", principal: "local" } },
      { version: 1, client: "stateful-mcp-console 0.1.0" },
    ]);

    // The text is gone from the store; what is offered is to note it once more.
    await page.getByRole("button", { name: "Add it again, as the newest" }).click();
    await expect
      .poll(async () => (await call(url, "get_notes", { session_id: "plan" })).notes)
      .toEqual(["Deploy on Friday.", "Third.", "Ask Ana."]);
  });

  it("takes a correction back", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "right" });
    const { page } = await open(`${url}/console#/session/plan`);
    await page.getByRole("button", { name: "Correct" }).click();
    await page.getByLabel("The note's text").fill("wrong");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(async () => (await call(url, "get_notes", { session_id: "plan" })).notes).toEqual(["right"]);
  });

  it("shows a note that another client has corrected meanwhile beside one's own, and overwrites nothing unasked", async () => {
    const { url } = await startServer();
    const { note_id } = await call(url, "add_note", { session_id: "plan", note: "first" });
    const { page } = await open(`${url}/console#/session/plan`);
    await page.getByRole("button", { name: "Correct" }).click();
    await page.getByLabel("The note's text").fill("mine");
    await call(url, "update_note", { session_id: "plan", note_id, note: "theirs" });
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("region", { name: "Theirs, as it stands now" }).getByText("− theirs").waitFor();
    expect((await call(url, "get_notes", { session_id: "plan" })).notes).toEqual(["theirs"]);
    await page.getByRole("button", { name: "Keep mine" }).click();
    await expect.poll(async () => (await call(url, "get_notes", { session_id: "plan" })).notes).toEqual(["mine"]);
  });

  it("gives notes fifty a page, and all of them", async () => {
    const { url } = await startServer();
    for (let i = 1; i <= 120; i += 1) await call(url, "add_note", { session_id: "plan", note: `note ${i}.` });
    const { page } = await open(`${url}/console#/session/plan`);
    const notes = page.getByRole("list", { name: "Notes" }).getByRole("listitem");
    for (const count of [50, 100, 120]) {
      await expect.poll(() => notes.count()).toBe(count);
      if (count < 120) await page.getByRole("button", { name: "Show more" }).click();
    }
    expect(await notes.last().textContent()).toContain("note 1.");
  });

  it("edits a value as JSON, says where it is none, and takes a change and a deletion back", async () => {
    const { url } = await startServer();
    const key = "a/b ä?#";
    await call(url, "store_value", { session_id: "plan", key, value: { name: "Ulm" } });
    const { page } = await open(`${url}/console#/session/plan`);
    await page.getByRole("link", { name: key }).click();
    const area = page.getByLabel("JSON");
    const value = async () => (await call(url, "get_value", { session_id: "plan", key })).value;

    await area.fill('{\n  "name": Ulm\n}');
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("This is not JSON: line 2, column 11").waitFor();
    expect(await value()).toEqual({ name: "Ulm" });

    await area.fill('{"name":["Bonn"]}');
    await page.getByRole("button", { name: "Format" }).click();
    expect(await area.inputValue()).toBe('{\n  "name": [\n    "Bonn"\n  ]\n}');
    await page.getByRole("button", { name: "Save" }).click();
    await expect.poll(value).toEqual({ name: ["Bonn"] });
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(value).toEqual({ name: "Ulm" });

    await page.getByRole("button", { name: "Delete" }).click();
    await expect.poll(value).toBeNull();
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(value).toEqual({ name: "Ulm" });
  });

  it("shows a value that two tabs have written to both: nothing is lost, versions rise by one", async () => {
    const { url } = await startServer();
    await call(url, "store_value", { session_id: "plan", key: "k", value: "v1" });
    const address = `${url}/console#/session/plan/value/k`;
    const [{ page: one }, { page: two }] = [await open(address), await open(address)];
    const stored = async () => {
      const { value, version } = await call(url, "get_value", { session_id: "plan", key: "k" });
      return { value, version };
    };
    await two.getByLabel("JSON").fill('"of two"');
    await one.getByLabel("JSON").fill('"of one"');
    await one.getByRole("button", { name: "Save" }).click();
    await expect.poll(stored).toEqual({ value: "of one", version: 2 });
    await two.getByRole("button", { name: "Save" }).click();
    await two.getByRole("region", { name: "Theirs, as it stands now" }).getByText("of one").waitFor();
    await two.getByRole("region", { name: "Mine, not saved" }).getByText("of two").waitFor();
    expect(await stored()).toEqual({ value: "of one", version: 2 });
    await one.getByLabel("JSON").fill('"again"');
    await two.getByRole("button", { name: "Keep mine" }).click();
    await expect.poll(stored).toEqual({ value: "of two", version: 3 });

    await one.getByText("It was changed elsewhere: version 3").waitFor();
    await one.getByRole("button", { name: "Save" }).click();
    await one.getByRole("button", { name: "Keep theirs" }).click();
    await expect.poll(() => one.getByLabel("JSON").inputValue()).toBe('"of two"');
    expect(await stored()).toEqual({ value: "of two", version: 3 });
  });

  it("does not round what a person types, and refuses a key that is there already", async () => {
    const { url } = await startServer();
    await call(url, "store_value", { session_id: "plan", key: "k", value: 1 });
    const { page } = await open(`${url}/console#/session/plan/value/k`);
    await page.getByLabel("JSON").fill("12345678901234567890");
    await page.getByRole("button", { name: "Format" }).click();
    await page.getByText("the text is left as it is").waitFor();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("would be rounded").waitFor();
    await visit(page, "/console#/session/plan/value", "New value");
    await page.getByLabel("Key", { exact: true }).fill("k");
    await page.getByLabel("JSON").fill("2");
    await page.getByRole("button", { name: "Store" }).click();
    await page.getByText("is at version 1, not 0").waitFor();
    expect((await call(url, "get_value", { session_id: "plan", key: "k" })).value).toBe(1);
  });

  it("shows a large value by its beginning, and downloads all of it", async () => {
    const { url } = await startServer([], { env: { MCP_STATE_BACKEND: "local" } });
    const text = "0123456789".repeat(20_000);
    await call(url, "store_value", { session_id: "plan", key: "k", value: text });
    const { page } = await open(`${url}/console#/session/plan/value/k`);
    await page.getByText("too long to be edited here").waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download all of it" }).click(),
    ]);
    expect(download.suggestedFilename()).toBe("value.json");
    expect(readFileSync(await download.path(), "utf8")).toBe(JSON.stringify(text));
  });

  it("resets a session after showing what it holds, and deletes one after its name was typed", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "a" });
    await call(url, "store_value", { session_id: "plan", key: "k", value: 1 });
    const { page } = await open(`${url}/console#/session/plan`);
    await page.getByRole("button", { name: "Reset…" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Reset…" }).click();
    await page.getByRole("button", { name: "Clear 1 note and 1 value" }).click();
    await page.getByText("No notes.").waitFor();
    expect((await call(url, "get_notes", { session_id: "plan" })).notes).toEqual([]);

    await page.getByRole("button", { name: "Delete…" }).click();
    const yes = page.getByRole("button", { name: "Delete the session" });
    expect(await yes.isDisabled()).toBe(true);
    await page.getByLabel(/^Type/).fill("plan");
    await yes.click();
    await page.getByRole("heading", { level: 1, name: "Memory" }).waitFor();
    expect((await call(url, "list_sessions", {})).sessions).toEqual([]);
  });
});

describe("what is served", () => {
  const HEADERS = {
    "content-security-policy":
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  };

  it("has a policy under which nothing stored can run, on every file, and no cookies", async () => {
    const { url } = await startServer();
    const scripts = filesOf(".js").map((name) => [`/console/${name}`, "text/javascript"]);
    expect(scripts.length).toBeGreaterThan(10);
    for (const [path, type] of [["/console", "text/html"], ["/console/console.css", "text/css"], ...scripts]) {
      const { status, headers } = await fetch(url + path);
      expect(status, path).toBe(200);
      expect(Object.fromEntries(headers)).toMatchObject({ ...HEADERS, "content-type": `${type}; charset=utf-8` });
      expect(headers.get("Set-Cookie")).toBeNull();
    }
    expect((await fetch(`${url}/console/other.js`)).status).toBe(404);
    expect((await fetch(`${url}/console/%2e%2e%2fpackage.json`)).status).toBe(400);
    expect((await fetch(`${url}/console`, { method: "POST" })).status).toBe(404);
  });

  it("has bounds: script, style, and no more that runs than there was", () => {
    expect(gzipSync(textOf(".js")).length).toBeLessThanOrEqual(35 * 1024);
    expect(textOf(".css").length).toBeLessThanOrEqual(12 * 1024);
    expect(textOf(".js").length + textOf(".css").length + textOf(".html").length).toBeLessThanOrEqual(150 * 1024);
    const { dependencies } = JSON.parse(readFileSync(new URL("../package.json", FOLDER), "utf8"));
    expect(Object.keys(dependencies)).toEqual(["dynalite"]);
    // What the pages import is in their folder.
    const imported = [...textOf(".js").matchAll(/^(?:import|export) .*? from "([^"]+)"/gms)].map(([, from]) => from);
    expect(imported.filter((from) => !/^\.{1,2}\/[\w./-]+\.js$/.test(from ?? ""))).toEqual([]);
  });

  it("has no way to make markup, code or a style of a text", () => {
    expect(textOf(".js")).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|setHTML|document\.write|DOMParser|createContextualFragment|srcdoc|\beval\b|new Function|"style"/,
    );
    expect(textOf(".html")).not.toMatch(/<script(?! type="module" src=")|<style|\son\w+=|https?:/);
    expect(textOf(".css")).not.toMatch(/@import|url\(/);
  });

  it("answers about the server only to whom it would answer otherwise, and to no foreign page", async () => {
    const { url } = await startServer([], { env: { ...tokens, STATEFUL_MCP_CONSOLE: "on" } });
    const ask = (headers: Record<string, string>, path = "/console/api/server") => fetch(url + path, { headers });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ Authorization: "Bearer wrong-0123456789abcdef0123456789" })).status).toBe(401);
    const Authorization = `Bearer ${ALICE}`;
    const answer = await ask({ Authorization });
    expect(await answer.json()).toMatchObject({ name: "stateful-mcp", mode: "tokens" });
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    for (const Origin of ["http://127.0.0.1:9999", "http://localhost:9999", "null", "https://evil.example"])
      for (const path of ["/console/api/server", "/memory/export"])
        expect((await ask({ Authorization, Origin }, path)).status, Origin).toBe(403);
    expect((await ask({ Authorization, Origin: url })).status).toBe(200);
    const post = (path: string, type: string) =>
      fetch(url + path, { method: "POST", headers: { Authorization, "Content-Type": type }, body: "{}" });
    for (const path of ["/tools/add_note", "/memory/import", "/mcp"])
      expect((await post(path, "text/plain")).status, path).toBe(415);
  });

  it("is not there under a foreign name, nor for another's page: its files and what it asks the server neither", async () => {
    const { url } = await startServer([], { env: { STATEFUL_MCP_METRICS: "on", STATEFUL_MCP_JOURNAL: "calls" } });
    const statusOf = (path: string, headers: Record<string, string>) =>
      new Promise((resolve, reject) => {
        const asked = request(url + path, { headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        });
        asked.on("error", reject).end();
      });
    const { host } = new URL(url);
    for (const path of [
      ...["/console", "/console/main.js", "/console/console.css", "/console/api/server", "/metrics"],
      ...["/console/api/calls", "/console/api/service", "/console/api/fleet"],
    ]) {
      expect([path, await statusOf(path, { Host: host })]).toEqual([path, 200]);
      // The name of a page whose owner has it lead to this machine, and one that is none.
      for (const Host of [`evil.example:${new URL(url).port}`, "a.1"])
        expect([path, Host, await statusOf(path, { Host })]).toEqual([path, Host, 403]);
      expect([path, await statusOf(path, { Host: host, Origin: "http://localhost:9999" })]).toEqual([path, 403]);
    }
  });

  it.each([
    ["with tokens, unless it is asked for", [], tokens],
    ["for everybody, also where it is asked for", ["--allow-anonymous"], { STATEFUL_MCP_CONSOLE: "on" }],
    ["where it is turned off", [], { STATEFUL_MCP_CONSOLE: "off" }],
  ] as const)("is not there %s, and the start does not name it", async (_, flags, env) => {
    const server = await startServer([...flags], { env });
    for (const path of ["/console", "/console/main.js", "/console/api/server"])
      expect((await fetch(server.url + path)).status).toBe(404);
    server.child.kill("SIGTERM");
    expect((await server.ended).stderr).not.toContain("/console");
  });
});
