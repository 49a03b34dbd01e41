// The table of IAM actions against what is really sent: a server does all it can do, through proxies that take notes.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { IAM_GRANTS, type IamFeature, type IamResource } from "@stateful-mcp/core/iam";
import { BUCKET, FaultProxy, Random, startS3Server } from "@stateful-mcp/rig";
import dynalite from "dynalite";
import { expect, onTestFinished, test } from "vitest";
import { type Connection, PAIRS } from "./clients.ts";

const CLI = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));
const execute = promisify(execFile);

/** A call limit turns the counting of calls on; the short time of a call makes what it left behind go soon. */
const LIMITS = { STATEFUL_MCP_CALLS_PER_MINUTE: "1000", STATEFUL_MCP_CALL_TIMEOUT_MS: "5000" };

const granted = (feature: IamFeature, on: IamResource): string[] =>
  IAM_GRANTS[feature].flatMap((grant) => (grant.on === on ? [...grant.actions] : [])).sort();

test("serving sends exactly the actions that its policy allows, on the table and in the bucket", {
  timeout: 300_000,
}, async () => {
  const { proxy, env, run } = await startEngine();
  const bucket = await startRecordedBucket();
  await run(["setup"]);
  const setup = new Set(proxy.actions);
  for (const operation of Object.keys(proxy.requests)) delete proxy.requests[operation];

  // One client of each era; how they are connected makes no difference to the table.
  for (const { connect } of PAIRS.filter(({ name }) => /(pinned|1\.x).*HTTP/.test(name))) {
    const settings = { ...env, STATEFUL_MCP_BLOB_BUCKET: BUCKET, ...LIMITS, ...bucket.env };
    const server = await connect({ cwd: tmpdir(), env: settings });
    onTestFinished(() => server.kill());
    await useEverything(server);
    // Entries of what was reset or deleted are removed once no call can still be writing to them, a good minute later.
    await expect.poll(() => proxy.requests.DeleteItem ?? 0, { timeout: 120_000 }).toBeGreaterThan(0);
    await server.kill();
  }
  expect(proxy.actions).toEqual(granted("state", "table"));
  expect([...bucket.actions].sort()).toEqual(granted("blobs", "objects"));
  // s3:ListBucket is never a request of its own: it changes the answer about an object that is not there.
  expect(granted("blobs", "bucket")).toEqual(["s3:ListBucket"]);

  for (const operation of Object.keys(proxy.requests)) delete proxy.requests[operation];
  await run(["teardown"]);
  for (const action of proxy.actions) setup.add(action);
  expect([...setup].sort()).toEqual(granted("setup", "table"));
});

test("the item tools send exactly the actions that the policy for a user's own tables allows", async () => {
  const { proxy, env, run } = await startEngine();
  await run(["demo-table"]);
  const used = async (mode: string): Promise<string[]> => {
    for (const operation of Object.keys(proxy.requests)) delete proxy.requests[operation];
    const items = { DYNAMODB_TABLE_NAME: "demo_orders", STATEFUL_MCP_ITEM_MODES: `demo_orders:${mode}` };
    // State is kept elsewhere, so that every request is about the user's table.
    const settings = { ...env, ...items, MCP_STATE_BACKEND: "memory" };
    const { connect } = PAIRS.find(({ name }) => /pinned.*HTTP/.test(name))!;
    const server = await connect({ cwd: tmpdir(), env: settings });
    onTestFinished(() => server.kill());
    const key = { PK: "CUSTOMER#eve", SK: "PROFILE" };
    if (mode === "rw") {
      await server.call("put_item", { item: { ...key, name: "Eve" } });
      await server.call("update_item", { key, updates: { age: 30 } });
      await server.call("batch_write", { puts: [{ ...key, SK: "NOTE" }], confirm: true });
    }
    await server.call("get_item", { key });
    await server.call("batch_get", { keys: [key] });
    await server.call("query", { key_condition: "PK = :p", expression_values: { ":p": key.PK } });
    await server.call("scan");
    if (mode === "rw") await server.call("delete_item", { key, confirm: true });
    await server.kill();
    return proxy.actions;
  };
  const reads = granted("items", "itemTables");
  expect(await used("ro")).toEqual(reads);
  expect(await used("rw")).toEqual([...reads, ...granted("itemWrites", "writableItemTables")].sort());
});

test("iam-policy prints that table, for the features that are on", async () => {
  const print = async (args: string[], env: Record<string, string>) => {
    const variables = { PATH: process.env.PATH, HOME: tmpdir(), ...env };
    const { stdout } = await execute(process.execPath, ["--import", "tsx", CLI, "iam-policy", ...args], {
      env: variables,
    });
    return JSON.parse(stdout);
  };
  const arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/state";
  expect(await print(["--table-arn", arn], {})).toEqual({
    Version: "2012-10-17",
    Statement: [{ Sid: "State", Effect: "Allow", Action: granted("state", "table"), Resource: arn }],
  });
  const everything = await print(["--setup"], {
    STATEFUL_MCP_BLOB_BUCKET: "values",
    AWS_REGION: "eu-central-1",
    MCP_STATE_TABLE: "state",
  });
  expect(everything.Statement.map(({ Sid, Resource }: { Sid: string; Resource: string }) => [Sid, Resource])).toEqual([
    ["State", "arn:aws:dynamodb:eu-central-1:<account>:table/state"],
    ["LargeValues", "arn:aws:s3:::values/*"],
    ["LargeValuesMissing", "arn:aws:s3:::values"],
    ["Setup", "arn:aws:dynamodb:eu-central-1:<account>:table/state"],
  ]);
});

/** Every tool, with what makes them write, read, list, repeat, delete and clean up. */
async function useEverything({ call }: Connection): Promise<void> {
  const { session_id } = await call("create_session");
  await call("add_note", { session_id, note: "one", idempotency_key: "note" });
  await call("add_note", { session_id, note: "one", idempotency_key: "note" });
  await call("get_notes", { session_id, details: true });
  await call("store_value", { session_id, key: "small", value: { a: 1 } });
  await call("store_value", { session_id, key: "large", value: "x".repeat(200_000) });
  expect(await call("get_value", { session_id, key: "large" })).toMatchObject({ found: true });
  await call("increment_value", { session_id, key: "count" });
  await call("list_values", { session_id });
  await call("delete_value", { session_id, key: "large" });
  await call("echo_cached", { text: "hello" });
  await call("session_info", { session_id });
  await call("list_sessions");
  await call("reset_session", { session_id });
  await call("delete_session", { session_id });
}

/** An engine behind a proxy that counts actions, and the command line on it. */
async function startEngine() {
  const engine = dynalite({ createTableMs: 0, deleteTableMs: 0 }).listen(0, "127.0.0.1");
  onTestFinished(() => void engine.close());
  await once(engine, "listening");
  const { port } = engine.address() as AddressInfo;
  const proxy = await FaultProxy.start({ engine: { port }, random: new Random(1) });
  onTestFinished(() => proxy.close());
  const env = {
    MCP_STATE_BACKEND: "dynamodb",
    DYNAMODB_ENDPOINT_URL: proxy.endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "S3RVER",
    AWS_SECRET_ACCESS_KEY: "S3RVER",
  };
  const variables = { PATH: process.env.PATH, HOME: tmpdir(), CONFIRM_DELETE: "yes", ...env };
  const run = (args: string[]) => execute(process.execPath, ["--import", "tsx", CLI, ...args], { env: variables });
  return { proxy, env, run };
}

/** A bucket behind a proxy that notes which action a request is. */
async function startRecordedBucket() {
  const s3 = await startS3Server();
  onTestFinished(() => s3.stop());
  const actions = new Set<string>();
  const names: Record<string, string> = { GET: "s3:GetObject", PUT: "s3:PutObject", DELETE: "s3:DeleteObject" };
  const proxy = createServer((incoming, answer) => {
    const { method = "", url: path = "", headers } = incoming;
    const isObject = path.startsWith(`/${BUCKET}/`) && path.length > BUCKET.length + 2;
    actions.add((isObject && names[method]) || `${method} ${path}`);
    const onward = request({ port: s3.port, method, path, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(answer);
    });
    onward.on("error", () => answer.destroy());
    incoming.pipe(onward);
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  await once(proxy, "listening");
  const { port } = proxy.address() as AddressInfo;
  return { actions, env: { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}` } };
}
