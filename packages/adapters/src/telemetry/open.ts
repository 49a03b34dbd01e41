// Decides whether a process has telemetry at all: only where an OpenTelemetry SDK is registered in it, or the environment names an
// exporter. Without that it loads nothing. Reads the environment it is given and never the process.
import { AppError, type Config, type Logger, type Telemetry } from "@stateful-mcp/core/runtime";
import { wantedSignals } from "./signals.ts";

/** Telemetry of a process, until it is closed. */
export interface OpenTelemetry {
  readonly telemetry: Telemetry;
  /** Sends what is there, for at most three seconds. */
  flush(): Promise<void>;
  /** Sends what is there, for at most three seconds, and ends. */
  close(): Promise<void>;
}

/** What the decision is made from. */
export interface OpenTelemetryOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  /** What the process is called where the environment does not say. */
  readonly service: string;
  /** Whether stdout belongs to the protocol. */
  readonly stdio?: boolean;
}

/** Where the API keeps what is registered, since version 1.0. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");
const EXPORTERS = ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"] as const;

/** Undefined where telemetry was not asked for. @throws AppError `invalid_input` for an exporter that cannot be had here. */
export async function openTelemetry(
  mode: Config["telemetry"],
  { environment, logger, service, stdio = false }: OpenTelemetryOptions,
): Promise<OpenTelemetry | undefined> {
  const given = (name: string) => environment[name]?.trim() || undefined;
  if (mode === "off" || given("OTEL_SDK_DISABLED")?.toLowerCase() === "true") return undefined;
  for (const name of EXPORTERS) {
    if (!stdio || given(name) !== "console") continue;
    throw new AppError(
      "invalid_input",
      `${name}: "console" is not allowed over stdio, where stdout belongs to the protocol; expected otlp, none`,
    );
  }
  const registered = REGISTERED in globalThis;
  const wanted = wantedSignals(given);
  if (!registered && !wanted.traces && !wanted.metrics) return undefined;
  let exporting: Pick<OpenTelemetry, "flush" | "close"> | undefined;
  if (!registered) {
    try {
      const { startExporting } = await import("./export.ts");
      const { signedEndpoint } = await import("./xray.ts");
      const signed = signedEndpoint(given("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") ?? "");
      exporting = startExporting({ ...wanted, signed }, { service, logger, given });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
      logger.warn({ err: error }, "OTEL_* names an exporter, but the OpenTelemetry SDK is not installed");
      return undefined;
    }
  }
  const { openSpans } = await import("./spans.ts");
  // An SDK that another part registered is flushed and ended by that part.
  const nothing = async () => {};
  return {
    telemetry: openSpans(mode),
    flush: exporting?.flush ?? nothing,
    close: exporting?.close ?? nothing,
  };
}
