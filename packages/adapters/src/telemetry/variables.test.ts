// What is said of OTEL_* variables that hold nothing of use.
import { expect, test } from "vitest";
import { misreadVariables } from "./variables.ts";

const told = (variables: Readonly<Record<string, string>>) => misreadVariables((name) => variables[name]);

test.each<[name: string, value: string, expected: string]>([
  ["OTEL_SDK_DISABLED", "perhaps", "true or false"],
  ["OTEL_METRIC_EXPORT_INTERVAL", "soon", "a whole number from 0 up"],
  ["OTEL_BSP_SCHEDULE_DELAY", "-1", "a whole number from 0 up"],
  ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1.5", "a whole number from 0 up"],
  ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/json or http/protobuf"],
  ["OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "zstd", "gzip or none"],
  ["OTEL_RESOURCE_ATTRIBUTES", "a=1,b", "name=value, several with commas between them"],
])("%s=%s is told, with what is expected", (name, value, expected) => {
  expect(told({ [name]: value })).toEqual([`${name}: ${JSON.stringify(value)} cannot be right; expected ${expected}`]);
});

test("headers are told without their value, which may be a key", () => {
  const [message, ...more] = told({ OTEL_EXPORTER_OTLP_HEADERS: "secret" });
  expect(more).toEqual([]);
  expect(message).toContain("OTEL_EXPORTER_OTLP_HEADERS: the value cannot be right");
  expect(message).not.toContain("secret");
});

test("nothing is told of what can be read", () => {
  expect(
    told({
      OTEL_SDK_DISABLED: "FALSE",
      OTEL_METRIC_EXPORT_INTERVAL: "60000",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      OTEL_EXPORTER_OTLP_HEADERS: "api-key=a=b, x-team = c",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=prod,team=a%20b,",
    }),
  ).toEqual([]);
});
