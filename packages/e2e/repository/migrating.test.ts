// docs/migrating.md, row by row: what a server that people come from did, is done here as the page says. A row that another test
// holds names it; a row that no test can hold says why.
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort, ServerProcess, startDynalite } from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PAGE = readFileSync(join(ROOT, "docs/migrating.md"), "utf8");
const MAIN = ["--import", import.meta.resolve("tsx"), join(ROOT, "packages/cli/src/main.ts")];
const KEY = { PK: "CUSTOMER#eve", SK: "PROFILE" };

let address: string;
/** A folder of this run, with nothing in it. */
let cwd: string;
let env: NodeJS.ProcessEnv;
const processes = new AsyncDisposableStack();

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "migrating-"));
  processes.defer(() => rm(cwd, { recursive: true, force: true, maxRetries: 5 }));
  const engine = await startDynalite();
  processes.defer(() => engine.stop());
  env = {
    ...process.env,
    MCP_STATE_BACKEND: "memory",
    MCP_AUTH_TOKEN: undefined,
    DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${engine.port}`,
    AWS_REGION: "local",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    DYNAMODB_TABLE_NAME: "demo_orders,demo_archive",
    STATEFUL_MCP_ITEM_MODES: "demo_orders:rw",
  };
  for (const table of ["demo_orders", "demo_archive"])
    await promisify(execFile)(process.execPath, [...MAIN, "demo-table", table], { cwd, env });
  const port = await freePort();
  address = `http://127.0.0.1:${port}`;
  processes.use(
    await ServerProcess.start({
      command: process.execPath,
      args: [...MAIN, "serve", "--port", String(port)],
      cwd,
      env,
      ready: new URL(`${address}/readyz`),
    }),
  );
});
afterAll(() => processes.disposeAsync());

/** The command line as a person calls it, with settings beside those of the server above. */
async function cli(args: readonly string[], settings: NodeJS.ProcessEnv = {}) {
  const options = { cwd, env: { ...env, ...settings } };
  return await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [...MAIN, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function post(path: string, body: string, headers: Record<string, string> = {}): Promise<Answer> {
  const sent = { method: "POST", body, headers: { "Content-Type": "application/json", ...headers } };
  const answer = await fetch(address + path, sent);
  const text = await answer.text();
  return { status: answer.status, body: text.startsWith("{") ? JSON.parse(text) : { text } };
}
const tool = (name: string, args: object = {}) => post(`/tools/${name}`, JSON.stringify(args));
const items = (name: string, args: object = {}) => tool(name, { table: "demo_orders", ...args });
const put = (attributes: object) => items("put_item", { item: { ...KEY, ...attributes } });
const read = async () => (await items("get_item", { key: KEY, consistent: true })).body.item;
const update = (updates: object, more: object = {}) => items("update_item", { key: KEY, updates, ...more });

type Check = () => Promise<void>;
/** A test elsewhere: its file, and words of its name. */
type Elsewhere = readonly [file: string, words: string];
/** Why there is no test. */
interface Untested {
  readonly untested: string;
}

const ITEMS_TEST = "packages/core/src/builtin/tools/items.test.ts";

const CHECKS: Readonly<Record<string, Check | Elsewhere | Untested>> = {
  "Every table could be written": async () => {
    const answer = await tool("put_item", { table: "demo_archive", item: KEY });
    expect(answer).toMatchObject({ status: 403, body: { success: false, code: "forbidden" } });
    expect(answer.body.error).toContain("STATEFUL_MCP_ITEM_MODES");
  },
  "`scan` always there": async () => {
    expect(await items("scan", { limit: 1 })).toMatchObject({ status: 200, body: { count: 1 } });
  },
  "One table": async () => {
    expect(await tool("get_item", { key: KEY })).toMatchObject({ status: 400, body: { field: "table" } });
  },
  "Any table name in a call": async () => {
    expect((await tool("get_item", { table: "mcp_state", key: KEY })).status).toBe(400);
  },
  "`delete_item` deleted at once": async () => {
    await put({});
    expect((await items("delete_item", { key: KEY })).body).toMatchObject({ success: true, deleted: true });
  },
  "Keys `PK`, `SK` and the index `GSI1` were assumed": [
    ITEMS_TEST,
    "take numeric and binary keys, and reserved words for names",
  ],
  "Numbers came back as texts or rounded": async () => {
    await put({ total: 37.5, count: 3 });
    expect(await read()).toEqual({ ...KEY, total: 37.5, count: 3 });
  },
  "Sets and bytes were refused, or came back as lists and texts": async () => {
    await put({ tags: { $set: ["a", "b"] }, raw: { $binary: "aGk=" } });
    expect(await read()).toEqual({ ...KEY, tags: { $set: ["a", "b"] }, raw: { $binary: "aGk=" } });
  },
  "Names that begin with `$` were stored as they came": async () => {
    await put({ $$ref: "x" });
    expect(await read()).toEqual({ ...KEY, $$ref: "x" });
  },
  "`null` in an update removed the attribute": async () => {
    await put({ a: 1, b: 1 });
    await update({ a: null, b: { $remove: true } });
    expect(await read()).toEqual({ ...KEY, a: null });
  },
  "An update without attributes succeeded": async () => {
    expect(await update({})).toMatchObject({ status: 400, body: { field: "updates" } });
  },
  '`updates: {"address.city": …}` set an attribute of that name': async () => {
    await put({ address: { city: "Rome" } });
    await update({ "address.city": "Oslo" });
    expect(await read()).toEqual({ ...KEY, address: { city: "Oslo" } });
    await update({ '["address.city"]': "Bern" });
    expect(await read()).toEqual({ ...KEY, address: { city: "Oslo" }, "address.city": "Bern" });
  },
  "`true`, `false`, `null` in expressions were attribute names": async () => {
    await put({ open: true });
    expect(await update({ open: false }, { condition: "open = true" })).toMatchObject({ status: 200 });
    expect(await update({ open: false }, { condition: "open = true" })).toMatchObject({ status: 409 });
  },
  "Long numbers were rounded": async () => {
    const refused = await post(
      "/tools/put_item",
      '{"table":"demo_orders","item":{"PK":"a","SK":"b","n":12345678901234567890}}',
    );
    expect(refused.status).toBe(400);
    await put({ n: { $number: "12345678901234567890" } });
    expect(await read()).toEqual({ ...KEY, n: { $number: "12345678901234567890" } });
  },
  'Values in DynamoDB\'s own form (`{"S": "a"}`) were compared as maps': async () => {
    const query = { key_condition: "PK = :p", expression_values: { ":p": { S: "CUSTOMER#ana" } } };
    expect(await items("query", query)).toMatchObject({ status: 400, body: { success: false } });
  },
  "Batch operations": async () => {
    const batch = await items("batch_write", { puts: [{ ...KEY, batch: true }] });
    expect(batch.body).toMatchObject({ success: true, put: 1 });
    const missing = { PK: "CUSTOMER#none", SK: "PROFILE" };
    const got = await items("batch_get", { keys: [KEY, missing], consistent: true });
    expect(got.body).toMatchObject({ items: [{ ...KEY, batch: true }], missing_keys: [missing] });
  },
  "`demo-table` wrote into any table": [
    "packages/core/src/builtin/tools/item-meaning.test.ts",
    'await failed(setupDemoTable(client, "customers"',
  ],
  "An update of a missing item created it": async () => {
    await items("delete_item", { key: KEY });
    expect((await update({ a: 1 }, { must_exist: true })).status).toBe(409);
    expect((await update({ a: 1 })).body).toMatchObject({ success: true, item: { ...KEY, a: 1 } });
  },
  "Reserved words (`status`, `name`) failed in expressions": async () => {
    await put({ name: "Eve", status: "new" });
    const answer = await items("get_item", { key: KEY, projection: ["name", "status"], consistent: true });
    expect(answer.body.item).toEqual({ name: "Eve", status: "new" });
  },
  "Unused placeholders failed inside DynamoDB": async () => {
    const answer = await update({ a: 1 }, { condition: "a = a", expression_values: { ":unused": 1 } });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toContain(":unused");
  },
  "A failed condition was a plain error": async () => {
    await put({ a: 1 });
    const answer = await items("put_item", { item: KEY, condition: "attribute_not_exists(PK)" });
    expect(answer).toMatchObject({ status: 409, body: { code: "conflict", item: { ...KEY, a: 1 } } });
  },
  "A query went on until it had read everything": async () => {
    const query = { key_condition: "PK = :p", expression_values: { ":p": "CUSTOMER#ana" }, limit: 1 };
    expect((await items("query", query)).body).toMatchObject({ count: 1, last_evaluated_key: { PK: "CUSTOMER#ana" } });
  },
  "Pages had up to 1 MB": [ITEMS_TEST, "toBeLessThanOrEqual(65_536 + 2)"],
  "Reads were consistent": async () => {
    const cost = async (consistent: boolean) =>
      (await items("get_item", { key: KEY, consistent })).body.consumed_capacity;
    expect([await cost(false), await cost(true)]).toEqual([0.5, 1]);
  },
  "Anybody who reached the server could read the tables": async () => {
    const { code, stderr } = await cli(["serve", "--port", "0", "--allow-anonymous"]);
    expect(code).toBe(2);
    expect(stderr).toContain("DYNAMODB_TABLE_NAME");
  },

  "Bad input was 500, or 200 with `success: false`": async () => {
    expect(await tool("add_note", { note: 1 })).toMatchObject({
      status: 400,
      body: { success: false, code: "invalid_input" },
    });
    expect(await tool("no_such_tool")).toMatchObject({ status: 404, body: { success: false } });
    expect(await post("/tools/add_note", "{")).toMatchObject({ status: 400, body: { success: false } });
  },
  "Errors held stack traces": async () => {
    expect(JSON.stringify((await tool("add_note", { note: 1 })).body)).not.toMatch(/\n\s+at |node_modules|\.ts:/);
  },
  "A body without `Content-Type` was read": async () => {
    expect((await post("/tools/add_note", '{"note":"x"}', { "Content-Type": "text/plain" })).status).toBe(415);
  },
  "The server listened on all addresses": async () => {
    const { code, stderr } = await cli(["serve", "--port", "0", "--host", "0.0.0.0"]);
    expect(code).toBe(2);
    expect(stderr).toContain("MCP_AUTH_TOKEN");
  },
  "The `.env` of the folder was read": ["packages/cli/test/cli.test.ts", ".env of this folder is not read"],
  "An OAuth token without scopes could do everything": [
    "packages/core/src/auth/oauth.test.ts",
    "unless they are named, also where scopes are not required",
  ],
  "A token could be any text": async () => {
    const { code, stderr } = await cli(["serve", "--port", "0"], { MCP_AUTH_TOKEN: "short" });
    expect(code).toBe(2);
    expect(stderr).toContain("at least 16 characters");
  },
  "Any `Host` and `Origin` were served": async () => {
    const { status } = await post("/tools/get_notes", "{}", { Origin: "https://elsewhere.example" });
    expect(status).toBe(403);
  },
  "Pages of any port on this machine could call": async () => {
    expect((await post("/tools/get_notes", "{}", { Origin: "http://localhost:1" })).status).toBe(403);
    expect((await post("/tools/get_notes", "{}", { Origin: address })).status).toBe(200);
  },
  "`/health` was always 200": async () => {
    expect((await fetch(`${address}/health`)).status).toBe(200);
    expect((await fetch(`${address}/healthz`)).status).toBe(200);
  },
  "An answer waited for its client without end": [
    "packages/adapters/src/unread-answers.test.ts",
    "that is not read is ended, and the log says how much was unread",
  ],
  "Ids of JSON-RPC messages could have any length": async () => {
    const message = { jsonrpc: "2.0", id: "x".repeat(257), method: "ping" };
    expect(
      (await post("/mcp", JSON.stringify(message), { Accept: "application/json, text/event-stream" })).status,
    ).toBe(400);
  },
  "The server listened on port 8062 or 8000": ["packages/core/src/config/settings.test.ts", "3333"],
  "The SSE transport of 2024 (`GET /sse`, `POST /messages`)": async () => {
    expect((await fetch(`${address}/sse`)).status).toBe(404);
    expect((await post("/messages", "{}")).status).toBe(404);
  },
  "Lists of sessions and notes were bare arrays": async () => {
    expect((await tool("get_notes")).body.notes).toBeInstanceOf(Array);
    expect((await tool("list_sessions")).body.sessions).toBeInstanceOf(Array);
  },
  "API documentation loaded scripts from elsewhere": async () => {
    expect(await (await fetch(`${address}/docs`)).text()).not.toContain("<script");
  },

  "`note_id` was a time in seconds, and two notes of one second were one": async () => {
    const add = async () => (await tool("add_note", { session_id: "ids", note: "same" })).body.note_id;
    expect(new Set([await add(), await add(), await add()]).size).toBe(3);
  },
  "`count` of `add_note` was the number of notes": async () => {
    const add = () => tool("add_note", { session_id: "count", note: "n" });
    const { note_id } = (await add()).body;
    await tool("delete_note", { session_id: "count", note_id });
    expect((await add()).body.count).toBe(2);
    expect((await tool("session_info", { session_id: "count" })).body.notes).toBe(1);
  },
  "Notes could not be changed, or all of them were rewritten": async () => {
    const { note_id } = (await tool("add_note", { session_id: "change", note: "old" })).body;
    const change = { session_id: "change", note_id, note: "new", if_version: 1 };
    expect((await tool("update_note", change)).body).toMatchObject({ success: true });
    expect((await tool("update_note", change)).status).toBe(409);
    expect((await tool("get_notes", { session_id: "change" })).body.notes).toEqual(["new"]);
  },
  "`get_notes` read one page of 200": async () => {
    for (let n = 0; n < 3; n++) await tool("add_note", { session_id: "pages", note: `n${n}` });
    const first = (await tool("get_notes", { session_id: "pages", limit: 2 })).body;
    expect(first.notes).toEqual(["n0", "n1"]);
    const second = await tool("get_notes", { session_id: "pages", cursor: first.next_cursor });
    expect(second.body.notes).toEqual(["n2"]);
  },
  "A value of any size came back whole": [
    "packages/core/src/builtin/tools/answers.test.ts",
    "has a value whole where it fits or where the caller makes room",
  ],
  "Session ids were the transport's, or anything": async () => {
    expect((await tool("create_session")).body.session_id).toMatch(/^ses_/);
    expect((await tool("add_note", { note: "n" })).body.session_id).toBe("default");
  },
  "A session id was enough to read a session": [
    "packages/core/src/state/sessions.test.ts",
    "of another principal answers %s %j as one that never existed",
  ],
  "Sessions were kept forever, or for a fixed time": ["packages/core/src/state/sessions.test.ts", "slides with use"],
  "A client with a connection per call filled the limit of sessions": [
    "packages/core/src/state/sessions.test.ts",
    "chat-",
  ],
  "A deleted or expired session came back with the next write": async () => {
    const { session_id } = (await tool("create_session")).body;
    await tool("delete_session", { session_id });
    expect(await tool("add_note", { session_id, note: "n" })).toMatchObject({
      status: 404,
      body: { code: "session_not_found" },
    });
    await tool("add_note", { session_id: "again", note: "n" });
    await tool("delete_session", { session_id: "again" });
    expect((await tool("add_note", { session_id: "again", note: "n" })).body.count).toBe(1);
  },
  "Notes of another server lie in a table of the same name": async () => {
    const there = (folder: string) => ({ MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: join(cwd, folder) });
    await cli(["call", "add_note", "note=Deploy on Tuesday."], there("old"));
    const { stdout } = await cli(["export"], there("old"));
    await writeFile(join(cwd, "memory.jsonl"), stdout);
    expect(await cli(["import", "memory.jsonl"], there("new"))).toMatchObject({ code: 0 });
    expect((await cli(["call", "get_notes"], there("new"))).stdout).toContain("Deploy on Tuesday.");
  },
  "Events of streams were in a second table, `…-events`": { untested: "says what is not there" },
  "All programs of one user shared one state": [
    "packages/local/src/data-dir.test.ts",
    "gives each app a directory of its own",
  ],
  "The whole state was replaced by each write, and the last one won": async () => {
    const store = (value: number, if_version?: number) =>
      tool("store_value", { session_id: "v", key: "k", value, if_version });
    await store(1, 0);
    expect(await store(2, 0)).toMatchObject({ status: 409, body: { current_version: 1 } });
    expect((await store(3)).body.version).toBe(2);
  },
  "Clients that turn untyped arguments into text stored texts": async () => {
    const stored = await tool("store_value", { session_id: "v", key: "json", value_json: "123" });
    expect(stored.body.type).toBe("number");
    expect((await tool("get_value", { session_id: "v", key: "json" })).body.value).toBe(123);
  },
  "A failed write answered `stored: true`": async () => {
    const failed = await tool("store_value", { session_id: "v", key: "k", value: 1, if_version: 99 });
    expect(failed.body.success).toBe(false);
    expect(failed.body).not.toHaveProperty("stored");
  },
  "The server created its table while serving": [
    "packages/cli/test/table.test.ts",
    "is never begun by serving, but by setup or when that is asked for",
  ],
  "State was in the process's memory unless configured": [
    "packages/core/src/config/settings.test.ts",
    'backend: "local"',
  ],

  "Tool names were changed to camel case": async () => {
    expect(await (await fetch(`${address}/mcp/list_tools`)).text()).toContain('"add_note"');
  },
  "Throttling was reported as an expired session": [
    "packages/core/src/stores/dynamodb-failures.test.ts",
    "a lasting fault is unavailable within 5 s",
  ],
  "Tokens were in the logs": ["packages/adapters/src/logger.test.ts", "masks what is named like a credential"],
  "A tool had to name input and output": [
    "packages/core/src/define/tool.test.ts",
    "may say a sentence and take nothing",
  ],
  "Authors deployed with SAM or Terraform": { untested: "tells where to read on" },
};

const rows = PAGE.split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| before |"))
  .map((line) => line.slice(2).split(" | ")[0] ?? "");

test("every row of the page is held by a test, or says why not, and nothing else is held", () => {
  expect(rows.length).toBeGreaterThanOrEqual(48);
  expect(Object.keys(CHECKS).toSorted()).toEqual(rows.toSorted());
});

describe.each(Object.entries(CHECKS))("%s", (_, check) => {
  if (typeof check === "function") {
    test("is as the page says", check);
  } else if ("untested" in check) {
    test(`no test: ${check.untested}`, () => expect(check.untested).not.toBe(""));
  } else {
    const [file, words] = check;
    test(`held by ${file}`, () => {
      expect(words).not.toBe("");
      expect(existsSync(join(ROOT, file))).toBe(true);
      expect(readFileSync(join(ROOT, file), "utf8")).toContain(words);
    });
  }
});
