// The MCP App of the console's pages about memory, in a real browser: a host of this test's own shows the page that a real server gives
// for show_memory, in a frame without rights, and hands its calls on to that server.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Frame, FrameLocator, Page } from "playwright-core";
import { expect, it, onTestFinished } from "vitest";
import { MEMORY_PAGE, memoryPage } from "../build-console-app.ts";
import { call, inBrowser, open } from "./browser.ts";
import { HOSTILE, RAN } from "./hostile-texts.ts";
import { startServer } from "./process.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** What a host has to allow a page that asks for nothing (2026-01-26, UI Resource Format). */
const POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self' data:; connect-src 'none'";

/** The ways of hosts to make the frame. */
const WAYS = {
  "an address and the right to run scripts alone": () => '<iframe src="/view" sandbox="allow-scripts"></iframe>',
  "its text in the host's page, with an origin": (html: string) =>
    `<iframe sandbox="allow-scripts allow-same-origin allow-forms" srcdoc="${html.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}"></iframe>`,
} as const;
type Way = keyof typeof WAYS;
const [STRICT] = Object.keys(WAYS) as [Way];

/** A host: answers the page, hands its calls on, writes down what it says. */
const hostPage = (frame: string) => `<!doctype html><html lang="en"><title>Host</title>
<style>iframe { width: 100%; height: 600px; border: 0 } body { margin: 0 }</style>
<main><h1>A host</h1>${frame}</main>
<script>
const frame = document.querySelector("iframe");
globalThis.said = [];
globalThis.tell = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
addEventListener("message", async ({ source, data }) => {
  if (source !== frame.contentWindow) return;
  said.push(data);
  if (data.method === "ui/initialize") tell({ id: data.id, result: {
    protocolVersion: "2026-01-26", hostInfo: { name: "host", version: "1" }, hostCapabilities: { serverTools: {} },
    hostContext: { theme: new URLSearchParams(location.search).get("theme") ?? undefined } } });
  if (data.method === "tools/call") tell({ id: data.id, ...await forward(data.params) });
});
</script></html>`;

interface Said {
  id?: unknown;
  method?: string;
  params?: { name?: string; height?: number } & Record<string, unknown>;
  result?: unknown;
}

interface Shown {
  readonly page: Page;
  /** The page of the app. */
  readonly app: FrameLocator;
  readonly frame: Frame;
  readonly foreign: string[];
  readonly complaints: string[];
  readonly said: () => Promise<Said[]>;
  /** The host says something. */
  readonly tell: (message: object) => Promise<unknown>;
  /** How often each tool was called through the host. */
  readonly calls: Map<string, number>;
}

interface HostOptions {
  way?: Way;
  theme?: string;
  width?: number;
  /** Changes what the host does with a call. */
  refuses?: boolean;
}

/** Connects as a host does, finds the tool's page and shows it. */
async function showApp(url: string, options: HostOptions = {}): Promise<Shown> {
  const { way = STRICT, theme, width = 800, refuses = false } = options;
  const extensions = { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } };
  const client = new Client({ name: "test-host", version: "1.0.0" }, { capabilities: { extensions } });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)));
  onTestFinished(() => client.close());
  expect(client.getServerCapabilities()?.extensions).toHaveProperty("io.modelcontextprotocol/ui");
  const { tools } = await client.listTools();
  const shows = tools.find(({ name }) => name === "show_memory");
  const { resourceUri, visibility } = shows!._meta!.ui as { resourceUri: string; visibility: string[] };
  expect([visibility, shows!.annotations]).toEqual([["model", "app"], undefined]);
  const [content] = (await client.readResource({ uri: resourceUri })).contents;
  expect(content).toMatchObject({ mimeType: "text/html;profile=mcp-app" });
  expect(content?._meta).toBeUndefined();
  const html = (content as { text: string }).text;

  const server = createServer((request, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    const isView = request.url === "/view";
    if (isView) response.setHeader("Content-Security-Policy", POLICY);
    // A host puts its policy before all that the page says.
    const inline = html.replace("<head>", `<head><meta http-equiv="Content-Security-Policy" content="${POLICY}">`);
    response.end(isView ? html : hostPage(WAYS[way](inline)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());

  const calls = new Map<string, number>();
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/?theme=${theme ?? ""}`;
  const opened = await open(address, { viewport: { width, height: 800 } }, (page) =>
    page.exposeFunction("forward", async ({ name, arguments: given }: { name: string; arguments: object }) => {
      calls.set(name, (calls.get(name) ?? 0) + 1);
      if (refuses) return { error: { code: -32000, message: "The person does not want this." } };
      return { result: await client.callTool({ name, arguments: given as Record<string, unknown> }) };
    }),
  );
  const { page } = opened;
  const frame = page.frames()[1] as Frame;
  return {
    ...opened,
    app: page.frameLocator("iframe"),
    frame,
    said: () => page.evaluate("said") as Promise<Said[]>,
    tell: (message) => page.evaluate(`tell(${JSON.stringify(message)})`),
    calls,
  };
}

const ready = (app: FrameLocator) => app.locator("[data-app-status=ready]").waitFor({ state: "attached" });
const heading = (app: FrameLocator, name: string) =>
  app.getByRole("heading", { level: 1, name, exact: true }).waitFor();

it("is what its sources make, of at most 120 KiB, and names no address", async () => {
  const committed = readFileSync(MEMORY_PAGE, "utf8");
  expect(committed === (await memoryPage()), "make it again: pnpm --filter stateful-mcp console-app").toBe(true);
  expect(Buffer.byteLength(committed)).toBeLessThanOrEqual(120 * 1024);
  expect(committed).not.toMatch(/https?:|sessionStorage|localStorage|innerHTML/);
});

inBrowser("the MCP App", () => {
  it.each(Object.keys(WAYS) as Way[])("shows, searches and corrects memory in a frame with %s", async (way) => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "Deploy on Tuesday." });
    await call(url, "add_note", { session_id: "plan", note: "Ask Ana." });
    await call(url, "store_value", { session_id: "plan", key: "who", value: "Ana" });
    const { app, calls, foreign, complaints, page } = await showApp(url, { way });
    const requests: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    await ready(app);
    await app.getByRole("link", { name: "plan" }).click();
    await heading(app, "plan");

    const notes = app.getByRole("list", { name: "Notes" }).getByRole("listitem");
    const old = notes.filter({ hasText: "Deploy on Tuesday." });
    await old.getByRole("button", { name: "Correct" }).click();
    await app.getByLabel("The note's text").fill("Deploy on Friday.");
    await app.getByRole("button", { name: "Save" }).click();
    await notes.filter({ hasText: "Deploy on Friday." }).getByText("corrected").waitFor();
    await app.getByLabel("New note").fill("Third.");
    await app.getByRole("button", { name: "Add note" }).click();
    await notes.filter({ hasText: "Third." }).waitFor();
    expect(await call(url, "get_notes", { session_id: "plan", details: true })).toMatchObject({
      notes: ["Deploy on Friday.", "Ask Ana.", "Third."],
      details: [{ version: 2, edited: { client: "test-host 1.0.0" } }, {}, { client: "test-host 1.0.0" }],
    });

    await app.getByRole("link", { name: "who" }).click();
    await heading(app, "who");
    await app.getByLabel("JSON").fill('"Ben"');
    await app.getByRole("button", { name: "Save" }).click();
    await app.getByText("Saved as version 2", { exact: true }).waitFor();
    expect(await app.getByRole("button", { name: "Download" }).count()).toBe(0);

    await app.getByRole("link", { name: "Search" }).click();
    await app.getByLabel("Text", { exact: true }).fill("friday");
    await app.getByLabel("Text", { exact: true }).press("Enter");
    await app.getByRole("list", { name: "Found" }).getByRole("link", { name: "plan" }).click();
    await heading(app, "plan");
    await app.getByRole("button", { name: "Delete…" }).click();
    await app.getByLabel("Type").fill("plan");
    await app.getByRole("button", { name: "Delete the session" }).click();
    await app.getByText("Nothing is stored yet").waitFor();
    expect((await call(url, "list_sessions", {})).sessions).toEqual([]);

    const tools = (await (await fetch(`${url}/mcp/list_tools`)).json()) as { tools: { name: string }[] };
    expect(tools.tools.map(({ name }) => name)).toEqual(expect.arrayContaining([...calls.keys()]));
    expect({ requests, foreign, complaints }).toEqual({ requests: [], foreign: [], complaints: [] });
  });

  it("speaks the protocol of its host: theme, size, ping, teardown, and what it does not know", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "a" });
    const { app, frame, page, said, tell } = await showApp(url, { theme: "dark" });
    await ready(app);
    const theme = () => frame.evaluate("document.documentElement.dataset.theme");
    expect(await theme()).toBe("dark");
    expect(await page.evaluate("document.activeElement === document.body")).toBe(true);
    await tell({ method: "ui/notifications/host-context-changed", params: { theme: "light" } });
    await expect.poll(theme).toBe("light");
    await tell({ method: "ui/notifications/host-context-changed", params: { displayMode: "inline" } });

    const heights = async () => (await said()).flatMap(({ params }) => params?.height ?? []);
    const before = await heights();
    expect(before.at(-1)).toBeGreaterThan(50);
    for (let i = 0; i < 30; i += 1) await call(url, "add_note", { session_id: "plan", note: `note ${i}` });
    await app.getByRole("link", { name: "plan" }).click();
    await expect.poll(async () => (await heights()).at(-1)).toBe(640);

    const answerTo = async (id: string) => (await said()).find((message) => message.id === id && !message.method);
    for (const method of ["ping", "ui/resource-teardown", "tools/list"]) {
      await tell({ id: method, method, params: {} });
      await expect.poll(() => answerTo(method)).toBeDefined();
    }
    expect(await theme()).toBe("light");
    expect(await answerTo("ping")).toMatchObject({ result: {} });
    expect(await answerTo("ui/resource-teardown")).toMatchObject({ result: {} });
    expect(await answerTo("tools/list")).toMatchObject({ error: { code: -32601 } });
    const methods = (await said()).flatMap(({ method }) => method ?? []);
    expect(methods.slice(0, 2)).toEqual(["ui/initialize", "ui/notifications/initialized"]);
    expect([...new Set(methods)].toSorted()).toEqual([
      ...["tools/call", "ui/initialize", "ui/notifications/initialized", "ui/notifications/size-changed"],
    ]);
  });

  it("asks for nothing by itself, and reads again when the host has called the tool or the person wants it", async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "a" });
    const { app, calls, tell } = await showApp(url);
    await ready(app);
    expect([...calls]).toEqual([["list_sessions", 1]]);
    await call(url, "create_session", { name: "second" });
    await tell({ method: "ui/notifications/tool-result", params: { content: [] } });
    await app.getByRole("button", { name: "1 new" }).click();
    await app.getByRole("link", { name: "second" }).waitFor();
    await call(url, "create_session", { name: "third" });
    await app.getByRole("button", { name: "Refresh" }).click();
    await app.getByRole("link", { name: "third" }).waitFor();
    expect([...calls]).toEqual([["list_sessions", 3]]);
  });

  it("says so where the host does not call tools for it", async () => {
    const { url } = await startServer();
    const { app } = await showApp(url, { refuses: true });
    await app.getByText("The person does not want this.").waitFor();
    await app.locator("[data-app-status=failed]").waitFor({ state: "attached" });
  });

  it("does what has to be confirmed when the person at the page wants it", async () => {
    const { url } = await startServer([], { env: { STATEFUL_MCP_CONFIRM: "delete_note" } });
    await call(url, "add_note", { session_id: "plan", note: "a" });
    const { app } = await showApp(url);
    await app.getByRole("link", { name: "plan" }).click();
    await app.getByRole("button", { name: "Delete", exact: true }).click();
    await app.getByText("No notes.").waitFor();
    expect((await call(url, "get_notes", { session_id: "plan" })).notes).toEqual([]);
  });

  it("shows two texts that exclude each other beside one another, and overwrites nothing unasked", async () => {
    const { url } = await startServer();
    const { note_id } = await call(url, "add_note", { session_id: "plan", note: "first" });
    const { app } = await showApp(url);
    await app.getByRole("link", { name: "plan" }).click();
    await app.getByRole("button", { name: "Correct" }).click();
    await app.getByLabel("The note's text").fill("mine");
    await call(url, "update_note", { session_id: "plan", note_id, note: "theirs" });
    await app.getByRole("button", { name: "Save" }).click();
    await app.getByRole("region", { name: "Theirs, as it stands now" }).getByText("− theirs").waitFor();
    expect((await call(url, "get_notes", { session_id: "plan" })).notes).toEqual(["theirs"]);
  });

  it.each(Object.keys(WAYS) as Way[])("shows hostile texts as text in a frame with %s", async (way) => {
    const { url } = await startServer();
    const session = `<img src=x onerror="${RAN}">`;
    for (const text of HOSTILE) await call(url, "add_note", { session_id: session, note: text });
    // A key must be visible.
    for (const key of HOSTILE.slice(0, 20))
      await call(url, "store_value", { session_id: session, key, value: { [key]: key } });
    const { app, frame, foreign, complaints } = await showApp(url, { way });
    await ready(app);
    const harm = () =>
      frame.evaluate(`({
        ran: globalThis.ran ?? 0,
        elements: document.querySelectorAll("main :is(img, script, iframe, svg, style, link, base, meta, object, embed, video, math, template)").length,
        foreignLinks: [...document.querySelectorAll("a")].filter((link) => !link.getAttribute("href").startsWith("#/")).length,
        wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
      })`);
    const none = { ran: 0, elements: 0, foreignLinks: 0, wide: false };
    expect(await harm()).toEqual(none);
    await app.getByRole("link", { name: session }).click();
    await expect
      .poll(() => app.getByRole("list", { name: "Notes" }).getByRole("listitem").count())
      .toBe(HOSTILE.length);
    expect(await harm()).toEqual(none);
    await app.getByRole("link", { name: "Search", exact: true }).click();
    await app.getByLabel("Text", { exact: true }).fill("<");
    await app.getByRole("button", { name: "Search" }).click();
    await app.getByRole("list", { name: "Found" }).waitFor();
    expect(await harm()).toEqual(none);
    expect({ foreign, complaints }).toEqual({ foreign: [], complaints: [] });
  });

  it("lets no other script run than its own, also where the host allows all that is inline", async () => {
    const { url } = await startServer();
    const { app, frame, complaints } = await showApp(url);
    await ready(app);
    await frame
      .evaluate(`{
      const script = document.createElement("script");
      script.append("${RAN}");
      document.body.append(script);
    }`)
      .catch((error) => complaints.push(String(error)));
    expect(await frame.evaluate("globalThis.ran ?? 0")).toBe(0);
    expect(complaints.join()).toMatch(/Content Security Policy|Trusted/);
  });

  it.each([
    ["light", 320],
    ["dark", 1280],
  ] as const)("has nothing that axe objects to: %s, %d px", async (theme, width) => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "w".repeat(200) });
    await call(url, "store_value", { session_id: "plan", key: "k", value: { a: ["w".repeat(200)] } });
    const { app, frame } = await showApp(url, { theme, width });
    await ready(app);
    const violations = async () => {
      await frame.evaluate(AXE);
      const result = (await frame.evaluate(
        `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })`,
      )) as { violations: { id: string; nodes: { html: string }[] }[] };
      const [wide, seen] = (await frame.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
      )) as [number, number];
      expect(wide).toBeLessThanOrEqual(seen);
      return result.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)}`));
    };
    expect(await violations()).toEqual([]);
    await app.getByRole("link", { name: "plan" }).click();
    await app.getByRole("button", { name: "Correct" }).click();
    expect(await violations()).toEqual([]);
    await app.getByRole("link", { name: "k", exact: true }).click();
    await heading(app, "k");
    expect(await violations()).toEqual([]);
    await app.getByRole("link", { name: "Search", exact: true }).click();
    await heading(app, "Search");
    expect(await violations()).toEqual([]);
  });
});
