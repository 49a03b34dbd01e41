// The OpenTelemetry SDK of a process that was only told where to send: registered for the whole process, so that spans of a tool's
// author go the same way. Loaded only then. Endpoints, headers and time-outs are read from `OTEL_EXPORTER_OTLP_*` by the exporters.
import { context, DiagLogLevel, diag, metrics, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { ConsoleMetricExporter, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, ConsoleSpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { type Logger, VERSION } from "@stateful-mcp/core/runtime";
import { propagatorOf, samplerOf } from "./sampling.ts";
import type { WantedSignals } from "./signals.ts";
import { misreadVariables } from "./variables.ts";
import { SignedSpanExporter } from "./xray.ts";

/** Milliseconds that an exporter which does not answer may hold up the end of the process. */
const FLUSH_MS = 3_000;

/** Registers the SDK and begins to export. */
export function startExporting(
  wanted: WantedSignals,
  { service, logger, given }: { service: string; logger: Logger; given: (name: string) => string | undefined },
): { flush(): Promise<void>; close(): Promise<void> } {
  const tell = (message: string) => logger.warn({ reason: message }, "Telemetry could not be sent");
  const nothing = () => {};
  diag.setLogger({ error: tell, warn: tell, info: nothing, debug: nothing, verbose: nothing }, DiagLogLevel.WARN);
  const resource = resourceFromAttributes({ "service.name": service, "service.version": VERSION }).merge(
    detectResources({ detectors: [envDetector] }),
  );
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const misread = (message: string) => logger.warn({}, message);
  for (const message of misreadVariables(given)) misread(message);
  propagation.setGlobalPropagator(propagatorOf(given, misread));
  const spanExporter =
    wanted.traces === "console"
      ? new ConsoleSpanExporter()
      : wanted.signed
        ? new SignedSpanExporter(wanted.signed)
        : new OTLPTraceExporter();
  const spans = new TracerProvider({
    resource,
    sampler: samplerOf(given, misread),
    spanProcessors: wanted.traces ? [new BatchSpanProcessor({ exporter: spanExporter })] : [],
  });
  trace.setGlobalTracerProvider(spans);
  const metricExporter = wanted.metrics === "console" ? new ConsoleMetricExporter() : new OTLPMetricExporter();
  const meters = new MeterProvider({
    resource,
    readers: wanted.metrics ? [new PeriodicExportingMetricReader({ exporter: metricExporter })] : [],
  });
  metrics.setGlobalMeterProvider(meters);
  const inTime = async (work: readonly Promise<unknown>[]) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FLUSH_MS);
    });
    const failing = work.map((one) => one.catch((error: Error) => tell(error.message)));
    await Promise.race([Promise.all(failing), late]);
    clearTimeout(timer);
  };
  return {
    flush: () => inTime([spans.forceFlush(), meters.forceFlush()]),
    close: () => inTime([spans.shutdown(), meters.shutdown()]),
  };
}
