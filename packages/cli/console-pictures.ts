// Takes the pictures of the console that the docs show: `tsx console-pictures.ts <url>`, of a server that was started for it alone. It
// stores examples there, so it is not for a server with memories of one's own. Of one that asks for a token it takes the page that
// does, of `test/console-tasks-server.ts` the page about tasks.
import { chromium } from "playwright-core";

const [url = ""] = process.argv.slice(2);
if (!URL.canParse(url)) throw new Error("Give the address of a server, such as http://127.0.0.1:3333");
const OUT = new URL("../../docs/console/", import.meta.url);

async function call(client: string, name: string, input: object): Promise<{ note_id: string }> {
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
  const { result } = (await response.json()) as { result: { structuredContent?: { note_id: string } } };
  return result.structuredContent ?? { note_id: "" };
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
    ["service", "table"],
    ["fleet", "table"],
  ])
    if (file === name)
      while ((await page.locator(ready ?? "").count()) === 0) {
        await page.reload();
        await page.locator("main h1").first().waitFor();
      }
  if (file === "search") await page.locator("mark").first().waitFor();
  if (file === "tool") {
    await page.getByLabel("Arguments, as JSON").fill('{\n  "session_id": "garden",\n  "note": "Water the roses."\n}');
    await page.getByRole("button", { name: /^Run/ }).click();
    await page.getByRole("heading", { name: "Result" }).waitFor();
  }
  await page.evaluate("document.activeElement?.blur()");
  await page.screenshot({ path: new URL(`${file}.png`, OUT).pathname });
  await page.close();
}
await browser.close();
