// The journal over real processes: what one did is listed by another that asks the same store.
import { join } from "node:path";
import { expect, it } from "vitest";
import { run, start, startServer, temporaryDirectory } from "./process.ts";

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "probe", version: "7" },
};

it("lists what a server and a stdio process did, once they have ended, with filters", async () => {
  const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: join(temporaryDirectory(), "data") };
  const none = await run(["calls"], { env });
  expect(none.stdout).toContain("No call is in the journal");

  const server = await startServer([], { env });
  const note = { method: "POST", headers: { "content-type": "application/json" }, body: '{"note":"canary-4711"}' };
  expect((await fetch(`${server.url}/tools/add_note`, note)).status).toBe(200);
  expect((await fetch(`${server.url}/tools/no_such_tool`, { ...note, body: "{}" })).status).toBe(404);
  server.child.kill("SIGTERM");
  await server.ended;
  const stdio = start([], { env });
  const params = { name: "get_notes", arguments: {}, _meta: META };
  stdio.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params })}\n`);
  stdio.child.stdin.end();
  await stdio.ended;

  const all = await run(["calls"], { env });
  const [head, ...lines] = all.stdout.trimEnd().split("\n");
  expect(head).toMatch(/^time \(UTC\) +call +outcome +ms +client/);
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/get_notes +ok +\d+ +probe 7 +local .*:\d+ stdio$/);
  expect(lines[1]).toMatch(/tools\/call +not_found /);
  expect(lines[2]).toMatch(/add_note +ok .*:\d+ http$/);
  expect(all.stdout).not.toContain("canary-4711");

  const failed = await run(["calls", "--outcome", "failed", "--json"], { env });
  expect(
    failed.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as object),
  ).toMatchObject([{ outcome: "not_found", transport: "rest" }]);
  expect((await run(["calls", "--tool", "get_notes"], { env })).stdout.trimEnd().split("\n")).toHaveLength(2);
  const wrong = await run(["calls", "--limit", "many"], { env });
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("--limit")]);
});
