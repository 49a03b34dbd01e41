// Traces of functions as AWS would run them: the assets of a synthesis under AWS's own runtime client, and a collector that takes what they
// send in CloudWatch's place.
import { fileURLToPath } from "node:url";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createDynamoDBClient, setupTable } from "@stateful-mcp/core/dynamodb";
import { type Engine, startDynalite, startSink } from "@stateful-mcp/rig";
import { App as CdkApp, Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { afterAll, beforeAll, expect, it } from "vitest";
import { LambdaMcpServer, StateTable } from "../src/index.ts";
import { type DeployedFunction, functionsOf } from "./assets.ts";
import { FrontDoor } from "./front-door.ts";
import { LambdaFunction } from "./function.ts";
import { findRuntimeClient } from "./runtime-client.ts";
import { Secrets } from "./secrets.ts";
import { TaskQueueService } from "./task-queue.ts";

const TABLE = "mcp_state";
const ALICE = "alice-0123456789abcdef0123456789abcdef";
const TRACE = "5bef4de7ad49b0e87f6ef6c87fc2e700";
const SEGMENT = "9a9197af755a6419";

const real = await findRuntimeClient();
const runtime = "file" in real ? real.file : fileURLToPath(new URL("./runtime-double.mjs", import.meta.url));

type Functions = ReadonlyMap<string, DeployedFunction>;

let functions: Functions;
let withTasks: Functions;
let engine: Engine;

beforeAll(async () => {
  const app = new CdkApp();
  const [traced, tasks] = [new Stack(app, "Traced"), new Stack(app, "TracedTasks")];
  const stateOf = (stack: Stack) => StateTable.fromNames(stack, "State", { tableName: TABLE });
  new LambdaMcpServer(traced, "Server", { state: stateOf(traced), tracing: "xray" });
  const entry = fileURLToPath(new URL("./tasks-app.ts", import.meta.url));
  new LambdaMcpServer(tasks, "Server", { state: stateOf(tasks), tracing: "xray", entry, tasks: true });
  const { directory } = app.synth();
  functions = functionsOf(directory, Template.fromStack(traced));
  withTasks = functionsOf(directory, Template.fromStack(tasks));
  engine = await startDynalite();
  await setupTable(createDynamoDBClient(engine.connection), TABLE, () => {});
}, 300_000);

afterAll(() => engine?.stop());

interface Deployed {
  /** Calls a tool as an official client. Resolves when the function has returned, and so has sent its spans. */
  readonly call: (
    name: string,
    args: object,
  ) => Promise<{ readonly isError: boolean | undefined; readonly log: string }>;
  readonly start: (name: string, environment: Record<string, string>) => Promise<LambdaFunction>;
}

/** The functions behind their front door, while AWS samples their traces or does not. */
async function deploy(
  parts: AsyncDisposableStack,
  from: Functions,
  { collector, sampled, headers = {}, environment = {} }: DeployOptions,
): Promise<Deployed> {
  const trace = `Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)};Parent=${SEGMENT};Sampled=${sampled}`;
  const start = async (name: string, more: Record<string, string>) => {
    const { folder, handler, environment: own } = from.get(name)!;
    const options = { runtime, folder, handler, environment: { ...own, ...more }, trace };
    return parts.use(await LambdaFunction.start(options));
  };
  const secrets = parts.use(await Secrets.listen("tokens", `alice=${ALICE}`));
  const authorizer = await start("Checks the bearer tokens of the MCP server", {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    MCP_AUTH_TOKEN_SECRET: "tokens",
  });
  const state = {
    MCP_STATE_TABLE: TABLE,
    DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${engine.port}`,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector}/v1/traces`,
    ...environment,
  };
  const server = await start("MCP server", state);
  const front = { open: ["/healthz"], challenge: "Bearer", domainName: "mcp.example.com" };
  const door = parts.use(await FrontDoor.listen({ server, authorizer, ...front }));
  const client = new Client({ name: "tracing-test", version: "1" });
  const requestInit = { headers: { Authorization: `Bearer ${ALICE}`, ...headers } };
  await client.connect(new StreamableHTTPClientTransport(door.url, { requestInit }));
  parts.defer(() => client.close());
  const call: Deployed["call"] = async (name, args) => {
    const { isError } = await client.callTool({ name, arguments: { session_id: "traced", ...args } });
    // One environment takes its events one after the other: it has sent the call's spans before it takes this one.
    await fetch(new URL("/healthz", door.url));
    return { isError, log: server.log };
  };
  return { call, start: (name, more) => start(name, { ...state, ...more }) };
}

interface DeployOptions {
  readonly collector: string;
  readonly sampled: 0 | 1;
  readonly headers?: Record<string, string>;
  readonly environment?: Record<string, string>;
}

async function addNote(collector: string, sampled: 0 | 1, headers: Record<string, string> = {}) {
  await using parts = new AsyncDisposableStack();
  const { call } = await deploy(parts, functions, { collector, sampled, headers });
  return await call("add_note", { note: "hello" });
}

it("a call is a span of the trace that Lambda began, signed, with the table's requests below it", async () => {
  await using sink = await startSink();
  expect((await addNote(sink.url, 1)).isError).toBeUndefined();
  const call = sink.spans.find(({ name }) => name === "tools/call add_note");
  expect(call).toMatchObject({ traceId: TRACE, parentSpanId: SEGMENT });
  const below = sink.spans.filter(({ parentSpanId }) => parentSpanId === call?.spanId);
  expect(below.map(({ attributes }) => attributes["db.system.name"])).toContain("aws.dynamodb");
  expect(sink.services).toEqual(new Set(["stateful-mcp"]));
  expect(new Set(sink.signatures.map((one) => one?.replace(/[0-9a-f]{64}|\d{8}/g, "…")))).toEqual(
    new Set([expect.stringMatching(/^AWS4-HMAC-SHA256 Credential=test\/…\/eu-west-1\/xray\/aws4_request, /)]),
  );
});

it("a trace that the client names comes before Lambda's", async () => {
  await using sink = await startSink();
  const [traceId, parentSpanId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
  await addNote(sink.url, 1, { traceparent: `00-${traceId}-${parentSpanId}-01` });
  expect(sink.spans.find(({ name }) => name === "tools/call add_note")).toMatchObject({ traceId, parentSpanId });
});

it("what AWS does not sample is not sent", async () => {
  await using sink = await startSink();
  await addNote(sink.url, 0);
  expect(sink.spans).toEqual([]);
});

it("a collector that is away costs no answer, and the log tells of it", async () => {
  const { isError, log } = await addNote("http://127.0.0.1:9", 1);
  expect(isError).toBeUndefined();
  expect(log).toContain("Telemetry could not be sent");
});

it("a worker's run of a task is a span of its own, linked to the call that made the task", async () => {
  await using sink = await startSink();
  await using parts = new AsyncDisposableStack();
  const queue = parts.use(await TaskQueueService.listen());
  const environment = { STATEFUL_MCP_TASK_QUEUE_URL: queue.url, AWS_ENDPOINT_URL_SQS: new URL(queue.url).origin };
  const { call, start } = await deploy(parts, withTasks, { collector: sink.url, sampled: 1, environment });
  const worker = await start("Runs the tasks of the MCP server", {});
  queue.bringTo(worker);
  expect((await call("work", { parts: 2 })).isError).toBeUndefined();
  // The message goes when the worker has returned, and so has sent its spans.
  await expect.poll(() => queue.size).toBe(0);
  const made = sink.spans.find(({ name }) => name === "tools/call work");
  const run = sink.spans.find(({ name }) => name === "task work");
  expect(made).toMatchObject({ traceId: TRACE });
  expect(run).toMatchObject({ parentSpanId: "", links: [made?.spanId] });
  expect(run?.traceId).not.toBe(TRACE);
  const below = sink.spans.filter(({ parentSpanId }) => parentSpanId === run?.spanId);
  expect(below.map(({ attributes }) => attributes["db.system.name"])).toContain("aws.dynamodb");
  expect(worker.log).toContain(`"trace_id":"${run?.traceId}"`);
});
