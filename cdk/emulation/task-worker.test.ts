// The worker of tasks as AWS would run it: the assets of a synthesis under AWS's own runtime client, a REST API before the server, a
// queue that brings messages to the worker, and official clients that know nothing of any of it.
import { fileURLToPath } from "node:url";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { type App, createApp, tokenPrincipal } from "@stateful-mcp/core";
import { createDynamoDBClient, DynamoDBStore, setupTable } from "@stateful-mcp/core/dynamodb";
import { IAM_GRANTS } from "@stateful-mcp/core/iam";
import { type Engine, startDynalite } from "@stateful-mcp/rig";
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

const real = await findRuntimeClient();
const runtime = "file" in real ? real.file : fileURLToPath(new URL("./runtime-double.mjs", import.meta.url));

let functions: ReadonlyMap<string, DeployedFunction>;
let engine: Engine;
/** This test's own way to the same state, past the functions. */
let beside: App;

beforeAll(async () => {
  const app = new CdkApp();
  const stack = new Stack(app, "Own");
  const state = StateTable.fromNames(stack, "State", { tableName: TABLE });
  const entry = fileURLToPath(new URL("./tasks-app.ts", import.meta.url));
  new LambdaMcpServer(stack, "Server", { state, entry, tasks: true });
  functions = functionsOf(app.synth().directory, Template.fromStack(stack));
  engine = await startDynalite();
  const client = createDynamoDBClient(engine.connection);
  await setupTable(client, TABLE, () => {});
  beside = createApp({ store: new DynamoDBStore({ client, table: TABLE }) });
}, 300_000);

afterAll(() => engine?.stop());

/** The server behind its front door, and its queue; workers are started by each test. */
async function deploy() {
  const parts = new AsyncDisposableStack();
  const queue = parts.use(await TaskQueueService.listen());
  const start = async (name: string, environment: Record<string, string>) => {
    const { folder, handler, environment: own } = functions.get(name)!;
    const options = { runtime, folder, handler, environment: { ...own, ...environment } };
    return parts.use(await LambdaFunction.start(options));
  };
  const state = {
    MCP_STATE_TABLE: TABLE,
    DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${engine.port}`,
    STATEFUL_MCP_TASK_QUEUE_URL: queue.url,
    AWS_ENDPOINT_URL_SQS: new URL(queue.url).origin,
  };
  const secrets = parts.use(await Secrets.listen("tokens", `alice=${ALICE}`));
  const authorizer = await start("Checks the bearer tokens of the MCP server", {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    MCP_AUTH_TOKEN_SECRET: "tokens",
  });
  const server = await start("MCP server", state);
  const front = { open: ["/healthz"], challenge: "Bearer", domainName: "mcp.example.com" };
  const door = parts.use(await FrontDoor.listen({ server, authorizer, ...front }));
  const client = new Client({ name: "worker-test", version: "1" });
  const requestInit = { headers: { Authorization: `Bearer ${ALICE}` } };
  await client.connect(new StreamableHTTPClientTransport(door.url, { requestInit }));
  parts.defer(() => client.close());
  const call = async (name: string, args: Record<string, unknown>): Promise<Record<string, unknown>> => {
    const { structuredContent, isError } = await client.callTool({ name, arguments: args });
    return { ...(structuredContent as Record<string, unknown>), ...(isError && { isError }) };
  };
  const worker = async (timeoutMs?: number) => {
    const started = await start("Runs the tasks of the MCP server", state);
    queue.bringTo(started, timeoutMs);
    return started;
  };
  return { queue, server, worker, call, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

async function notesOf(session_id: string): Promise<unknown> {
  const principal = tokenPrincipal("alice");
  const { structured } = await beside.call({ name: "get_notes", arguments: { session_id }, principal });
  return structured.notes;
}

it("a call is answered with what the worker came to, and the server's function does not run it", async () => {
  await using deployed = await deploy();
  const { queue, server, call } = deployed;
  const worker = await deployed.worker();
  const answer = await call("work", { session_id: "one", parts: 2 });
  expect(answer).toMatchObject({ session_id: "one", parts: [1, 2], pid: worker.pid });
  expect(worker.pid).not.toBe(server.pid);
  expect(await notesOf("one")).toEqual(["part 1", "part 2"]);
  await expect.poll(() => queue.size).toBe(0);
  // What the two functions asked of the queue is what their roles allow; receiving and deleting is Lambda's.
  const allowed = [...IAM_GRANTS.tasks, ...IAM_GRANTS.taskWorker].flatMap(({ actions }): string[] => [...actions]);
  const asked = Object.keys(queue.proxy.requests).map((operation) => `sqs:${operation}`);
  expect(asked.toSorted()).toEqual(["sqs:ChangeMessageVisibility", "sqs:SendMessage"]);
  expect(allowed).toEqual(expect.arrayContaining(asked));
}, 120_000);

it("a worker that is killed in the middle is followed by another one, which does again only what was not done", async () => {
  await using deployed = await deploy();
  const { call } = deployed;
  const first = await deployed.worker();
  const answer = call("work", { session_id: "two", parts: 3, ms: 2_000 });
  await expect.poll(() => notesOf("two").catch(() => [])).toEqual(["part 1", "part 2"]);
  first.kill();
  const second = await deployed.worker();
  expect(await answer).toMatchObject({ parts: [1, 2, 3], pid: second.pid });
  expect(await notesOf("two")).toEqual(["part 1", "part 2", "part 3"]);
}, 120_000);

it("a task longer than the worker's time goes on in the next run, for as long as it makes steps", async () => {
  await using deployed = await deploy();
  const { call, queue } = deployed;
  const worker = await deployed.worker(6_000);
  expect(await call("work", { session_id: "three", parts: 6, ms: 1_500 })).toMatchObject({
    parts: [1, 2, 3, 4, 5, 6],
    pid: worker.pid,
  });
  expect(worker.log.match(/"outcome":"released"/g)?.length).toBeGreaterThan(0);
  expect(await notesOf("three")).toHaveLength(6);
  await expect.poll(() => queue.size).toBe(0);
}, 120_000);

it("a queue that is away refuses the call, and no task is left", async () => {
  await using deployed = await deploy();
  const { call, queue } = deployed;
  queue.proxy.beginOutage("reset");
  expect(await call("work", { session_id: "four" })).toMatchObject({ isError: true });
  const { tasks } = await call("list_tasks", {});
  expect((tasks as { status: string }[]).map(({ status }) => status)).not.toContain("working");
}, 120_000);
