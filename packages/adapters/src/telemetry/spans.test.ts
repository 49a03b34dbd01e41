// With an SDK that another part registered: a tool's own spans nest under the server's, or under the caller's where we make none.
import { context, metrics, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { defineTool, type LogFields, silentLogger } from "@stateful-mcp/core";
import { type TestApp, testApp } from "@stateful-mcp/core/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import * as z from "zod";
import { openSpans } from "./spans.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";
const exporter = new InMemorySpanExporter();

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
});
afterAll(() => {
  for (const api of [context, propagation, trace, metrics]) api.disable();
});
beforeEach(() => exporter.reset());

test("a request of the table is a span only in the work of a request", () => {
  openSpans("native").tableRequest("GetItem", "mcp_state")({ attempts: 1, units: 1 });
  expect(exporter.getFinishedSpans()).toEqual([]);
});

async function callTool(mode: "native" | "propagation") {
  let told: Readonly<Record<string, string>> | undefined;
  const tool = defineTool({
    name: "work",
    description: "Works under a span of its own.",
    run: (_, call) => {
      told = call.trace?.headers;
      trace.getTracer("author").startSpan("inner").end();
      return "done";
    },
  });
  const { app } = testApp({ tools: [tool], telemetry: openSpans(mode) });
  const answer = await app.fetch(
    new Request("http://localhost/tools/work", {
      method: "POST",
      headers: { host: "localhost", "content-type": "application/json", traceparent: `00-${TRACE}-${CALLER}-01` },
      body: "{}",
    }),
  );
  expect(answer.status).toBe(200);
  const spans = exporter.getFinishedSpans();
  const find = (name: string) => spans.find((span) => span.name === name);
  return { told, count: spans.length, inner: find("inner"), server: find("tools/call work") };
}

test("native: the tool's span is the server's child, and so is what the tool calls", async () => {
  const { told, count, inner, server } = await callTool("native");
  expect(count).toBe(2);
  expect(server?.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: CALLER });
  expect(inner?.parentSpanContext?.spanId).toBe(server?.spanContext().spanId);
  expect(told?.traceparent).toBe(`00-${TRACE}-${server?.spanContext().spanId}-01`);
});

test("propagation: the tool's span is the caller's child, and there is no other", async () => {
  const { told, count, inner } = await callTool("propagation");
  expect(count).toBe(1);
  expect(inner?.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: CALLER });
  expect(told?.traceparent).toBe(`00-${TRACE}-${CALLER}-01`);
});

/** A request of a client that takes tasks, under the caller's trace. */
async function ask({ app }: TestApp, method: string, params: Record<string, unknown>, flags = "01") {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } },
    traceparent: `00-${TRACE}-${CALLER}-${flags}`,
  };
  const answer = await app.fetch(
    new Request("http://localhost/mcp", {
      method: "POST",
      headers: {
        ...{ host: "localhost", "content-type": "application/json", accept: "application/json, text/event-stream" },
        ...{ "mcp-protocol-version": "2026-07-28", "mcp-method": method },
        "mcp-name": String(params.name ?? params.taskId),
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta } }),
    }),
  );
  return ((await answer.json()) as { result: { taskId: string; status: string } }).result;
}

/** A task whose process is killed when its first run has begun, and which another process ends. */
async function runTwice(mode: "native" | "propagation" | undefined, flags?: string) {
  const told: (string | undefined)[] = [];
  const tool = defineTool({
    name: "work",
    description: "Works under a span of its own, and never ends the first time.",
    task: "allowed",
    output: z.object({}),
    run: async (_, call) => {
      told.push(call.trace?.headers.traceparent);
      trace.getTracer("author").startSpan("inner").end();
      return told.length === 1 ? new Promise<never>(() => {}) : {};
    },
  });
  const lines: LogFields[] = [];
  const info = (fields: LogFields, message: string) => message === "task" && lines.push(fields);
  const logger = { ...silentLogger, info };
  const first = testApp({ tools: [tool], ...(mode && { telemetry: openSpans(mode) }), logger });
  const { taskId } = await ask(first, "tools/call", { name: "work", arguments: {} }, flags);
  await expect.poll(() => told.length).toBe(1);
  const second = first.crash();
  second.clock.advance(21);
  // Asked for under another trace, which is none of the run's.
  await expect.poll(async () => (await ask(second, "tasks/get", { taskId }, flags)).status).toBe("completed");
  await second.app.settle();
  await expect.poll(() => lines.length).toBe(1);
  const spans = exporter.getFinishedSpans();
  const find = (name: string) => spans.filter((span) => span.name === name);
  return { told, line: lines[0], find, spans };
}

test("native: a run of a task is a span of its own, in whichever process, linked to the call that made the task", async () => {
  const { told, line, find } = await runTwice("native");
  const [call] = find("tools/call work");
  const [run, ...others] = find("task work");
  // That of the killed process was never ended.
  expect(others).toEqual([]);
  expect(run?.parentSpanContext).toBeUndefined();
  expect(run?.spanContext().traceId).not.toBe(TRACE);
  expect(run?.links.map(({ context: linked }) => linked.spanId)).toEqual([call?.spanContext().spanId]);
  expect(run?.attributes).toEqual({
    "gen_ai.tool.name": "work",
    "gen_ai.operation.name": "execute_tool",
    "stateful_mcp.task.id": line?.task_id,
    "stateful_mcp.task.attempt": 2,
    "stateful_mcp.outcome": "completed",
  });
  const { traceId, spanId } = run?.spanContext() ?? {};
  expect(line).toMatchObject({ attempt: 2, outcome: "completed", trace_id: traceId, span_id: spanId });
  const inner = find("inner");
  expect(inner.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toContain(spanId);
  expect(told[1]).toBe(`00-${traceId}-${spanId}-01`);
  // Of the first run as well, although its span came to no end.
  expect(inner.some(({ parentSpanContext }) => parentSpanContext?.spanId === call?.spanContext().spanId)).toBe(false);
});

test("native: runs of a call that is not sampled are not either, and the log names its trace", async () => {
  const { line, spans } = await runTwice("native", "00");
  expect(spans).toEqual([]);
  expect(line).toMatchObject({ trace_id: TRACE });
});

test("propagation: what a run's tool begins is the caller's child, in whichever process", async () => {
  const { told, line, find, spans } = await runTwice("propagation");
  expect(spans).toHaveLength(2);
  for (const inner of find("inner")) expect(inner.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: CALLER });
  expect(told).toEqual(Array(2).fill(`00-${TRACE}-${CALLER}-01`));
  expect(line).toMatchObject({ trace_id: TRACE, span_id: CALLER });
});

test("without telemetry a run's tool and its line in the log know the caller's trace", async () => {
  const { told, line } = await runTwice(undefined);
  expect(told).toEqual(Array(2).fill(`00-${TRACE}-${CALLER}-01`));
  expect(line).toMatchObject({ trace_id: TRACE, span_id: CALLER });
});

test.each([
  ["given_up", { type: "given_up" }],
  ["completed", undefined],
] as const)("a run that ends as %s", (outcome, failure) => {
  const span = openSpans("native").taskRun({ tool: undefined, task: "tsk_1", attempt: 4, call: undefined });
  span.tell({ outcome });
  span.end(failure);
  const [run] = exporter.getFinishedSpans();
  expect(run).toMatchObject({ name: "task", links: [], attributes: { "stateful_mcp.outcome": outcome } });
  expect(run?.attributes).not.toHaveProperty("stateful_mcp.error.code");
  expect(run?.attributes["error.type"]).toBe(failure?.type);
});
