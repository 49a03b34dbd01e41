// A collector on loopback that keeps what OTLP/HTTP exporters send as JSON.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface SinkSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly status: number;
  readonly links: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface Sink {
  readonly url: string;
  readonly spans: SinkSpan[];
  /** Data points by metric. */
  readonly metrics: Map<string, Readonly<Record<string, unknown>>[]>;
  readonly services: Set<unknown>;
}

/** Listens until the test is over. */
export async function startSink(): Promise<Sink> {
  const sink = { spans: [] as SinkSpan[], metrics: new Map(), services: new Set<unknown>() };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    // biome-ignore lint/suspicious/noExplicitAny: OTLP's JSON as it comes.
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as any;
    for (const one of body.resourceSpans ?? []) {
      sink.services.add(attributesOf(one.resource.attributes)["service.name"]);
      for (const { spans } of one.scopeSpans) sink.spans.push(...spans.map(spanOf));
    }
    for (const { scopeMetrics } of body.resourceMetrics ?? [])
      for (const { metrics } of scopeMetrics)
        for (const metric of metrics) {
          const { dataPoints } = metric.histogram ?? metric.sum ?? metric.gauge;
          const points = dataPoints.map((point: { attributes?: never[] }) => attributesOf(point.attributes ?? []));
          sink.metrics.set(metric.name, points);
        }
    response.setHeader("content-type", "application/json").end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { ...sink, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

// biome-ignore lint/suspicious/noExplicitAny: OTLP's JSON as it comes.
const spanOf = (span: any): SinkSpan => ({
  name: span.name,
  kind: span.kind,
  traceId: span.traceId,
  spanId: span.spanId,
  parentSpanId: span.parentSpanId ?? "",
  status: span.status?.code ?? 0,
  links: (span.links ?? []).map(({ spanId }: { spanId: string }) => spanId),
  attributes: attributesOf(span.attributes ?? []),
});

const attributesOf = (list: readonly { key: string; value: Record<string, unknown> }[]) =>
  Object.fromEntries(
    list.map(({ key, value }) => {
      const [given] = Object.values(value);
      const { values } = (given ?? {}) as { values?: Record<string, unknown>[] };
      return [key, values ? values.map((one) => Object.values(one)[0]) : given];
    }),
  );
