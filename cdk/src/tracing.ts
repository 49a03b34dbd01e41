// Whether a server's traces go to CloudWatch, and what that takes: an address, and the right to send. Knows nothing of spans.
import { Aws, Stack } from "aws-cdk-lib";
import { type IRole, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";
import { acknowledge } from "./checks.ts";

/** What can be chosen about traces. */
export interface TracingProps {
  /**
   * `"xray"` sends a span for each call and each request of the table to CloudWatch, signed, without a collector. The account has to store
   * spans in CloudWatch Logs (Transaction Search), which is turned on once for each region.
   * @default "off": no traces, and nothing of OpenTelemetry in a function's bundle
   */
  readonly tracing?: "off" | "xray";
}

/** Lets a process send spans, and tells it where to. Undefined without tracing. */
export function tracingFor(scope: Construct, { tracing = "off" }: TracingProps): Record<string, string> | undefined {
  if (tracing === "off") return undefined;
  return {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `https://xray.${Stack.of(scope).region}.${Aws.URL_SUFFIX}/v1/traces`,
    OTEL_METRICS_EXPORTER: "none",
  };
}

/** https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html */
export function grantSpans(role: IRole): void {
  role.addToPrincipalPolicy(
    new PolicyStatement({ actions: ["xray:PutSpans", "xray:PutSpansForIndexing"], resources: ["*"] }),
  );
  acknowledge(role, { "IAM5[Resource::*]": "Spans and segments belong to no resource that a policy could name." });
}
