// Telemetry in real processes, against a collector on loopback: which modules are loaded, which spans arrive, and under which parent.
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type SinkSpan, startSink } from "@stateful-mcp/rig";
import dynalite from "dynalite";
import { describe, expect, it, onTestFinished } from "vitest";
import { run, start, startServer, temporaryDirectory } from "./process.ts";

const SERVER = 2;
const CLIENT = 3;
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const FROM_META = `00-${TRACE}-b7ad6b7169203331-01`;
const FROM_HEADER = "00-11111111111111111111111111111111-2222222222222222-01";
const REVISION = "2026-07-28";
const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": REVISION,
  "io.modelcontextprotocol/clientInfo": { name: "probe", version: "7" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

async function post(url: string, body: object, headers: Record<string, string> = {}) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { accept: "application/json, text/event-stream", "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

/** A request of 2026; `plain: false` gives it a member that only the SDK's way takes. */
function modern(
  url: string,
  method: string,
  params: Record<string, unknown>,
  { meta = {}, plain = true, headers = {} },
) {
  const routing = { "mcp-protocol-version": REVISION, "mcp-method": method };
  const named = typeof params.name === "string" ? { "mcp-name": params.name } : {};
  const more = plain ? {} : { progressToken: 1 };
  const body = { jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: { ...ENVELOPE, ...more, ...meta } } };
  return post(url, body, { ...routing, ...named, ...headers });
}

const stop = async (server: Awaited<ReturnType<typeof startServer>>) => {
  server.child.kill("SIGTERM");
  return server.ended;
};
const named = (spans: readonly SinkSpan[], name: string) => spans.filter((span) => span.name === name);

describe("with an endpoint", () => {
  it("each request over HTTP has one server span under the caller's, on both ways and in both eras", async () => {
    await using sink = await startSink();
    const server = await startServer([], { env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url } });
    const url = `${server.url}/mcp`;
    const note = { name: "add_note", arguments: { note: "x" } };
    const meta = { traceparent: FROM_META };
    for (const plain of [true, false])
      await modern(url, "tools/call", note, { meta, plain, headers: { traceparent: FROM_HEADER } });
    for (const _ of [1, 2]) await modern(url, "tools/list", {}, { headers: { traceparent: FROM_HEADER } });
    await modern(url, "server/discover", {}, { plain: false });
    await modern(url, "tools/call", { name: "get_value", arguments: {} }, {});
    await modern(url, "tools/call", { name: "made_up_4711", arguments: {} }, {});
    const clientInfo = { name: "old", version: "1" };
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
    const hello = await post(url, { jsonrpc: "2.0", id: 1, method: "initialize", params });
    const session = { "mcp-session-id": hello.headers.get("mcp-session-id")! };
    await post(url, { jsonrpc: "2.0", method: "notifications/initialized" }, session);
    const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { ...note, _meta: meta } };
    expect((await post(url, call, session)).status).toBe(200);
    await post(`${server.url}/tools/add_note`, { note: "y" }, { traceparent: FROM_HEADER });
    const { stderr } = await stop(server);

    const adds = named(sink.spans, "tools/call add_note");
    expect(adds.map(({ parentSpanId, links }) => [parentSpanId, links])).toEqual([
      ["b7ad6b7169203331", ["2222222222222222"]],
      ["b7ad6b7169203331", ["2222222222222222"]],
      ["b7ad6b7169203331", []],
      ["2222222222222222", []],
    ]);
    expect(new Set(adds.slice(0, 3).map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    expect(adds[0]).toMatchObject({
      kind: SERVER,
      status: 0,
      attributes: {
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "add_note",
        "gen_ai.operation.name": "execute_tool",
        "mcp.protocol.version": REVISION,
        "jsonrpc.request.id": "1",
        "network.transport": "tcp",
        "network.protocol.name": "http",
        "stateful_mcp.outcome": "ok",
      },
    });
    expect(adds[2]?.attributes["mcp.protocol.version"]).toBe("2025-11-25");
    expect(adds[2]?.attributes["mcp.session.id"]).toMatch(/^[\w-]{22}$/);
    expect(JSON.stringify(sink.spans)).not.toContain(session["mcp-session-id"]);
    expect(named(sink.spans, "tools/list").map(({ parentSpanId }) => parentSpanId)).toEqual(
      Array(2).fill("2222222222222222"),
    );
    expect(named(sink.spans, "server/discover")).toHaveLength(1);
    // One for the client's own, none for the one that restores the session.
    expect(named(sink.spans, "initialize")).toHaveLength(1);
    const [failed] = named(sink.spans, "tools/call get_value");
    expect(failed).toMatchObject({
      status: 2,
      attributes: { "error.type": "tool_error", "stateful_mcp.error.code": "invalid_input" },
    });
    expect(named(sink.spans, "tools/call")).toMatchObject([
      { status: 2, attributes: { "error.type": "-32602", "rpc.response.status_code": "-32602" } },
    ]);
    expect(JSON.stringify(sink.spans)).not.toContain("made_up_4711");
    expect(sink.services).toEqual(new Set(["stateful-mcp"]));
    expect(sink.spans.filter(({ kind }) => kind === SERVER)).toHaveLength(10);
    const points = sink.metrics.get("mcp.server.operation.duration") ?? [];
    expect(points).toContainEqual(
      expect.objectContaining({ "gen_ai.tool.name": "add_note", "network.transport": "tcp" }),
    );
    expect(sink.metrics.has("nodejs.eventloop.delay.p99")).toBe(true);
    // The log names the server's own span, in the caller's trace.
    const lines = stderr.split("\n").filter((line) => line.includes('"message":"call"'));
    const first = JSON.parse(lines.find((line) => line.includes('"tool":"add_note"'))!) as Record<string, unknown>;
    expect([first.trace_id, first.span_id]).toEqual([TRACE, adds[0]?.spanId]);
  });

  it("requests of the table are children of the request", async () => {
    await using sink = await startSink();
    const engine = dynalite({ path: temporaryDirectory(), createTableMs: 0 }).listen(0, "127.0.0.1");
    onTestFinished(() => void engine.close());
    await once(engine, "listening");
    const env = {
      MCP_STATE_BACKEND: "dynamodb",
      DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${(engine.address() as AddressInfo).port}`,
      ...{ AWS_REGION: "eu-central-1", AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" },
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    };
    const server = await startServer(["--create-table"], { env });
    await post(`${server.url}/tools/add_note`, { note: "y" });
    await stop(server);
    const [call] = named(sink.spans, "tools/call add_note");
    const children = sink.spans.filter(({ parentSpanId }) => parentSpanId === call?.spanId);
    expect(children.length).toBeGreaterThan(1);
    for (const child of children) {
      expect(child).toMatchObject({ kind: CLIENT, traceId: call?.traceId });
      expect(child.attributes).toMatchObject({
        "db.system.name": "aws.dynamodb",
        "aws.dynamodb.table_names": ["mcp_state"],
        "stateful_mcp.store.attempts": 1,
      });
    }
    expect(children.some(({ attributes }) => Number(attributes["stateful_mcp.store.consumed_capacity"]) > 0)).toBe(
      true,
    );
    expect(sink.metrics.get("stateful_mcp.store.request.duration")).not.toEqual([]);
  });

  it("over stdio nothing but the protocol reaches stdout", async () => {
    await using sink = await startSink();
    const running = start([], { env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url } });
    const params = { name: "add_note", arguments: { note: "x" }, _meta: { ...ENVELOPE, traceparent: FROM_META } };
    running.child.stdin.end(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params })}\n`);
    const { code, stdout } = await running.ended;
    expect(code).toBe(0);
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).id),
    ).toEqual([1]);
    expect(named(sink.spans, "tools/call add_note")).toMatchObject([
      { kind: SERVER, parentSpanId: "b7ad6b7169203331", attributes: { "network.transport": "pipe" } },
    ]);
  });

  it.each<Record<string, string>>([
    { STATEFUL_MCP_TELEMETRY: "native", OTEL_LOG_LEVEL: "debug" },
    { STATEFUL_MCP_TELEMETRY: "propagation", OTEL_LOG_LEVEL: "all" },
    { STATEFUL_MCP_TELEMETRY: "off", LOG_LEVEL: "debug" },
    { STATEFUL_MCP_JOURNAL: "calls", STATEFUL_MCP_METRICS: "on", LOG_LEVEL: "debug" },
    { STATEFUL_MCP_JOURNAL: "rollup", OTEL_SDK_DISABLED: "perhaps" },
    { OTEL_TRACES_SAMPLER: "made up", OTEL_TRACES_SAMPLER_ARG: "-7", OTEL_PROPAGATORS: "b3,\u0007" },
    { OTEL_METRIC_EXPORT_INTERVAL: "soon", OTEL_BSP_SCHEDULE_DELAY: "-1", OTEL_RESOURCE_ATTRIBUTES: "=,%%,a" },
    { OTEL_EXPORTER_OTLP_HEADERS: "no header", OTEL_EXPORTER_OTLP_TIMEOUT: "x", OTEL_EXPORTER_OTLP_COMPRESSION: "x" },
  ])("stdout has the answer alone, and the answer is a good one: %j", async (settings) => {
    const running = start([], { env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", ...settings } });
    const hostile = { traceparent: "00-zz", tracestate: "a=b,".repeat(50_000), baggage: "\u001b[2J" };
    const clientInfo = { name: "\u001b]0;x\u0007", version: "\u0000" };
    const _meta = { ...ENVELOPE, "io.modelcontextprotocol/clientInfo": clientInfo, ...hostile };
    const params = { name: "add_note", arguments: { note: "x" }, _meta };
    running.child.stdin.end(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params })}\n`);
    const { code, stdout } = await running.ended;
    const messages = stdout.trimEnd().split("\n");
    expect([code, messages]).toEqual([0, [expect.any(String)]]);
    expect(JSON.parse(messages[0]!)).toMatchObject({ id: 1, result: { structuredContent: { count: 1 } } });
  });

  it("a collector that is not there is no error of a call, and does not hold up the end", async () => {
    const server = await startServer([], { env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" } });
    expect((await post(`${server.url}/tools/add_note`, { note: "y" })).status).toBe(200);
    expect((await stop(server)).code).toBe(0);
  });
});

describe("which modules are loaded", () => {
  /** Prints the OpenTelemetry modules that a process asked for, when it ends. */
  const probe = () => {
    const hooks = join(temporaryDirectory(), "probe.mjs");
    writeFileSync(
      hooks,
      `import { registerHooks } from "node:module";
const seen = [];
registerHooks({ load(url, context, next) { if (url.includes("opentelemetry")) seen.push(url); return next(url, context); } });
process.on("exit", () => process.stderr.write("OTEL MODULES " + seen.length + "\\n"));`,
    );
    return ["--import", hooks];
  };
  const modulesOf = async (env: Record<string, string>) => {
    const { stderr, code } = await run([], { env, nodeArguments: probe() });
    expect(code).toBe(0);
    return Number(/OTEL MODULES (\d+)/.exec(stderr)?.[1]);
  };

  it("none without a wish for it, or against it", async () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
    expect(await modulesOf({})).toBe(0);
    expect(await modulesOf({ ...endpoint, STATEFUL_MCP_TELEMETRY: "off" })).toBe(0);
    expect(await modulesOf({ ...endpoint, OTEL_SDK_DISABLED: "true" })).toBe(0);
    expect(await modulesOf({ OTEL_TRACES_EXPORTER: "none" })).toBe(0);
    expect(await modulesOf(endpoint)).toBeGreaterThan(0);
  });
});

it("refuses an exporter that would write to stdout over stdio, in one line", async () => {
  for (const name of ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"]) {
    const { code, stdout, stderr } = await run([], { env: { [name]: "console" } });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toContain(name);
  }
});
