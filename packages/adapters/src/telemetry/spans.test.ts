// With an SDK that another part registered: a tool's own spans nest under the server's, or under the caller's where we make none.
import { context, metrics, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { defineTool } from "@stateful-mcp/core";
import { testApp } from "@stateful-mcp/core/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
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
