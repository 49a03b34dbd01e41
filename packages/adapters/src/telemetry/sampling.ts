// Which traces are kept and which headers carry them, as OTEL_TRACES_SAMPLER and OTEL_PROPAGATORS say: the SDK's packages leave these two
// to who puts them together. Reads through what it is given and never the process.
import type { TextMapPropagator } from "@opentelemetry/api";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";

type Given = (name: string) => string | undefined;
type Warn = (message: string) => void;

const ROOTS: Readonly<Record<string, (share: number) => Sampler>> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (share) => new TraceIdRatioBasedSampler(share),
};
const PARENT_BASED = "parentbased_";

/** As the variables say. What they say wrongly is told and counts as nothing, as the specification has it. */
export function samplerOf(given: Given, warn: Warn): Sampler {
  const name = given("OTEL_TRACES_SAMPLER")?.toLowerCase() ?? "parentbased_always_on";
  const followsParent = name.startsWith(PARENT_BASED);
  const root = ROOTS[followsParent ? name.slice(PARENT_BASED.length) : name];
  if (!root) {
    warn(`OTEL_TRACES_SAMPLER: ${JSON.stringify(name)} is not known here; every trace of its own is kept`);
    return new ParentBasedSampler({ root: new AlwaysOnSampler() });
  }
  const sampler = root(shareOf(given("OTEL_TRACES_SAMPLER_ARG"), warn));
  return followsParent ? new ParentBasedSampler({ root: sampler }) : sampler;
}

function shareOf(text: string | undefined, warn: Warn): number {
  if (text === undefined) return 1;
  const share = Number(text);
  if (share >= 0 && share <= 1) return share;
  warn(`OTEL_TRACES_SAMPLER_ARG: ${JSON.stringify(text)} is no number from 0 to 1; 1 is taken`);
  return 1;
}

const PROPAGATORS: Readonly<Record<string, () => TextMapPropagator>> = {
  tracecontext: () => new W3CTraceContextPropagator(),
  baggage: () => new W3CBaggagePropagator(),
};

/** As the variable says; without it trace context and baggage of the W3C. */
export function propagatorOf(given: Given, warn: Warn): TextMapPropagator {
  const names = (given("OTEL_PROPAGATORS") ?? "tracecontext,baggage").split(",").map((name) => name.trim());
  const propagators = names.flatMap((name) => {
    const make = PROPAGATORS[name];
    if (!make && name !== "none" && name !== "")
      warn(`OTEL_PROPAGATORS: ${JSON.stringify(name)} is not known here; it is left out`);
    return make ? [make()] : [];
  });
  return new CompositePropagator({ propagators });
}
