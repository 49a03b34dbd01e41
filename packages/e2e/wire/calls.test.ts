// A server of one's own keeps its journal where its state is, and lists it by its own program.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const SERVER = fileURLToPath(new URL("task-server.ts", import.meta.url));
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

test("calls of a server of one's own are logged under its name and listed by its own program", async () => {
  const directory = await mkdtemp(join(tmpdir(), "stateful-mcp-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  const env = { PATH: process.env.PATH, HOME: directory };
  const run = async (args: readonly string[], input = "") => {
    const child = spawn(process.execPath, ["--import", "tsx", SERVER, ...args], { env });
    child.stdin.end(input);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { stdout, stderr, code };
  };
  const params = { name: "notes", arguments: {}, _meta: META };
  const asked = await run([], `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params })}\n`);
  expect(asked.stdout).toContain('"notes":[]');
  const logged = asked.stderr.trimEnd().split("\n");
  expect(new Set(logged.map((line) => (JSON.parse(line) as { service: string }).service))).toEqual(
    new Set(["task-server"]),
  );
  const [head, line, ...rest] = (await run(["calls", "--tool", "notes"])).stdout.trimEnd().split("\n");
  expect(head).toMatch(/^time \(UTC\) +call +outcome/);
  expect(line).toMatch(/ notes +ok +\d+ .* stdio$/);
  expect(rest).toEqual([]);
  const wrong = await run(["calls", "--tol", "notes"]);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("--tol")]);
});
