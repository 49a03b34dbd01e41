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

const TABLE = "mcp_state";
const ALICE = "alice-0123456789abcdef0123456789abcdef";
const TRACE = "5bef4de7ad49b0e87f6ef6c87fc2e700";
const SEGMENT = "9a9197af755a6419";

const real = await findRuntimeClient();
const runtime = "file" in real ? real.file : fileURLToPath(new URL("./runtime-double.mjs", import.meta.url));

let functions: ReadonlyMap<string, DeployedFunction>;
let engine: Engine;

beforeAll(async () => {
  const app = new CdkApp();
  const stack = new Stack(app, "Traced");
  const state = StateTable.fromNames(stack, "State", { tableName: TABLE });
  new LambdaMcpServer(stack, "Server", { state, tracing: "xray" });
  functions = functionsOf(app.synth().directory, Template.fromStack(stack));
  engine = await startDynalite();
  await setupTable(createDynamoDBClient(engine.connection), TABLE, () => {});
}, 300_000);

afterAll(() => engine?.stop());

/** A note is added by an official client while AWS samples the trace, or does not; resolves when the function has returned. */
async function addNote(collector: string, sampled: 0 | 1, headers: Record<string, string> = {}) {
  const parts = new AsyncDisposableStack();
  const start = async (name: string, environment: Record<string, string>) => {
    const { folder, handler, environment: own } = functions.get(name)!;
    const trace = `Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)};Parent=${SEGMENT};Sampled=${sampled}`;
    return parts.use(
      await LambdaFunction.start({ runtime, folder, handler, environment: { ...own, ...environment }, trace }),
    );
  };
  const secrets = parts.use(await Secrets.listen("tokens", `alice=${ALICE}`));
  const authorizer = await start("Checks the bearer tokens of the MCP server", {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    MCP_AUTH_TOKEN_SECRET: "tokens",
  });
  const server = await start("MCP server", {
    MCP_STATE_TABLE: TABLE,
    DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${engine.port}`,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector}/v1/traces`,
  });
  const door = parts.use(
    await FrontDoor.listen({
      server,
      authorizer,
      open: ["/healthz"],
      challenge: "Bearer",
      domainName: "mcp.example.com",
    }),
  );
  const client = new Client({ name: "tracing-test", version: "1" });
  const requestInit = { headers: { Authorization: `Bearer ${ALICE}`, ...headers } };
  await client.connect(new StreamableHTTPClientTransport(door.url, { requestInit }));
  const { isError } = await client.callTool({
    name: "add_note",
    arguments: { session_id: "traced", note: "hello" },
  });
  await client.close();
  // One environment takes its events one after the other: it has sent the call's spans before it takes this one.
  await fetch(new URL("/healthz", door.url));
  await parts.disposeAsync();
  return { isError, log: server.log };
}

it("a call is a span of the trace that Lambda began, signed, with the table's requests below it", async () => {
  await using sink = await startSink();
  expect((await addNote(sink.url, 1)).isError).toBeUndefined();
  const call = sink.spans.find(({ name }) => name === "tools/call add_note");
  expect(call).toMatchObject({ traceId: TRACE, parentSpanId: SEGMENT });
  const below = sink.spans.filter(({ parentSpanId }) => parentSpanId === call?.spanId);
  expect(below.map(({ attributes }) => attributes["db.system.name"])).toContain("aws.dynamodb");
  expect(sink.services).toEqual(new Set(["stateful-mcp"]));
  expect(new Set(sink.signatures.map((one) => one?.replace(/\d{8}|[0-9a-f]{64}/g, "…")))).toEqual(
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
