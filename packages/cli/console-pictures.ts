// Takes the pictures of the console that the docs show: `tsx console-pictures.ts <url>`, of a server that was started for it alone. It
// stores examples there, so it is not for a server with memories of one's own. Of one that asks for a token it takes the page that
// does, of `test/console-tasks-server.ts` the page about tasks.
import { readFileSync } from "node:fs";
import { chromium, type Page } from "playwright-core";
import { MEMORY_PAGE } from "./build-console-app.ts";

const [url = ""] = process.argv.slice(2);
if (!URL.canParse(url)) throw new Error("Give the address of a server, such as http://127.0.0.1:3333");
const OUT = new URL("../../docs/console/", import.meta.url);

interface ToolResult {
  readonly structuredContent?: { readonly note_id: string };
}

async function call(client: string, name: string, input: object): Promise<{ note_id: string }> {
  return (await resultOf(client, name, input)).structuredContent ?? { note_id: "" };
}

async function resultOf(client: string, name: string, input: object): Promise<ToolResult> {
  const [program, version] = client.split(" ");
  const envelope = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: program, version },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const response = await fetch(`${url}/mcp`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      "MCP-Protocol-Version": "2026-07-28",
      "Mcp-Method": "tools/call",
      "Mcp-Name": name,
    },
    body: JSON.stringify({
      ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
      params: { name, arguments: input, _meta: envelope },
    }),
  });
  return ((await response.json()) as { result: ToolResult }).result;
}

const CLAUDE = "claude-code 3.1.0";
const CURSOR = "cursor 2.4.1";
const note = (client: string, session_id: string, text: string) => call(client, "add_note", { session_id, note: text });
const value = (client: string, session_id: string, key: string, stored: unknown) =>
  call(client, "store_value", { session_id, key, value: stored });

async function fill(): Promise<void> {
  await note(CLAUDE, "house-move", "The movers come on 3 December at 8. Keep the lift free.");
  await note(CURSOR, "garden", "Tulips are in the bed by the fence; nothing goes there before May.");
  await note(CLAUDE, "release-plan", "Deploy on Tuesday, never on Friday.");
  const { note_id } = await note(CURSOR, "release-plan", "Ask Ana for the signing key.");
  await note(CLAUDE, "release-plan", "The table has point-in-time recovery on; a restore was tried on 12 November.");
  const corrected = "Ask Ana for the signing key. She is back on Monday.";
  await call(CLAUDE, "update_note", { session_id: "release-plan", note_id, note: corrected });
  const checklist = { tests: "green", pictures: ["start", "session"], reviewers: { ana: true, ben: false } };
  await value(CURSOR, "release-plan", "checklist", checklist);
  await value(CLAUDE, "release-plan", "deploys/this-month", 7);
  await value(CLAUDE, "release-plan", "region", "eu-central-1");

  // What a call looks like that was cached, replayed or refused.
  for (let i = 0; i < 3; i += 1) {
    await call(CURSOR, "get_notes", { session_id: "release-plan" });
    await call(CURSOR, "echo_cached", { text: "hello" });
    await call(CLAUDE, "add_note", { session_id: "garden", note: "Mulch in March.", idempotency_key: "mulch" });
    await call(CURSOR, "get_value", { session_id: "release-plan", key: "checklist" });
  }
  await call(CLAUDE, "delete_note", { session_id: "garden", note_id: "note_gone" });
}

async function beginTasks(): Promise<void> {
  for (const tool of ["brief", "endless"])
    await fetch(`${url}/tools/${tool}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    });
}

async function save(page: Page, file: string): Promise<void> {
  await page.evaluate("document.activeElement?.blur()");
  await page.screenshot({ path: new URL(`${file}.png`, OUT).pathname });
  await page.close();
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium-headless-shell",
  args: ["--no-sandbox", "--font-render-hinting=none"],
});

const offered = await fetch(`${url}/mcp/list_tools`);
const tools = offered.ok ? ((await offered.json()) as { tools: { name: string }[] }).tools.map(({ name }) => name) : [];
const kind = !offered.ok ? "tokens" : tools.includes("endless") ? "tasks" : "ready";
if (kind === "ready") await fill();
if (kind === "tasks") await beginTasks();
const PICTURES = {
  tokens: [["sign-in", "/", "light"]],
  tasks: [["tasks", "/tasks", "light"]],
  ready: [
    ["start", "/", "light"],
    ["memory", "/memory", "light"],
    ["session", "/session/release-plan", "light"],
    ["session-dark", "/session/release-plan", "dark"],
    ["value", "/session/release-plan/value/checklist", "light"],
    ["search", "/search?q=tuesday", "light"],
    ["calls", "/calls", "light"],
    ["call", "/calls", "light"],
    ["service", "/service", "light"],
    ["fleet", "/fleet", "light"],
    ["tools", "/tools", "light"],
    ["tool", "/tools/add_note", "light"],
    ["data", "/data", "light"],
  ],
} as const;
for (const [file, hash, colorScheme] of PICTURES[kind]) {
  const page = await browser.newPage({ viewport: { width: 1000, height: 720 }, colorScheme });
  await page.goto(`${url}/console#${hash}`);
  await page.locator("main h1").first().waitFor();
  // Records of calls are left within a second, counts within a minute.
  for (const [name, ready] of [
    ["calls", "svg"],
    ["call", "svg"],
    ["service", "table"],
    ["fleet", "table"],
  ])
    if (file === name)
      while ((await page.locator(ready ?? "").count()) === 0) {
        await page.reload();
        await page.locator("main h1").first().waitFor();
      }
  if (file === "call") {
    await page.getByRole("link", { name: "add_note" }).first().click();
    await page.getByText("Sizes").waitFor();
  }
  if (file === "search") await page.locator("mark").first().waitFor();
  if (file === "tool") {
    await page.getByLabel("Arguments, as JSON").fill('{\n  "session_id": "garden",\n  "note": "Water the roses."\n}');
    await page.getByRole("button", { name: /^Run/ }).click();
    await page.getByRole("heading", { name: "Result" }).waitFor();
  }
  await save(page, file);
}
/** The MCP App in a frame without rights, as a host shows it within a conversation. */
async function takeApp(): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 800, height: 620 }, colorScheme: "light" });
  await page.exposeFunction("forward", (name: string, input: object) => resultOf(CLAUDE, name, input));
  await page.setContent(hostOf(readFileSync(MEMORY_PAGE, "utf8")));
  const app = page.frameLocator("iframe");
  await app.locator("[data-app-status=ready]").waitFor({ state: "attached" });
  await app.getByRole("link", { name: "release-plan" }).first().click();
  await app.getByRole("heading", { level: 1, name: "release-plan" }).waitFor();
  await save(page, "app");
}

const hostOf = (html: string) => `<!doctype html><html lang="en"><title>A conversation</title>
<style>body { margin: 0 } iframe { width: 100%; height: 100vh; border: 0 }</style>
<iframe sandbox="allow-scripts" srcdoc="${html.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}"></iframe>
<script>
const { contentWindow } = document.querySelector("iframe");
const tell = (message) => contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
addEventListener("message", async ({ source, data: { id, method, params } }) => {
  if (source !== contentWindow) return;
  if (method === "ui/initialize") tell({ id, result: { protocolVersion: "2026-01-26", hostInfo: { name: "host", version: "1" },
    hostCapabilities: { serverTools: {} }, hostContext: { theme: "light" } } });
  if (method === "tools/call") tell({ id, result: await forward(params.name, params.arguments) });
});
</script></html>`;

if (kind === "ready") await takeApp();
await browser.close();
