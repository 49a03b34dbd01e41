// What stands wrongly in the OTEL_* variables that the SDK's packages read themselves: they leave such a value out without a word, or take
// it as it is. Reads through what it is given and never the process.

type Given = (name: string) => string | undefined;

interface Kind {
  readonly takes: (text: string) => boolean;
  /** After "expected". */
  readonly expected: string;
}

const oneOf = (...values: readonly string[]): Kind => ({
  takes: (text) => values.includes(text.toLowerCase()),
  expected: values.join(" or "),
});
const WHOLE: Kind = { takes: (text) => /^\d{1,9}$/.test(text), expected: "a whole number from 0 up" };
const PAIRS: Kind = {
  takes: (text) => text.split(",").every((pair) => pair.trim() === "" || /^\s*[^\s=,]+\s*=/.test(pair)),
  expected: "name=value, several with commas between them",
};
const COMPRESSION = oneOf("gzip", "none");
// Collectors take JSON where they take protobuf over HTTP. That of gRPC is another port.
const PROTOCOL = oneOf("http/json", "http/protobuf");

const KINDS: Readonly<Record<string, Kind>> = {
  OTEL_SDK_DISABLED: oneOf("true", "false"),
  OTEL_RESOURCE_ATTRIBUTES: PAIRS,
  OTEL_BSP_SCHEDULE_DELAY: WHOLE,
  OTEL_BSP_EXPORT_TIMEOUT: WHOLE,
  OTEL_BSP_MAX_QUEUE_SIZE: WHOLE,
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: WHOLE,
  OTEL_METRIC_EXPORT_INTERVAL: WHOLE,
  OTEL_METRIC_EXPORT_TIMEOUT: WHOLE,
  ...Object.fromEntries(
    ["OTEL_EXPORTER_OTLP", "OTEL_EXPORTER_OTLP_TRACES", "OTEL_EXPORTER_OTLP_METRICS"].flatMap((start) => [
      [`${start}_PROTOCOL`, PROTOCOL],
      [`${start}_COMPRESSION`, COMPRESSION],
      [`${start}_TIMEOUT`, WHOLE],
      [`${start}_HEADERS`, PAIRS],
    ]),
  ),
};

/** A sentence for each variable whose value is none. A value of headers is not shown: it may be a key. */
export function misreadVariables(given: Given): string[] {
  return Object.entries(KINDS).flatMap(([name, { takes, expected }]) => {
    const text = given(name);
    if (text === undefined || takes(text)) return [];
    const shown = name.endsWith("_HEADERS") ? "the value" : JSON.stringify(text.slice(0, 100));
    return [`${name}: ${shown} cannot be right; expected ${expected}`];
  });
}
