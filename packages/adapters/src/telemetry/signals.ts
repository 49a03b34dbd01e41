// Which signals `OTEL_*` wants exported, and how. Reads through what it is given and never the process.
import { AppError } from "@stateful-mcp/core/runtime";
import type { SignedEndpoint } from "./xray.ts";

/** Where a signal goes; undefined: nowhere. */
export type ExporterName = "otlp" | "console" | undefined;

/** What the environment wants exported. */
export interface WantedSignals {
  readonly traces: ExporterName;
  readonly metrics: ExporterName;
  /** Where spans are sent that AWS has to be able to tell whose they are; undefined: to an endpoint without signatures. */
  readonly signed?: SignedEndpoint | undefined;
}

/** What the variables ask for. @throws AppError `invalid_input` for an exporter that is not known here. */
export function wantedSignals(given: (name: string) => string | undefined): WantedSignals {
  const wanted = (signal: "TRACES" | "METRICS"): ExporterName => {
    const name = `OTEL_${signal}_EXPORTER`;
    const exporter = given(name);
    if (exporter === "none") return undefined;
    if (exporter === "otlp" || exporter === "console") return exporter;
    if (exporter !== undefined)
      throw new AppError(
        "invalid_input",
        `${name}: ${JSON.stringify(exporter)} is not allowed; expected otlp, console, none`,
      );
    const endpoint = given(`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`) ?? given("OTEL_EXPORTER_OTLP_ENDPOINT");
    return endpoint === undefined ? undefined : "otlp";
  };
  return { traces: wanted("TRACES"), metrics: wanted("METRICS") };
}
