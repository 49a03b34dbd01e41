// Samplers and propagators by the environment, as the specification of OpenTelemetry names them.
import { ROOT_CONTEXT, type SpanContext, SpanKind, TraceFlags, trace } from "@opentelemetry/api";
import { SamplingDecision } from "@opentelemetry/sdk-trace";
import { describe, expect, test } from "vitest";
import { propagatorOf, samplerOf } from "./sampling.ts";

const from = (values: Record<string, string>) => (name: string) => values[name];
const caller = (traceFlags: TraceFlags): SpanContext => ({
  ...{ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", isRemote: true, traceFlags },
});

function keeps(values: Record<string, string>, parent?: TraceFlags): { kept: boolean; told: string[] } {
  const told: string[] = [];
  const sampler = samplerOf(from(values), (message) => told.push(message));
  const under = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, caller(parent));
  const { decision } = sampler.shouldSample(under, caller(0).traceId, "span", SpanKind.SERVER, {}, []);
  return { kept: decision === SamplingDecision.RECORD_AND_SAMPLED, told };
}

describe("OTEL_TRACES_SAMPLER", () => {
  test.each<[string, string | undefined, own: boolean, sampled: boolean, unsampled: boolean]>([
    ["always_on", undefined, true, true, true],
    ["always_off", undefined, false, false, false],
    ["traceidratio", "0", false, false, false],
    ["traceidratio", "1", true, true, true],
    ["parentbased_always_on", undefined, true, true, false],
    ["parentbased_always_off", undefined, false, true, false],
    ["parentbased_traceidratio", "0", false, true, false],
    ["", undefined, true, true, false],
  ])("%s %s", (name, share, own, sampled, unsampled) => {
    const values = {
      ...(name !== "" && { OTEL_TRACES_SAMPLER: name }),
      ...(share !== undefined && { OTEL_TRACES_SAMPLER_ARG: share }),
    };
    const seen = [undefined, TraceFlags.SAMPLED, TraceFlags.NONE].map((flags) => keeps(values, flags).kept);
    expect(seen).toEqual([own, sampled, unsampled]);
  });

  test("what is not known is told, and does not stop the server", () => {
    expect(keeps({ OTEL_TRACES_SAMPLER: "jaeger_remote" })).toEqual({
      kept: true,
      told: [expect.stringContaining("jaeger_remote")],
    });
    const ratio = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "many" };
    expect(keeps(ratio)).toEqual({ kept: true, told: [expect.stringContaining("many")] });
  });
});

describe("OTEL_PROPAGATORS", () => {
  const fieldsOf = (names?: string) => {
    const told: string[] = [];
    const values = names === undefined ? {} : { OTEL_PROPAGATORS: names };
    return {
      fields: propagatorOf(from(values), (message) => told.push(message))
        .fields()
        .toSorted(),
      told,
    };
  };

  test.each<[string | undefined, string[]]>([
    [undefined, ["baggage", "traceparent", "tracestate"]],
    ["tracecontext", ["traceparent", "tracestate"]],
    ["baggage, tracecontext", ["baggage", "traceparent", "tracestate"]],
    ["none", []],
  ])("%s", (names, fields) => {
    expect(fieldsOf(names)).toEqual({ fields, told: [] });
  });

  test("what is not known is told and left out", () => {
    expect(fieldsOf("b3,tracecontext")).toEqual({
      fields: ["traceparent", "tracestate"],
      told: [expect.stringContaining('"b3"')],
    });
  });
});
