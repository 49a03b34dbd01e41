// The lines that real processes log for requests: over stdio in both eras, and what a call asked of a DynamoDB table.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import dynalite from "dynalite";
import { expect, it, onTestFinished } from "vitest";
import { start, startServer, temporaryDirectory } from "./process.ts";

type Line = Record<string, unknown>;
const ID_KEY = "io.github.stateful-mcp/request-id";
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "probe", version: "7" },
};

/** The lines about requests, by the protocol's method. */
const linesOf = (stderr: string): Line[] =>
  stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line)
    .filter(({ message }) => message === "request" || message === "call");

async function converse(messages: readonly object[]) {
  const server = start([]);
  for (const message of messages) server.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  server.child.stdin.end();
  const { stdout, stderr } = await server.ended;
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { id?: number; result?: { _meta?: Line } });
  return { lines: linesOf(stderr), answers };
}

it("over stdio each request of 2026 has one line, under the id of its answer, a stream when it ends", async () => {
  const params = { _meta: META };
  const notifications = { resourceSubscriptions: ["session://default/notes"] };
  const { lines, answers } = await converse([
    { id: 1, method: "server/discover", params },
    { id: 2, method: "tools/list", params },
    { id: 3, method: "subscriptions/listen", params: { ...params, notifications } },
    { id: 4, method: "tools/call", params: { ...params, name: "add_note", arguments: { note: "x" } } },
  ]);
  const seen = { transport: "stdio", era: "modern", client: "probe 7", principal_name: "local", outcome: "ok" };
  const methods = ["server/discover", "tools/list", "subscriptions/listen", "tools/call"];
  for (const [at, method] of methods.entries()) {
    const answer = answers.find(({ id, result }) => id === at + 1 && result);
    const own = lines.filter((line) => line.method === method);
    expect(own).toMatchObject([{ ...seen, request_id: expect.any(String) }]);
    // A stream's last word is the SDK's.
    if (method !== "subscriptions/listen") expect(own[0]?.request_id).toBe(answer?.result?._meta?.[ID_KEY]);
  }
  expect(lines).toHaveLength(methods.length);
});

it("over stdio each request of 2025 has one line, the handshake too", async () => {
  const clientInfo = { name: "old", version: "1" };
  const { lines, answers } = await converse([
    { id: 1, method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo } },
    { method: "notifications/initialized" },
    { id: 2, method: "tools/list" },
    { id: 3, method: "tools/call", params: { name: "add_note", arguments: { note: "x" } } },
  ]);
  expect(answers.map(({ result }) => result?._meta?.[ID_KEY])).toEqual(
    answers.map(({ id }) => lines[Number(id) - 1]?.request_id),
  );
  const seen = { transport: "stdio", era: "legacy", client: "old 1", outcome: "ok" };
  expect(lines).toMatchObject(["initialize", "tools/list", "tools/call"].map((method) => ({ ...seen, method })));
});

it("a call says how often it asked the table and what that cost", async () => {
  const engine = dynalite({ path: temporaryDirectory(), createTableMs: 0 }).listen(0, "127.0.0.1");
  onTestFinished(() => void engine.close());
  await once(engine, "listening");
  const env = {
    MCP_STATE_BACKEND: "dynamodb",
    DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${(engine.address() as AddressInfo).port}`,
    ...{ AWS_REGION: "eu-central-1", AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" },
  };
  const server = await startServer(["--create-table"], { env });
  for (const note of ["a", "b"])
    await fetch(`${server.url}/tools/add_note`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ note, session_id: "s" }),
    });
  server.child.kill("SIGTERM");
  const lines = linesOf((await server.ended).stderr);
  // The first creates the session; the second reads it and appends.
  expect(lines).toMatchObject([
    { tool: "add_note", table_units: expect.any(Number) },
    { tool: "add_note", table_requests: 2, table_attempts: 2, table_units: 2 },
  ]);
  expect(lines[0]?.table_requests).toBeGreaterThanOrEqual(2);
});
