// The pages about calls, the service and its processes, in a real browser: what they say of calls that were made, and who sees them.
import { expect, it } from "vitest";
import { call, inBrowser, open, visit } from "./browser.ts";
import { start, startServer, temporaryDirectory } from "./process.ts";

const OPERATOR = "operator-0123456789abcdef0123456789ab";
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "probe", version: "7" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const ALICE = "alice-0123456789abcdef0123456789abcdef";

inBrowser("an operator", () => {
  it("sees on the start page the first call of another process, which stores nothing, and then what is stored", async () => {
    const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: temporaryDirectory() };
    const { url } = await startServer([], { env });
    const { page, complaints } = await open(`${url}/console`);
    await page.getByText("Waiting for the first call").waitFor();
    await page.getByText("Nothing is stored yet").waitFor();
    const other = start([], { env });
    const say = (name: string, given: object, id: number) => {
      const params = { name, arguments: given, _meta: META };
      other.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params })}\n`);
    };
    say("echo_cached", { text: "never shown here" }, 1);
    const calls = page.getByRole("list", { name: "Newest calls" });
    await calls.getByRole("link", { name: "echo_cached" }).waitFor();
    say("add_note", { note: "A note.", session_id: "plan" }, 2);
    await page.getByRole("list", { name: "Sessions used last" }).getByRole("link", { name: "plan" }).waitFor();
    await calls.getByRole("link", { name: "add_note" }).waitFor();
    other.child.stdin.end();
    await other.ended;
    expect(complaints).toEqual([]);
  });

  it("sees each call with how it ended, filters them, and opens one", async () => {
    const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: temporaryDirectory() };
    const { url } = await startServer([], { env });
    for (let i = 0; i < 2; i += 1) {
      await call(url, "add_note", { note: "never shown here", idempotency_key: "k" });
      await call(url, "echo_cached", { text: "never shown here" });
    }
    await fetch(`${url}/tools/delete_note`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ note_id: "none" }),
    });
    const { page, complaints, foreign } = await open(`${url}/console#/calls`);
    const rows = page.getByRole("list", { name: "Calls" }).getByRole("listitem");
    // Records are written within a second, and new ones wait on top.
    await expect
      .poll(async () => {
        await page.reload();
        await page.getByRole("heading", { level: 1, name: "Calls" }).waitFor();
        return [
          await rows.filter({ hasText: "delete_note" }).count(),
          await rows.filter({ hasText: "replayed" }).count(),
        ];
      })
      .toEqual([1, 1]);
    expect(await rows.filter({ hasText: "✗ not_found" }).count()).toBe(1);
    expect(await rows.filter({ hasText: "○ cached" }).count()).toBe(1);
    // Told apart by their form, in the picture as well.
    for (const kind of ["cached", "replayed", "failed"])
      expect(await page.locator(`svg .call.${kind} > :nth-child(3)`).count(), kind).toBe(1);
    expect(await page.locator("main").textContent()).not.toContain("never shown here");

    // The pages' own calls are there when they are asked for.
    expect(await rows.filter({ hasText: "stateful-mcp-console" }).count()).toBe(0);
    await page.getByLabel("Also this console's").check();
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await expect
      .poll(async () => {
        await page.reload();
        await page.getByRole("heading", { level: 1, name: "Calls" }).waitFor();
        return rows.filter({ hasText: "stateful-mcp-console" }).count();
      })
      .toBeGreaterThan(0);

    await page.getByLabel("Outcome").fill("failed");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await expect.poll(() => rows.count()).toBe(1);
    await rows.getByRole("link", { name: "delete_note" }).click();
    await page.getByRole("heading", { level: 1, name: "delete_note" }).waitFor();
    await page.getByText("CloudWatch Logs Insights").waitFor();
    expect({ complaints, foreign }).toEqual({ complaints: [], foreign: [] });
  });

  it("sees rates and processes once counts were left, equal to what was called", async () => {
    const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: temporaryDirectory() };
    const first = await startServer([], { env });
    for (let i = 0; i < 7; i += 1) await call(first.url, "add_note", { note: String(i) });
    // At its end a process leaves what it has not yet left.
    first.child.kill("SIGTERM");
    await first.ended;
    const { url } = await startServer([], { env });
    const { page } = await open(`${url}/console#/service`);
    const row = page
      .getByRole("table")
      .first()
      .getByRole("row", { name: /add_note/ });
    await row.waitFor();
    expect(await row.getByRole("cell").first().textContent()).toBe("7");
    expect(await row.textContent()).toContain("ok 7");
    await page.getByText("The picture as a table").click();
    await page.getByRole("region", { name: "Over time" }).waitFor();
    await visit(page, "/console#/fleet", "Fleet");
    await page.getByRole("row", { name: /◼ ended/ }).waitFor();
  });

  it("is one by a token that names the scope, and no other token sees these pages", async () => {
    const { url } = await startServer([], {
      env: { MCP_AUTH_TOKEN: `operator:console:operate=${OPERATOR},alice=${ALICE}`, STATEFUL_MCP_CONSOLE: "on" },
    });
    const signedIn = async (token: string) => {
      const { page } = await open(`${url}/console#token=${token}`);
      await page.getByRole("navigation").getByRole("link", { name: "Start" }).waitFor();
      return page;
    };
    const alice = await signedIn(ALICE);
    expect(await alice.getByRole("navigation").getByRole("link").allTextContents()).not.toContain("Calls");
    await alice.goto(`${url}/console#/fleet`);
    await alice.getByRole("heading", { name: "This could not be read" }).waitFor();
    const operator = await signedIn(OPERATOR);
    await operator.getByRole("link", { name: "Fleet" }).click();
    await operator.getByText("This process keeps no journal").waitFor();
    await operator.goto(`${url}/console#/session/plan`);
    await operator.getByRole("heading", { name: "This could not be read" }).waitFor();
  });
});

it("is told apart by the server, and not by what a page shows", async () => {
  const { url } = await startServer([], {
    env: { MCP_AUTH_TOKEN: `operator:console:operate=${OPERATOR},alice=${ALICE}`, STATEFUL_MCP_CONSOLE: "on" },
  });
  const status = async (token: string, path: string) =>
    (await fetch(url + path, { headers: { Authorization: `Bearer ${token}` } })).status;
  for (const path of ["calls", "service", "fleet"]) {
    expect(await status(OPERATOR, `/console/api/${path}`)).toBe(200);
    expect(await status(ALICE, `/console/api/${path}`)).toBe(403);
  }
  expect(await status(OPERATOR, "/memory/export")).toBe(403);
});
