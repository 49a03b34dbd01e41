// What a scrape shows: the numbers of the calls that were made, under any name they came with, and nothing to strangers.
import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { framesOf, modern, modernFetch } from "../../test-support/modern-requests.ts";
import { parseTokens } from "../auth/tokens.ts";
import { builtinResources } from "../builtin/resources/index.ts";
import { defineTool } from "../define/tool.ts";
import { testApp } from "../testing/test-app.ts";

const OPERATOR = "o".repeat(32);
const ALICE = "a".repeat(32);
const READER = "r".repeat(32);
const tokens = parseTokens(`prom:console:operate=${OPERATOR},alice=${ALICE},reader:read=${READER}`);

type Options = Parameters<typeof testApp>[0];

function server(options: Options = {}, address = "192.0.2.7") {
  const { app } = testApp({ metrics: true, access: { mode: "tokens", tokens }, ...options });
  const send = (path: string, token: string | undefined, init: RequestInit = {}) =>
    app.fetch(
      new Request(`http://localhost${path}`, {
        ...init,
        headers: {
          host: "localhost",
          "content-type": "application/json",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
      }),
      { address },
    );
  const callTool = (name: string, args: object = {}) =>
    send(`/tools/${name}`, ALICE, { method: "POST", body: JSON.stringify(args) });
  const scrape = async () => (await send("/metrics", OPERATOR)).text();
  return { app, send, callTool, scrape };
}

/** Samples by name and labels. Fails on a line that is none of the format's (exposition format 0.0.4). */
function samplesOf(text: string): Map<string, number> {
  const label = String.raw`[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"`;
  const sample = new RegExp(String.raw`^([a-zA-Z_:][\w:]*(?:\{(?:${label}(?:,${label})*)?\})?) (\S+)$`);
  const samples = new Map<string, number>();
  expect(text.endsWith("\n")).toBe(true);
  for (const line of text.trimEnd().split("\n")) {
    if (/^# (HELP|TYPE) [a-zA-Z_:][\w:]* \S/.test(line)) continue;
    const [, name = "", value = ""] = sample.exec(line) ?? [];
    expect(name, line).not.toBe("");
    expect(Number.isNaN(Number(value)), line).toBe(false);
    expect(samples.has(name), line).toBe(false);
    samples.set(name, Number(value));
  }
  return samples;
}

const LISTS = 'mcp_method_name="tools/call",gen_ai_tool_name="list_sessions",network_transport="tcp"';

describe("GET /metrics", () => {
  it("agrees with the calls that were made, in buckets that only grow", async () => {
    const { callTool, scrape } = server();
    for (let i = 0; i < 7; i++) expect((await callTool("list_sessions")).status).toBe(200);
    expect((await callTool("list_sessions", { limit: "x" })).status).toBe(400);
    for (const _ of [1, 2, 3]) await callTool("echo_cached", { text: "x" });
    const samples = samplesOf(await scrape());
    const name = "mcp_server_operation_duration_seconds";
    expect(samples.get(`${name}_count{${LISTS}}`)).toBe(7);
    const failed = LISTS.replace(",network", ',error_type="invalid_input",network');
    expect(samples.get(`${name}_count{${failed}}`)).toBe(1);
    const buckets = [...samples].filter(([key]) => key.startsWith(`${name}_bucket{${LISTS},`)).map(([, n]) => n);
    expect(buckets).toHaveLength(18);
    expect(buckets).toEqual([...buckets].sort((a, b) => a - b));
    expect(buckets.at(-1)).toBe(7);
    expect(samples.get('stateful_mcp_cache_lookups_total{result="hit"}')).toBe(2);
    expect(samples.get('stateful_mcp_cache_lookups_total{result="miss"}')).toBe(1);
  });

  it("has no more series after 10,000 calls of tools that were made up", async () => {
    const { callTool, scrape } = server();
    await callTool("made_up_0");
    const before = samplesOf(await scrape());
    for (let i = 1; i <= 10_000; i++) await callTool(`made_up_${i}`);
    const text = await scrape();
    expect(samplesOf(text).size).toBe(before.size);
    expect(text).not.toContain("made_up");
    expect(text).toContain('error_type="not_found",network_transport="tcp"} 10001');
  });

  it("counts what is turned away, and replays", async () => {
    const { app, send, scrape } = server();
    await send("/mcp/list_tools", "x".repeat(32));
    await send("/mcp/list_tools", undefined);
    await send("/metrics", READER);
    const keyed = { method: "POST", body: JSON.stringify({ note: "n", session_id: "s", idempotency_key: "k" }) };
    for (const _ of [1, 2]) await (await send("/tools/add_note", ALICE, keyed)).text();
    const samples = samplesOf(await scrape());
    expect(samples.get('stateful_mcp_requests_refused_total{status="401"}')).toBe(2);
    expect(samples.get('stateful_mcp_requests_refused_total{status="403"}')).toBe(1);
    expect(samples.get("stateful_mcp_idempotency_replays_total")).toBe(1);
    await app.close();
  });
});

describe("GET /metrics is not open to", () => {
  it("callers without a token, with one for other things, or with one that names no scope", async () => {
    const { send } = server();
    expect((await send("/metrics", undefined)).status).toBe(401);
    expect((await send("/metrics", READER)).status).toBe(403);
    expect((await send("/metrics", ALICE)).status).toBe(403);
    expect((await send("/metrics", OPERATOR)).status).toBe(200);
  });

  it("anybody on a server that is open to everybody, from this machine either", async () => {
    for (const address of ["192.0.2.7", "127.0.0.1"]) {
      const { send } = server({ access: { mode: "anonymous" } }, address);
      expect((await send("/metrics", undefined)).status).toBe(404);
    }
  });

  it("other machines where the server has one local user", async () => {
    const statusFrom = async (address: string) =>
      (await server({ access: { mode: "local" } }, address).send("/metrics", undefined)).status;
    expect(await Promise.all(["127.0.0.1", "::1", "::ffff:127.0.0.1"].map(statusFrom))).toEqual([200, 200, 200]);
    expect(await Promise.all(["192.0.2.7", "fe80::1"].map(statusFrom))).toEqual([403, 403]);
  });

  it("foreign pages and foreign names of this server", async () => {
    const { app } = testApp({ metrics: true });
    const get = (headers: Record<string, string>) =>
      app.fetch(new Request("http://localhost/metrics", { headers }), { address: "127.0.0.1" });
    expect((await get({ host: "localhost", origin: "https://evil.example" })).status).toBe(403);
    expect((await get({ host: "evil.example" })).status).toBe(403);
  });

  it("anybody unless it was asked for", async () => {
    const { send } = server({ metrics: false });
    expect((await send("/metrics", OPERATOR)).status).toBe(404);
  });
});

it("docs/operate.md lists each metric that a scrape shows, and no other", async () => {
  const page = readFileSync(new URL("../../../../docs/operate.md", import.meta.url), "utf8");
  const [, table = ""] = page.split("| metric | labels | what it counts |");
  const rows = table.split("\n\n")[0]?.split("\n").slice(2) ?? [];
  const listed = rows.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  const { app, callTool, scrape, send } = server();
  await callTool("list_sessions");
  await send("/mcp/list_tools", "x".repeat(32));
  const shown = [...(await scrape()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  expect(shown.toSorted()).toEqual(listed.toSorted());
  await app.close();
});

it("counts what is no call: strangers, streams, sessions of 2025, tasks", async () => {
  const work = defineTool({
    ...{ name: "work", description: "Works.", input: z.object({}), output: z.object({}) },
    ...{ session: "none", task: {}, run: () => ({}) },
  });
  const { app, send, scrape } = server({
    tools: [work],
    resources: builtinResources({ anonymous: false, items: undefined }),
  });
  const numberAt = async (name: string) => samplesOf(await scrape()).get(name);
  await send("/mcp/list_tools", "x".repeat(32));
  expect(await numberAt('stateful_mcp_auth_failures_total{reason="token"}')).toBe(1);

  const notifications = { resourceSubscriptions: ["session://plan/notes"] };
  const frames = framesOf(await modernFetch(app, "subscriptions/listen", { notifications }, { token: ALICE }));
  await frames.next();
  expect(await numberAt("stateful_mcp_listens")).toBe(1);
  await frames.return();
  await vi.waitUntil(async () => (await numberAt("stateful_mcp_listens")) === 0);

  const clientInfo = { name: "old", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  const hello = { method: "POST", body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params }) };
  const session = (await send("/mcp", ALICE, hello)).headers.get("mcp-session-id")!;
  const headers = { host: "localhost", authorization: `Bearer ${ALICE}`, "mcp-session-id": session };
  await app.fetch(new Request("http://localhost/mcp", { method: "DELETE", headers }));
  expect(await numberAt('mcp_server_session_duration_seconds_count{network_transport="tcp"}')).toBe(1);

  const capabilities = { extensions: { "io.modelcontextprotocol/tasks": {} } };
  await modern(app, "tools/call", { name: "work", arguments: {} }, { token: ALICE, capabilities });
  expect(await numberAt('stateful_mcp_tasks_created_total{gen_ai_tool_name="work"}')).toBe(1);
  const runs = 'stateful_mcp_tasks_runs_total{gen_ai_tool_name="work",result="completed"}';
  await vi.waitUntil(async () => (await numberAt(runs)) === 1);
  await app.close();
});
