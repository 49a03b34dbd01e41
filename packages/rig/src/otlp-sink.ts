// A collector on loopback that keeps what OTLP/HTTP exporters send as JSON.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** A span as it arrived. */
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

/** What has arrived so far. */
export interface Sink extends AsyncDisposable {
  readonly url: string;
  /** `Authorization` of each request. */
  readonly signatures: (string | undefined)[];
  readonly spans: SinkSpan[];
  /** Data points by metric. */
  readonly metrics: Map<string, Readonly<Record<string, unknown>>[]>;
  readonly services: Set<unknown>;
}

/** Listens until it is disposed of. */
export async function startSink(): Promise<Sink> {
  const sink = {
    signatures: [] as (string | undefined)[],
    spans: [] as SinkSpan[],
    metrics: new Map(),
    services: new Set<unknown>(),
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    // biome-ignore lint/suspicious/noExplicitAny: OTLP's JSON as it comes.
    const body = JSON.parse(decoded(Buffer.concat(chunks), request.headers["content-encoding"])) as any;
    sink.signatures.push(request.headers.authorization);
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
  return {
    ...sink,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const decoded = (bytes: Buffer, encoding: string | undefined): string =>
  (encoding === "gzip" ? gunzipSync(bytes) : bytes).toString("utf8");

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
