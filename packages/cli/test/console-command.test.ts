// `stateful-mcp console`: the pages without a server, on this machine's state and on a table, for the one who has the printed address.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import dynalite from "dynalite";
import { expect, it, onTestFinished } from "vitest";
import { call, inBrowser, open } from "./browser.ts";
import { type Running, run, start, startServer, temporaryDirectory } from "./process.ts";

/** The address that the command prints, all of it. */
async function printed({ child, logged }: Running): Promise<URL> {
  let seen = "";
  child.stdout.on("data", (text: string) => {
    seen += text;
  });
  await logged(/"console":"http/);
  await expect.poll(() => seen).toContain("\n");
  return new URL(seen.trim());
}

it("lets in whom the address was printed for, tells no log of it, and leaves with the signal", async () => {
  const running = start(["console"], { env: { STATEFUL_MCP_CONSOLE: "off", HOST: "0.0.0.0" } });
  const address = await printed(running);
  const token = address.hash.slice("#token=".length);
  expect(address.hostname).toBe("127.0.0.1");
  expect(token.length).toBeGreaterThan(40);
  expect((await fetch(`${address.origin}/console`)).status).toBe(200);
  const ask = (headers: Record<string, string>) => fetch(`${address.origin}/console/api/server`, { headers });
  expect((await ask({})).status).toBe(401);
  expect(await (await ask({ Authorization: `Bearer ${token}` })).json()).toMatchObject({
    location: expect.any(String),
  });
  running.child.kill("SIGTERM");
  const { code, stderr, stdout } = await running.ended;
  expect(code).toBe(0);
  expect(stderr).not.toContain(token);
  expect(stdout.trim().split("\n")).toHaveLength(1);
});

inBrowser("the pages of the command", () => {
  it("show this machine's state, without a server", async () => {
    const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: temporaryDirectory() };
    await run(["call", "add_note", "note=kept here"], { env });
    const { page, foreign, complaints } = await open((await printed(start(["console"], { env }))).href);
    expect(page.url()).not.toContain("token");
    await page.getByRole("link", { name: "default", exact: true }).click();
    await page.getByRole("list", { name: "Notes" }).getByText("kept here").waitFor();
    expect({ foreign, complaints }).toEqual({ foreign: [], complaints: [] });
  });

  it("show a table, for the holder of a token", async () => {
    const engine = dynalite({ createTableMs: 0 }).listen(0, "127.0.0.1");
    onTestFinished(() => void engine.close());
    await once(engine, "listening");
    const env = {
      MCP_STATE_BACKEND: "dynamodb",
      DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${(engine.address() as AddressInfo).port}`,
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    };
    const token = "alice-0123456789abcdef0123456789abcdef";
    const server = await startServer(["--create-table"], { env: { ...env, MCP_AUTH_TOKEN: `alice=${token}` } });
    const headers = { Authorization: `Bearer ${token}` };
    await call(server.url, "add_note", { session_id: "plan", note: "from Alice" }, headers);
    const { page } = await open((await printed(start(["console", "--token-name", "alice"], { env }))).href);
    await page.getByRole("link", { name: "plan" }).click();
    await page.getByRole("button", { name: "Correct" }).click();
    await page.getByLabel("The note's text").fill("corrected");
    await page.getByRole("button", { name: "Save" }).click();
    await expect
      .poll(async () => (await call(server.url, "get_notes", { session_id: "plan" }, headers)).notes)
      .toEqual(["corrected"]);
  });
});
