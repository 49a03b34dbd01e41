// Tasks on the wire, between two server processes on one file: the official client of the extension through a load balancer, each
// answer checked with the extension's own strict schemas, and a task whose process is killed.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import {
  createTaskSessionFromClient,
  type JsonRpcResponse,
  resultFromTaskOutcome,
} from "@modelcontextprotocol/ext-tasks/client";
import {
  CancelTaskResultV2Schema,
  CreateTaskResultV2Schema,
  GetTaskResultV2Schema,
  readAcceptedTaskIdsV2,
  TaskStatusNotificationV2Schema,
  UpdateTaskResultV2Schema,
} from "@modelcontextprotocol/ext-tasks/core/v2";
import { Fleet, RoundRobin } from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const execute = promisify(execFile);
const REVISION = "2026-07-28";
const EXTENSION = "io.modelcontextprotocol/tasks";
const CLIENT = { name: "tasks-test", version: "1.0.0" };
const CAPABILITIES = { elicitation: { form: {} }, extensions: { [EXTENSION]: {} } };
const SERVER = fileURLToPath(new URL("task-server.ts", import.meta.url));

let directory: string;
let fleet: Fleet;
let balancer: RoundRobin;
let lastId = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "tasks-"));
  fleet = await Fleet.start({
    size: 2,
    env: { STATEFUL_MCP_DATA_DIR: join(directory, "data"), LOG_LEVEL: "warn" },
    serve: (port) => ({
      command: process.execPath,
      args: ["--import", "tsx", SERVER, "serve", "--port", String(port)],
    }),
  });
  balancer = await RoundRobin.start(() => fleet.live.map(({ address }) => address));
}, 300_000);

afterAll(async () => {
  await balancer?.[Symbol.asyncDispose]();
  await fleet?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { code: number; message: string; data?: unknown };
}

/** One request as a 2026-07-28 client sends it. */
async function post(
  address: string,
  method: string,
  params: Record<string, unknown>,
  options: { capabilities?: Record<string, unknown>; name?: string | undefined; meta?: Record<string, unknown> } = {},
): Promise<Answer> {
  const { capabilities = CAPABILITIES, name = (params.taskId ?? params.name) as string | undefined } = options;
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": capabilities,
    ...options.meta,
  };
  lastId += 1;
  const response = await fetch(new URL("/mcp", address), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": REVISION,
      "mcp-method": method,
      ...(name !== undefined && { "mcp-name": name }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: lastId, method, params: { ...params, _meta } }),
  });
  return { status: response.status, ...(messageOf(await response.text()) as Omit<Answer, "status">) };
}

/** An answer as JSON, or the last event of a stream. */
function messageOf(text: string): unknown {
  const events = text.split("\n").filter((line) => line.startsWith("data: {"));
  return JSON.parse(events.at(-1)?.slice("data: ".length) ?? text);
}

const schemas = {
  "tasks/get": GetTaskResultV2Schema,
  "tasks/update": UpdateTaskResultV2Schema,
  "tasks/cancel": CancelTaskResultV2Schema,
} as const;

/** Sends a request again whose process was killed before it answered: what it asks for is asked for once all the same. */
async function untilAnswered(send: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await send();
    } catch {
      await sleep(100);
    }
  }
}

/** A session of the official client of the extension; every answer it is given has passed the strict schemas. */
async function taskSession(address: string) {
  const client = new Client(CLIENT, {
    capabilities: { elicitation: { form: {} } },
    versionNegotiation: { mode: { pin: REVISION } },
  });
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", address)));
  const rawDispatch = async (request: unknown): Promise<JsonRpcResponse> => {
    const { method, params } = request as { method: string; params: Record<string, unknown> };
    const { _meta, ...rest } = params;
    const meta = (_meta ?? {}) as Record<string, unknown>;
    const { result, error } = await untilAnswered(() => post(address, method, rest, { meta }));
    if (error) return { kind: "error", error: error as never };
    if (method in schemas) schemas[method as keyof typeof schemas].parse(result);
    if (result?.resultType === "task") CreateTaskResultV2Schema.parse(result);
    return { kind: "result", result: result as never };
  };
  const session = createTaskSessionFromClient(client, {
    endpointId: "tasks-test",
    rawDispatch,
    v2RequestFraming: { protocolVersion: REVISION, clientInfo: CLIENT, clientCapabilities: CAPABILITIES },
    onInputRequest: async () => ({ action: "accept", content: { sure: true } }) as never,
  });
  return { client, session };
}

describe("the official client of the extension, through a load balancer", () => {
  test("gets a result of a task that another process may have run", async () => {
    const { client, session } = await taskSession(balancer.address);
    const file = join(directory, "official");
    await writeFile(file, "");
    const execution = await session.callTool("write_and_wait", { file, session_id: "official" });
    const { outcome } = await execution.settle();
    expect(resultFromTaskOutcome(outcome)).toMatchObject({ structuredContent: { attempt: 1, stepped: "run 1" } });
    await session.close();
    await client.close();
  });

  test("is asked in the middle, and its answer goes to a process that did not ask", async () => {
    const { client, session } = await taskSession(balancer.address);
    const execution = await session.callTool("ask", {});
    const { outcome } = await execution.settle();
    expect(resultFromTaskOutcome(outcome)).toMatchObject({ structuredContent: { sure: true } });
    await session.close();
    await client.close();
  });
});

describe("a task whose process is killed", () => {
  test("is finished by another one, with each of its effects once", async () => {
    const [runs, polls] = fleet.live.map(({ address }) => address) as [string, string];
    const file = join(directory, "killed");
    const args = { name: "write_and_wait", arguments: { file, session_id: "killed" } };
    const created = CreateTaskResultV2Schema.parse((await post(runs, "tools/call", args)).result);
    const { taskId } = created;
    const notes = async (address: string) => {
      const call = { name: "notes", arguments: { session_id: "killed" } };
      const { result } = await post(address, "tools/call", call);
      return (result as { structuredContent: { notes: string[] } }).structuredContent.notes;
    };
    await expect.poll(() => notes(polls), { timeout: 100_000 }).toEqual(["begun"]);
    const [member] = fleet.live;
    await fleet.replace(member!);
    await writeFile(file, "");
    const get = async () => GetTaskResultV2Schema.parse((await post(polls, "tasks/get", { taskId })).result);
    // The lease of the killed process lasts up to 20 s.
    await expect.poll(() => get().then(({ status }) => status), { timeout: 100_000, interval: 250 }).toBe("completed");
    expect(await get()).toMatchObject({ result: { structuredContent: { attempt: 2 } } });
    expect(await notes(polls)).toEqual(["begun", "ended"]);
  }, 300_000);
});

describe("the official client of the extension, while the processes behind the load balancer are killed", () => {
  test("gets every result, each with its effects and its steps once", async () => {
    const { client, session } = await taskSession(balancer.address);
    const jobs = Array.from({ length: 6 }, (_, at) => `kills ${at}`);
    const file = join(directory, "kills");
    const working = await Promise.all(
      jobs.map((session_id) => session.callTool("write_and_wait", { file, session_id })),
    );
    const asking = await Promise.all([1, 2].map(() => session.callTool("ask", {})));
    const settling = [...working, ...asking].map(async (execution) =>
      resultFromTaskOutcome((await execution.settle()).outcome),
    );
    const notes = async (session_id: string) => {
      const call = { name: "notes", arguments: { session_id } };
      const { result } = await untilAnswered(() => post(balancer.address, "tools/call", call));
      return (result as { structuredContent: { notes: string[] } }).structuredContent.notes;
    };
    for (const job of jobs) await expect.poll(() => notes(job), { timeout: 100_000 }).toEqual(["begun"]);
    for (const member of [...fleet.live]) await fleet.replace(member);
    await writeFile(file, "");
    const results = await Promise.all(settling);
    for (const result of results.slice(0, jobs.length))
      expect(result).toMatchObject({ structuredContent: { stepped: "run 1" } });
    for (const result of results.slice(jobs.length))
      expect(result).toMatchObject({ structuredContent: { sure: true } });
    for (const job of jobs) expect(await notes(job)).toEqual(["begun", "ended"]);
    await session.close();
    await client.close();
  }, 300_000);
});

describe("an operator", () => {
  test("sees the open tasks of all callers at a terminal, from the app's own program and from the command line", async () => {
    const file = join(directory, "operator");
    const args = { name: "write_and_wait", arguments: { file, session_id: "operator" } };
    const { taskId } = CreateTaskResultV2Schema.parse((await post(balancer.address, "tools/call", args)).result);
    const env = { ...process.env, STATEFUL_MCP_DATA_DIR: join(directory, "data") };
    const CLI = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));
    for (const program of [SERVER, CLI]) {
      const { stdout } = await execute(process.execPath, ["--import", "tsx", program, "tasks"], { env });
      const [head, ...lines] = stdout.trimEnd().split("\n");
      expect(head).toMatch(/^task +tool +state +age +attempt +owner +message$/);
      expect(lines.find((line) => line.startsWith(taskId))).toMatch(
        / write_and_wait +runs \(lease ends in \d+ s\) +\d+ s +1 /,
      );
    }
    await writeFile(file, "");
  });
});

/** What a stream of subscriptions/listen says, message by message. */
interface Listened {
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
}

const listenRequest = (taskIds: readonly string[]) => ({
  jsonrpc: "2.0",
  id: "listen",
  method: "subscriptions/listen",
  params: {
    notifications: { taskIds },
    _meta: {
      "io.modelcontextprotocol/protocolVersion": REVISION,
      "io.modelcontextprotocol/clientInfo": CLIENT,
      "io.modelcontextprotocol/clientCapabilities": CAPABILITIES,
    },
  },
});

/** Over HTTP, from any process. */
async function* listenOverHttp(taskIds: readonly string[]): AsyncGenerator<Listened> {
  const response = await fetch(new URL("/mcp", balancer.address), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": REVISION,
      "mcp-method": "subscriptions/listen",
    },
    body: JSON.stringify(listenRequest(taskIds)),
  });
  const lines = createInterface(Readable.fromWeb(response.body as never));
  for await (const line of lines)
    if (line.startsWith("data: {")) yield JSON.parse(line.slice("data: ".length)) as Listened;
}

/** Over stdio, from a process of its own on the same data. */
async function* listenOverStdio(taskIds: readonly string[]): AsyncGenerator<Listened> {
  const server = spawn(process.execPath, ["--import", "tsx", SERVER], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, STATEFUL_MCP_DATA_DIR: join(directory, "data"), LOG_LEVEL: "warn" },
  });
  try {
    server.stdin.write(`${JSON.stringify(listenRequest(taskIds))}\n`);
    for await (const line of createInterface(server.stdout)) yield JSON.parse(line) as Listened;
  } finally {
    server.kill();
  }
}

describe("a client that listens for tasks", () => {
  test.each([
    ["over HTTP", listenOverHttp],
    ["over stdio", listenOverStdio],
  ])(
    "%s is told how they stand by a process that does not run them, until all have ended",
    async (_, listen) => {
      const file = join(directory, `listened ${_}`);
      const work = { name: "write_and_wait", arguments: { file, session_id: `listen-${_.replace(" ", "-")}` } };
      const working = CreateTaskResultV2Schema.parse((await post(balancer.address, "tools/call", work)).result).taskId;
      const ask = { name: "ask", arguments: {} };
      const asking = CreateTaskResultV2Schema.parse((await post(balancer.address, "tools/call", ask)).result).taskId;
      const told: [unknown, unknown][] = [];
      let last: Listened | undefined;
      for await (const message of listen([working, asking])) {
        last = message;
        if (message.result) break;
        if (message.method === "notifications/subscriptions/acknowledged") {
          expect(readAcceptedTaskIdsV2(message.params)).toEqual([working, asking]);
          continue;
        }
        const { params } = TaskStatusNotificationV2Schema.parse(message);
        told.push([params.taskId, params.status]);
        if (params.status !== "input_required") continue;
        const answers = {
          taskId: asking,
          inputResponses: { "1.go_on": { action: "accept", content: { sure: true } } },
        };
        await post(balancer.address, "tasks/update", answers);
        await writeFile(file, "");
      }
      expect(last).toMatchObject({ id: "listen", result: { resultType: "complete" } });
      expect(told).toEqual(
        expect.arrayContaining([
          [asking, "input_required"],
          [asking, "completed"],
          [working, "completed"],
        ]),
      );
    },
    60_000,
  );
});

describe("the door", () => {
  const live = () => fleet.live[0]?.address ?? "";
  const unknown = `tsk_${"0".repeat(26)}`;

  test.each(["tasks/get", "tasks/update", "tasks/cancel"])(
    "%s wants the extension declared before it looks at the id",
    async (method) => {
      const params = method === "tasks/update" ? { taskId: unknown, inputResponses: {} } : { taskId: unknown };
      const undeclared = await post(live(), method, params, { capabilities: {} });
      expect(undeclared.error).toMatchObject({
        code: -32_021,
        data: { requiredCapabilities: { extensions: { [EXTENSION]: {} } } },
      });
      expect((await post(live(), method, params)).error).toMatchObject({ code: -32_602 });
      expect((await post(live(), method, params, { name: "tsk_other" })).error).toMatchObject({ code: -32_020 });
      expect((await post(live(), method, { ...params, taskId: "no id at all" })).error).toMatchObject({
        code: -32_602,
      });
    },
  );

  test("a client that does not declare the extension is never given a task, and one that must is told so", async () => {
    const file = join(directory, "plain");
    await writeFile(file, "");
    const call = { name: "write_and_wait", arguments: { file, session_id: "plain" } };
    const plain = await post(live(), "tools/call", call, { capabilities: {} });
    expect(plain.result).toMatchObject({ structuredContent: { attempt: 1 } });
    const required = await post(live(), "tools/call", { name: "ask", arguments: {} }, { capabilities: {} });
    expect(required.error).toMatchObject({ code: -32_021 });
    expect((await post(live(), "tasks/list", {})).error).toMatchObject({ code: -32_601 });
  });

  test("over REST a task that insists is answered with 202 and its id", async () => {
    const response = await fetch(new URL("/tools/ask", live()), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ success: true, task_id: expect.stringMatching(/^tsk_/) });
  });
});
