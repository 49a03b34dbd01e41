// Traces that go to CloudWatch, in the bundle only of functions that have them.
import { AppError } from "@stateful-mcp/core/runtime";
import { startExporting } from "../../telemetry/export.ts";
import { openSpans } from "../../telemetry/spans.ts";
import { signedEndpoint } from "../../telemetry/xray.ts";
import type { OpenTracing } from "../tracing.ts";

/** Metrics of functions are CloudWatch's own, made from the log. */
export const openTracing: OpenTracing = ({ telemetry: mode }, { environment, logger, service }) => {
  if (mode === "off") return undefined;
  const url = environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  const region = environment.AWS_REGION;
  if (url === undefined || region === undefined)
    throw new AppError(
      "invalid_input",
      "This function was bundled to send traces, and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or AWS_REGION is missing",
    );
  const { flush } = startExporting(
    { traces: "otlp", metrics: undefined, signed: signedEndpoint(url, region) },
    { service, logger, given: (name) => environment[name]?.trim() || undefined },
  );
  return { telemetry: openSpans(mode), flush, invocation: () => environment._X_AMZN_TRACE_ID };
};
