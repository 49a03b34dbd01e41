// The console for all: every page under axe in both themes, narrow and wide; without sideways scrolling; by keyboard alone.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { call, inBrowser, open, visit } from "./browser.ts";
import { startServer, startTasksServer, temporaryDirectory } from "./process.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LONG = "w".repeat(120);

async function filled(): Promise<string> {
  const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: temporaryDirectory() };
  // What the pages about the service show, left by a process at its end.
  const before = await startServer([], { env });
  await call(before.url, "add_note", { session_id: "other", note: "a" });
  before.child.kill("SIGTERM");
  await before.ended;
  const { url } = await startServer([], { env });
  for (let i = 0; i < 60; i += 1) await call(url, "add_note", { session_id: "plan", note: `note ${i}` });
  const { note_id } = await call(url, "add_note", { session_id: "plan", note: `${LONG} ${"long ".repeat(1_000)}` });
  await call(url, "update_note", { session_id: "plan", note_id, note: `${LONG} ${"longer ".repeat(1_000)}` });
  for (const key of ["a", "b", LONG])
    await call(url, "store_value", { session_id: "plan", key, value: { [LONG]: [1] } });
  await call(url, "create_session", { name: LONG });
  return url;
}

/** Each page with its heading, and what stands open on it. */
const PAGES: readonly [
  name: string,
  hash: string,
  heading: string | RegExp,
  prepare?: (page: Page) => Promise<unknown>,
][] = [
  ["Start", "/", /is running$/],
  ["Memory", "/memory", "Memory"],
  ["a session", "/session/plan", "plan"],
  [
    "a note that is corrected",
    "/session/plan",
    "plan",
    (page) => page.getByRole("button", { name: "Correct" }).first().click(),
  ],
  [
    "the offer to undo",
    "/session/plan",
    "plan",
    (page) => page.getByRole("button", { name: "Delete", exact: true }).nth(1).click(),
  ],
  [
    "a question before a deletion",
    "/session/plan",
    "plan",
    (page) => page.getByRole("button", { name: "Delete…" }).click(),
  ],
  ["a value", "/session/plan/value/a", "a"],
  [
    "a conflict",
    "/session/plan/value/b",
    "b",
    async (page) => {
      await page.getByLabel("JSON").fill('{\n  "mine": 1\n}');
      await call(new URL(page.url()).origin, "store_value", { session_id: "plan", key: "b", value: ["theirs", LONG] });
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("button", { name: "Keep mine" }).waitFor();
    },
  ],
  ["a new value", "/session/plan/value", "New value"],
  ["Search", "/search?q=note", "Search", (page) => page.getByRole("list", { name: "Found" }).waitFor()],
  ["Tools", "/tools", "Tools"],
  [
    "a tool",
    "/tools/session_info",
    "session_info",
    async (page) => {
      await page.getByText("2 arguments").or(page.getByText("1 argument")).click();
      await page.getByRole("button", { name: "Run" }).click();
      await page.getByRole("heading", { name: "Result" }).waitFor();
    },
  ],
  [
    "Calls",
    "/calls",
    "Calls",
    // Records are written within a second of their calls; a page that was opened before takes them up by itself.
    (page) => page.getByRole("list", { name: "Calls" }).waitFor(),
  ],
  [
    "a call",
    "/calls",
    "Calls",
    async (page) => {
      await page.getByRole("list", { name: "Calls" }).getByRole("link").first().click();
      await page.getByText("CloudWatch Logs Insights").waitFor();
    },
  ],
  ["Service", "/service?window=7d", "Service", (page) => page.getByText("The picture as a table").click()],
  ["Fleet", "/fleet", "Fleet", (page) => page.getByRole("table").waitFor()],
  ["Your data", "/data", "Your data"],
  ["the list of keys", "/data", "Your data", (page) => page.getByRole("button", { name: "Keys" }).click()],
  ["an error", "/session/ses_nowhere", "This could not be read"],
  ["no page", "/nowhere/at/all", "There is no such page"],
];

async function violations(page: Page): Promise<string[]> {
  // Given by the debugger, which the page's policy does not bind.
  await page.evaluate(AXE);
  const result = (await page.evaluate(
    `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })`,
  )) as { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[]; passes: unknown[] };
  expect(result.passes.length).toBeGreaterThan(10);
  return result.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
  );
}

inBrowser("every page", () => {
  it.each([
    ["light", 320],
    ["light", 1280],
    ["dark", 320],
    ["dark", 1280],
  ] as const)("has nothing that axe objects to, and does not scroll sideways: %s, %d px", async (theme, width) => {
    const url = await filled();
    const { page, foreign, complaints } = await open(`${url}/console`, { viewport: { width, height: 800 } });
    await page.getByLabel("Theme").selectOption(theme);
    for (const [name, hash, heading, prepare] of PAGES) {
      await visit(page, "/console#/memory", "Memory");
      await visit(page, `/console#${hash}`, heading);
      await prepare?.(page);
      expect(await violations(page), name).toEqual([]);
      const [wide, seen] = (await page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
      )) as [number, number];
      expect(wide, name).toBeLessThanOrEqual(seen);
      if (await page.locator("dialog[open]").count()) await page.keyboard.press("Escape");
      const dismiss = page.getByRole("button", { name: "Dismiss" });
      if (await dismiss.count()) await dismiss.click();
    }
    expect({ foreign, complaints }).toEqual({ foreign: [], complaints: [] });
  });

  it.each([
    ["light", 320],
    ["dark", 1280],
  ] as const)("that needs a token or tasks is no exception: %s, %d px", async (colorScheme, width) => {
    const { url } = await startServer([], {
      env: { MCP_AUTH_TOKEN: `alice=${"a1b2c3d4".repeat(4)}`, STATEFUL_MCP_CONSOLE: "on" },
    });
    const look = { colorScheme, viewport: { width, height: 800 } };
    const { page: signIn } = await open(`${url}/console`, look);
    await signIn.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(await violations(signIn)).toEqual([]);
    await signIn.getByLabel("Token", { exact: true }).fill("wrong".repeat(8));
    await signIn.getByRole("button", { name: "Sign in" }).click();
    await signIn.getByText("The server does not take this token.").waitFor();
    expect(await violations(signIn)).toEqual([]);

    const withTasks = await startTasksServer();
    for (const tool of ["brief", "endless"])
      await fetch(`${withTasks}/tools/${tool}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: "{}",
      });
    const { page } = await open(`${withTasks}/console#/tasks`, look);
    await page.getByText("completed").waitFor();
    expect(await violations(page)).toEqual([]);
    await page.getByRole("link", { name: "brief" }).click();
    await page.getByRole("heading", { name: "Result" }).waitFor();
    expect(await violations(page)).toEqual([]);
  });

  it("keeps the theme that a person chose", async () => {
    const { url } = await startServer();
    const { page } = await open(`${url}/console`, { colorScheme: "light" });
    const background = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
    const light = await background();
    await page.getByLabel("Theme").selectOption("dark");
    const dark = await background();
    expect(dark).not.toBe(light);
    await page.reload();
    expect(await background()).toBe(dark);
    await page.getByLabel("Theme").selectOption("auto");
    expect(await background()).toBe(light);
  });
});

inBrowser("the keyboard", () => {
  const focused = (page: Page) => page.evaluate("document.activeElement?.textContent?.trim() ?? ''") as Promise<string>;

  it("searches, walks, opens, edits, saves and goes back", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "first note" });
    await call(url, "add_note", { session_id: "plan", note: "second note" });
    await call(url, "store_value", { session_id: "plan", key: "k", value: 1 });
    const { page } = await open(`${url}/console#/memory`);
    const heading = (name: string) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
    await heading("Memory");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await heading("plan");
    await page.keyboard.press("j");
    expect(await focused(page)).toContain("second note");
    await page.keyboard.press("j");
    expect(await focused(page)).toContain("first note");
    await page.keyboard.press("k");
    await page.keyboard.press("e");
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("by keys j k e / ?");
    await page.keyboard.press("Escape");
    await expect.poll(async () => (await page.locator("textarea").count()) === 1).toBe(true);
    await page.keyboard.press("e");
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("by keys");
    await page.keyboard.press("Control+Enter");
    await expect
      .poll(async () => (await call(url, "get_notes", { session_id: "plan" })).notes)
      .toEqual(["first note", "by keys"]);
    await page.getByRole("list", { name: "Notes" }).getByText("by keys").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await heading("k");
    await page.keyboard.press("e");
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("2");
    await page.keyboard.press("Control+Enter");
    await expect.poll(async () => (await call(url, "get_value", { session_id: "plan", key: "k" })).value).toBe(2);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await heading("plan");
    await page.keyboard.press("Escape");
    await heading("Memory");
    await page.keyboard.press("/");
    await heading("Search");
    await page.keyboard.type("first");
    await page.keyboard.press("Enter");
    await page.getByRole("list", { name: "Found" }).waitFor();
  });

  it("has keys that can be turned off", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "a" });
    const { page } = await open(`${url}/console#/memory`);
    await page.keyboard.press("?");
    await page.getByLabel("Single keys work").uncheck();
    await page.keyboard.press("Escape");
    await page.keyboard.press("/");
    await page.keyboard.press("?");
    expect(await page.locator("dialog[open]").count()).toBe(0);
    await page.getByRole("heading", { level: 1, name: "Memory" }).waitFor();
  });

  it("stays on a row of the start page while others come", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "a" });
    const { page } = await open(`${url}/console`);
    const sessions = page.getByRole("list", { name: "Sessions used last" });
    await sessions.getByRole("link", { name: "plan" }).focus();
    await call(url, "add_note", { session_id: "other", note: "b" });
    await sessions.getByRole("link", { name: "other" }).waitFor();
    expect(await page.evaluate("document.activeElement?.getAttribute('href')")).toBe("#/session/plan");
    expect(await sessions.getByRole("link").allTextContents()).toEqual(["other", "plan"]);
  });

  it("reaches everything with Tab alone, and shows where it is", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "a" });
    await call(url, "store_value", { session_id: "plan", key: "k", value: 1 });
    for (const [hash, heading] of [
      ["/", /is running$/],
      ["/session/plan", "plan"],
      ["/session/plan/value/k", "k"],
      ["/search", "Search"],
      ["/tools/add_note", "add_note"],
      ["/data", "Your data"],
    ] as const) {
      const { page } = await open(`${url}/console#${hash}`, { viewport: { width: 640, height: 480 } });
      await page.getByRole("heading", { level: 1, name: heading }).waitFor();
      const all = (await page.evaluate(
        `[...document.querySelectorAll("a[href], button, input, select, textarea, summary")].filter((one) => one.checkVisibility({ contentVisibilityAuto: false }) && !one.disabled).length`,
      )) as number;
      await page.evaluate("document.activeElement?.blur()");
      const seen = new Set<string>();
      for (let i = 0; i < all + 20; i += 1) {
        await page.keyboard.press("Tab");
        const state = (await page.evaluate(`(() => {
          const one = document.activeElement;
          if (one === document.body || one === null) return undefined;
          one.dataset.seen ??= String(Math.random());
          const { outlineStyle, outlineWidth } = getComputedStyle(one);
          const box = one.getBoundingClientRect();
          return {
            id: one.matches("a[href], button, input, select, textarea, summary") ? one.dataset.seen : "",
            what: one.outerHTML.slice(0, 120),
            outlined: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
            inView: box.bottom > 0 && box.top < innerHeight,
          };
        })()`)) as { id: string; what: string; outlined: boolean; inView: boolean } | undefined;
        if (state === undefined) continue;
        expect(state, state.what).toMatchObject({ outlined: true, inView: true });
        if (state.id !== "") seen.add(state.id);
      }
      expect(seen.size, hash).toBe(all);
    }
  });
});
