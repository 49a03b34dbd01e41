// Traces of tasks, as a collector sees them: each run is a span of its own, linked to the call that made the task, also when that call was
// answered by a process that has been killed since.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Fleet, type Sink, startSink } from "@stateful-mcp/rig";
import { afterAll, beforeAll, expect, test } from "vitest";

const REVISION = "2026-07-28";
const SERVER = fileURLToPath(new URL("task-server.ts", import.meta.url));
const CONSUMER = 5;
const TRACE = "0af7651916cd43dd8448eb211c80319c";

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "task-tracing-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

let lastId = 0;
/** As a client that takes tasks sends it, under a trace of its own. */
const requestOf = (method: string, params: Record<string, unknown>) => ({
  jsonrpc: "2.0",
  id: ++lastId,
  method,
  params: {
    ...params,
    _meta: {
      "io.modelcontextprotocol/protocolVersion": REVISION,
      "io.modelcontextprotocol/clientInfo": { name: "task-tracing-test", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } },
      traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
    },
  },
});

interface Answer {
  readonly result: { readonly taskId: string; readonly status: string };
}
type Ask = (method: string, params: Record<string, unknown>) => Promise<Answer["result"]>;

const overHttp =
  (address: string): Ask =>
  async (method, params) => {
    const response = await fetch(new URL("/mcp", address), {
      method: "POST",
      headers: {
        ...{ "content-type": "application/json", accept: "application/json, text/event-stream" },
        ...{ "mcp-protocol-version": REVISION, "mcp-method": method },
        "mcp-name": String(params.taskId ?? params.name),
      },
      body: JSON.stringify(requestOf(method, params)),
    });
    return ((await response.json()) as Answer).result;
  };

/** Asks one process, and reads its answers in order. */
function overStdio(child: ReturnType<typeof spawn>): Ask {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return async (method, params) => {
    child.stdin?.write(`${JSON.stringify(requestOf(method, params))}\n`);
    const { value } = await lines.next();
    return (JSON.parse(value as string) as Answer).result;
  };
}

const ended = (ask: Ask, taskId: string) =>
  expect
    .poll(() => ask("tasks/get", { taskId }).then(({ status }) => status), { timeout: 100_000, interval: 250 })
    .toBe("completed");

/** The run that a collector was told of, and the call that it is linked to. */
function runAndCall({ spans }: Sink) {
  const runs = spans.filter(({ name }) => name === "task write_and_wait");
  const call = spans.find(({ spanId }) => spanId === runs[0]?.links[0]);
  return { runs, call };
}

test("over HTTP: a run in another process, after the first one was killed", { timeout: 300_000 }, async () => {
  await using sink = await startSink();
  await using fleet = await Fleet.start({
    size: 2,
    env: {
      STATEFUL_MCP_DATA_DIR: join(directory, "http"),
      LOG_LEVEL: "warn",
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
      OTEL_BSP_SCHEDULE_DELAY: "100",
    },
    serve: (port) => ({
      command: process.execPath,
      args: ["--import", "tsx", SERVER, "serve", "--port", String(port)],
    }),
  });
  const [runs, polls] = fleet.live;
  if (!runs || !polls) throw new Error("A process has ended by itself.");
  const file = join(directory, "killed");
  const args = { name: "write_and_wait", arguments: { file, session_id: "killed" } };
  const { taskId } = await overHttp(runs.address)("tools/call", args);
  // What a process has not sent before it is killed is lost.
  const isSent = () => sink.spans.some(({ name }) => name === "tools/call write_and_wait");
  await expect.poll(isSent, { timeout: 100_000 }).toBe(true);
  await runs.process.kill();
  await writeFile(file, "");
  await ended(overHttp(polls.address), taskId);
  await polls.process.terminate();
  const { runs: told, call } = runAndCall(sink);
  expect(told).toMatchObject([
    {
      kind: CONSUMER,
      parentSpanId: "",
      attributes: { "stateful_mcp.task.id": taskId, "stateful_mcp.task.attempt": 2 },
    },
  ]);
  expect(call).toMatchObject({ name: "tools/call write_and_wait", traceId: TRACE });
});

test("over stdio", { timeout: 300_000 }, async () => {
  await using sink = await startSink();
  const env = {
    ...process.env,
    STATEFUL_MCP_DATA_DIR: join(directory, "stdio"),
    LOG_LEVEL: "warn",
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
  };
  const child = spawn(process.execPath, ["--import", "tsx", SERVER], { env, stdio: ["pipe", "pipe", "inherit"] });
  const ask = overStdio(child);
  const file = join(directory, "stdio-file");
  await writeFile(file, "");
  const { taskId } = await ask("tools/call", { name: "write_and_wait", arguments: { file, session_id: "stdio" } });
  await ended(ask, taskId);
  child.stdin?.end();
  await once(child, "exit");
  const { runs: told, call } = runAndCall(sink);
  expect(told).toMatchObject([{ attributes: { "stateful_mcp.outcome": "completed" } }]);
  expect(call).toMatchObject({ traceId: TRACE, attributes: { "network.transport": "pipe" } });
});
