// Tasks as a person meets them who uses the MCP Inspector's command line, `mcpdo`: a client that is not ours, in its own processes.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Fleet } from "@stateful-mcp/rig";
import { afterAll, beforeAll, expect, test } from "vitest";

const execute = promisify(execFile);
const SERVER = fileURLToPath(new URL("task-server.ts", import.meta.url));
const inspector = dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/inspector/package.json"));
const MCPDO = join(inspector, "clients/mcpdo/build/mcp-bin.js");
/** Each command starts a process, and all of them share one daemon. */
const SLOW = 120_000;

let directory: string;
let fleet: Fleet;
let url: string;

/** Runs a command and resolves to the JSON that it prints. */
async function mcpdo(...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await execute(process.execPath, [MCPDO, "--format", "json", "--connection", url, ...args], {
    env,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}
let env: Record<string, string>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mcpdo-"));
  env = { PATH: process.env.PATH ?? "", HOME: directory, MCP_INSPECTOR_SECRET_STORE: "memory" };
  fleet = await Fleet.start({
    size: 1,
    env: { STATEFUL_MCP_DATA_DIR: join(directory, "data"), LOG_LEVEL: "warn" },
    serve: (port) => ({
      command: process.execPath,
      args: ["--import", "tsx", SERVER, "serve", "--port", String(port)],
    }),
  });
  url = new URL("/mcp", fleet.live[0]?.address).href;
  await execute(process.execPath, [MCPDO, "connect", url, "--era", "modern"], { env });
}, SLOW);

afterAll(async () => {
  await execute(process.execPath, [MCPDO, "daemon", "stop"], { env }).catch(() => {});
  await fleet?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

test("mcpdo waits for the result of a task", { timeout: SLOW }, async () => {
  const file = join(directory, "there");
  await writeFile(file, "");
  const answer = await mcpdo("tools/call", "write_and_wait", `file:=${file}`, "session_id:=mcpdo");
  expect(answer).toMatchObject({ structuredContent: { session_id: "mcpdo", attempt: 1, stepped: "run 1" } });
});

test("mcpdo puts a task's question to its user, and goes on with the answer", { timeout: SLOW }, async () => {
  const { elicitationPending } = await mcpdo("tools/call", "ask");
  const { elicitationId, message } = elicitationPending as { elicitationId: string; message: string };
  expect(message).toBe("Go on?");
  const answer = await mcpdo("elicitation/respond", elicitationId, "sure:=true");
  expect(answer).toMatchObject({ structuredContent: { sure: true } });
});
