// The MCP App in the official MCP Inspector: a host that is not ours, with its own frames and policy, in a real browser.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { freePort } from "@stateful-mcp/rig";
import { expect, it, onTestFinished } from "vitest";
import { call, inBrowser, newPage } from "./browser.ts";
import { startServer, temporaryDirectory } from "./process.ts";

const INSPECTOR = dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/inspector/package.json"));
/** Between the page and the Inspector's own server, on loopback. */
const TOKEN = "of-this-test";

/** Starts the Inspector's page, and resolves to its address. */
async function startInspector(): Promise<string> {
  const [port, sandbox] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [join(INSPECTOR, "clients/launcher/build/index.js"), "--web"], {
    env: {
      PATH: process.env.PATH,
      HOME: temporaryDirectory(),
      CLIENT_PORT: String(port),
      MCP_SANDBOX_PORT: String(sandbox),
      MCP_AUTO_OPEN_ENABLED: "false",
      MCP_INSPECTOR_API_TOKEN: TOKEN,
      MCP_INSPECTOR_SECRET_STORE: "memory",
    },
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill());
  const address = `http://127.0.0.1:${port}/`;
  const status = () =>
    fetch(address).then(
      ({ status: answered }) => answered,
      () => 0,
    );
  await expect.poll(status, { timeout: 100_000 }).toBe(200);
  return address;
}

inBrowser("the MCP App in the MCP Inspector", () => {
  it("is opened, shows sessions and corrects a note", { timeout: 180_000 }, async () => {
    const { url } = await startServer();
    await call(url, "add_note", { session_id: "plan", note: "Deploy on Tuesday." });
    const inspector = new URL(await startInspector());
    const asked = {
      serverUrl: `${url}/mcp`,
      transport: "http",
      autoConnect: TOKEN,
      openApp: "show_memory",
      autoOpen: TOKEN,
    };
    inspector.search = new URLSearchParams({ MCP_INSPECTOR_API_TOKEN: TOKEN, ...asked }).toString();
    const page = await newPage();
    await page.goto(inspector.href);
    await page.locator("[data-testid=apps-form][data-app-status=ready]").waitFor();

    const app = page.frameLocator("iframe").frameLocator("iframe");
    await app.getByRole("link", { name: "plan" }).click();
    await app.getByRole("button", { name: "Correct" }).click();
    await app.getByLabel("The note's text").fill("Deploy on Friday.");
    await app.getByRole("button", { name: "Save" }).click();
    await app.getByText("Note corrected", { exact: true }).waitFor();
    expect(await call(url, "get_notes", { session_id: "plan" })).toMatchObject({ notes: ["Deploy on Friday."] });
  });
});
