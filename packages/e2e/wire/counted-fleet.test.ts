// What an operator reads of a fleet on one table, against what those who called it have counted themselves: several processes under mixed
// load, one that is killed, and one that makes room for a newer version.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createDynamoDBClient, setupTable } from "@stateful-mcp/core/dynamodb";
import { findDynoxide, freePort, ServerProcess, startDynalite, startDynoxide } from "@stateful-mcp/rig";
import { expect, onTestFinished, test } from "vitest";

const SERVER = fileURLToPath(new URL("counted-server.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const OPERATOR = "operator-0123456789abcdef0123456789ab";
const ALICE = "alice-0123456789abcdef0123456789abcdef";
const GREEDY = "greedy-0123456789abcdef0123456789abcde";
const REVISION = "2026-07-28";
/** Of the semantic conventions, and three below them: docs/telemetry.md. */
const BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000];
const boundOf = (ms: number) => BOUNDS_MS.find((bound) => ms <= bound) ?? 300_000;

/** An engine with a table of its own, and how to start processes on it. */
async function deployment() {
  const engine = await ("path" in findDynoxide() ? startDynoxide() : startDynalite());
  onTestFinished(() => engine.stop());
  const client = createDynamoDBClient(engine.connection);
  await setupTable(client, "counted", () => {});
  client.destroy();
  return async (label: string, version = "1.0.0") => {
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const server = await ServerProcess.start({
      command: process.execPath,
      args: ["--import", "tsx", SERVER, "serve", "--port", String(port)],
      cwd: ROOT,
      env: {
        ...{ MCP_STATE_BACKEND: "dynamodb", MCP_STATE_TABLE: "counted", LOG_LEVEL: "warn" },
        ...{ DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${engine.port}`, AWS_REGION: "local" },
        ...{ AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" },
        MCP_AUTH_TOKEN: `operator:console:operate=${OPERATOR},alice=${ALICE},greedy=${GREEDY}`,
        ...{ COUNTED_LABEL: label, COUNTED_VERSION: version },
      },
      ready: new URL("/readyz", address),
    });
    onTestFinished(() => server.kill());
    return { process: server, address, label };
  };
}

type Member = Awaited<ReturnType<Awaited<ReturnType<typeof deployment>>>>;

async function post({ address }: Pick<Member, "address">, path: string, body: object, headers: Record<string, string>) {
  const answer = await fetch(address + path, {
    method: "POST",
    headers: { accept: "application/json, text/event-stream", "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> };
}

const overRest = (member: Member, tool: string, given: object, token = ALICE) =>
  post(member, `/tools/${tool}`, given, { authorization: `Bearer ${token}` });

function overMcp(member: Member, tool: string, given: object) {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientInfo": { name: "load", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: tool, arguments: given, _meta } };
  const routing = { "mcp-protocol-version": REVISION, "mcp-method": "tools/call", "mcp-name": tool };
  return post(member, "/mcp", message, { ...routing, authorization: `Bearer ${ALICE}` });
}

interface McpResult {
  readonly isError?: boolean;
  readonly structuredContent: Readonly<Record<string, unknown>>;
}
interface Row {
  readonly tool: string;
  readonly calls: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly hits: number;
  readonly misses: number;
  readonly p99_ms: number;
}
interface Service {
  readonly rows: readonly Row[];
  readonly refused: Readonly<Record<string, number>>;
  readonly dropped: number;
}
interface Told {
  readonly label: string;
  readonly version: string;
  readonly state: string;
  readonly seen_ms: number;
}

async function read<T>({ address }: Member, path: string): Promise<T> {
  const answer = await fetch(`${address}/console/api/${path}`, { headers: { authorization: `Bearer ${OPERATOR}` } });
  expect(answer.status).toBe(200);
  return (await answer.json()) as T;
}
const service = (member: Member) => read<Service>(member, "service?window=1h");
const fleet = async (member: Member) => (await read<{ processes: Told[] }>(member, "fleet")).processes;
const toldOf = async (member: Member, label: string) => (await fleet(member)).find((one) => one.label === label);
const callsOf = async (member: Member, tool: string) =>
  (await service(member)).rows.find((row) => row.tool === tool)?.calls ?? 0;

test("three processes under mixed load: what is read equals what the callers have counted", async () => {
  const start = await deployment();
  const members = await Promise.all(["p1", "p2", "p3"].map((label) => start(label)));
  const counted: Record<string, Record<string, number>> = {};
  const cache = { hits: 0, misses: 0 };
  let refused = 0;
  const took: number[] = [];
  const count = (tool: string, outcome: string) => {
    const outcomes = counted[tool] ?? {};
    counted[tool] = { ...outcomes, [outcome]: (outcomes[outcome] ?? 0) + 1 };
  };
  /** As the answer itself says that the call ended. */
  const countAnswer = (tool: string, { status, headers, body }: Awaited<ReturnType<typeof post>>) => {
    if (status === 429) refused += 1;
    const ended = headers.get("idempotency-replayed") === "true" ? "replayed" : "ok";
    count(tool, status === 200 ? ended : String(body.code));
  };
  await Promise.all(
    members.map(async (member, p) => {
      for (let i = 0; i < 20; i += 1) {
        const cached = await overRest(member, "echo_cached", { text: `t${i % 6}` });
        cache[cached.body.cached === true ? "hits" : "misses"] += 1;
        countAnswer("echo_cached", cached);
        const note = { note: "n", session_id: `s${p}`, idempotency_key: `k${i % 8}` };
        countAnswer("add_note", await overRest(member, "add_note", note));
        countAnswer("get_value", await overRest(member, "get_value", { session_id: `s${p}`, key: "missing" }));
        countAnswer("list_sessions", await overRest(member, "list_sessions", { limit: "x" }));
        countAnswer("", await overRest(member, `made_up_${p}_${i}`, {}));
        const { result } = (await overMcp(member, "list_sessions", {})).body as { result: McpResult };
        count("list_sessions", result.isError ? String(result.structuredContent.code) : "ok");
        const began = performance.now();
        countAnswer("take", await overRest(member, "take", { ms: i === 19 ? 300 : 0 }));
        took.push(performance.now() - began);
      }
    }),
  );
  // Until the fleet has turned some away: how many that takes depends on where in its minute it began.
  while (refused < 20)
    for (const member of members) countAnswer("session_info", await overRest(member, "session_info", {}, GREEDY));
  await Promise.all(members.map((member) => member.process.terminate()));

  const reader = await start("reader");
  const { rows, refused: told, dropped } = await service(reader);
  expect(Object.fromEntries(rows.map(({ tool, outcomes }) => [tool, outcomes]))).toEqual(counted);
  const total = Object.values(counted).flatMap((outcomes) => Object.values(outcomes));
  expect(rows.reduce((sum, { calls }) => sum + calls, 0)).toBe(total.reduce((sum, n) => sum + n, 0));
  expect(rows.find(({ tool }) => tool === "echo_cached")).toMatchObject(cache);
  expect(cache.hits).toBeGreaterThan(0);
  expect(counted.add_note?.replayed).toBe(3 * 12);
  expect([told["429"], dropped]).toEqual([refused, 0]);
  // One call in twenty took 300 ms, so the quantile is no smaller; and no call takes longer than its caller waits.
  const slowest = took.toSorted((a, b) => a - b)[Math.ceil(took.length * 0.99) - 1]!;
  const p99 = rows.find(({ tool }) => tool === "take")?.p99_ms;
  expect(p99).toBeGreaterThanOrEqual(boundOf(300));
  expect(p99).toBeLessThanOrEqual(boundOf(slowest));
  expect((await fleet(reader)).map(({ label, state }) => [label, state]).toSorted()).toEqual(
    ["p1", "p2", "p3"].map((label) => [label, "ended"]),
  );
});

test("a process that is killed is one that was not seen again, and only what it did since then is missing", async () => {
  const start = await deployment();
  const [killed, left] = await Promise.all(["killed", "left"].map((label) => start(label)));
  if (!killed || !left) throw new Error("Two were started.");
  const ends: number[] = [];
  const call = async () => {
    expect((await overRest(killed, "list_sessions", {})).status).toBe(200);
    ends.push(Date.now());
  };
  while ((await callsOf(left, "list_sessions")) < 10) await call();
  // The kill comes while calls are made, and not after the last of them was written.
  for (let more = 0; more < 30; more += 1) await call();
  await killed.process.kill();
  const killedMs = Date.now();

  const seenMs = (await toldOf(left, "killed"))?.seen_ms ?? 0;
  const before = ends.filter((end) => end < seenMs).length;
  expect(before).toBeGreaterThanOrEqual(10);
  const kept = await callsOf(left, "list_sessions");
  expect(kept).toBeGreaterThanOrEqual(before);
  expect(kept).toBeLessThanOrEqual(ends.length);

  // A process that lives is seen again; the killed one says nothing more, and not that it has ended.
  await overRest(left, "list_sessions", {});
  await expect.poll(async () => (await toldOf(left, "left"))?.seen_ms ?? 0).toBeGreaterThan(killedMs);
  expect(await toldOf(left, "killed")).toMatchObject({ state: "running", seen_ms: seenMs });
  expect(seenMs).toBeLessThanOrEqual(killedMs);
});

test("while one version makes room for the next, both are seen, and which of them drains", async () => {
  const directory = mkdtempSync(join(tmpdir(), "counted-fleet-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const start = await deployment();
  const [old, next] = await Promise.all([start("old", "1.0.0"), start("next", "2.0.0")]);
  for (const member of [old, next]) await overRest(member, "list_sessions", {});
  const versions = async () =>
    Object.fromEntries((await fleet(next)).map(({ label, version, state }) => [label, `${version} ${state}`]));
  await expect.poll(versions).toEqual({ old: "1.0.0 running", next: "2.0.0 running" });

  const [begun, file] = [join(directory, "begun"), join(directory, "go-on")];
  const underWay = overRest(old, "take", { begun, file });
  await expect.poll(() => existsSync(begun)).toBe(true);
  const drained = old.process.terminate();
  await expect.poll(versions).toEqual({ old: "1.0.0 draining", next: "2.0.0 running" });
  writeFileSync(file, "");
  expect((await underWay).status).toBe(200);
  await drained;
  expect(await versions()).toEqual({ old: "1.0.0 ended", next: "2.0.0 running" });
  expect(await callsOf(next, "take")).toBe(1);
});
