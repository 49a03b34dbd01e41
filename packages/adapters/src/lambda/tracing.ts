// Traces of a server on Lambda: calls without a trace of their own join the one that Lambda has begun for the invocation, and spans are
// sent before the environment is frozen. Knows no SDK.
import type { App, Config, Logger, Telemetry } from "@stateful-mcp/core/runtime";

/** What makes spans in this environment, and sends them. */
export interface Tracing {
  readonly telemetry: Telemetry;
  /** Sends what is there, for at most three seconds. */
  flush(): Promise<void>;
  /** The present invocation's trace as Lambda writes it: `Root=1-…;Parent=…;Sampled=…`. */
  invocation(): string | undefined;
}

/** Begins to send spans. Given from outside, because the SDK weighs as much as the rest of a function. */
export type OpenTracing = (
  config: Config,
  options: { environment: Readonly<Record<string, string | undefined>>; logger: Logger; service: string },
) => Tracing | undefined;

const XRAY = /^Root=1-([0-9a-f]{8})-([0-9a-f]{24});Parent=([0-9a-f]{16});Sampled=([01])/;

/**
 * AWS's trace as W3C's `traceparent`: both have the same ids.
 * https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
 */
export function traceparentOf(invocation: string | undefined): string | undefined {
  const [, time, rest, parent, sampled] = XRAY.exec(invocation ?? "") ?? [];
  return parent === undefined ? undefined : `00-${time}${rest}-${parent}-0${sampled}`;
}

/** The app with the invocation's trace around its requests, which has sent its spans when it has settled. */
export function traced(app: App, tracing: Tracing): App {
  return {
    ...app,
    fetch: (request, carried) => {
      const parent = traceparentOf(tracing.invocation());
      if (parent !== undefined && !request.headers.has("traceparent")) request.headers.set("traceparent", parent);
      return app.fetch(request, carried);
    },
    settle: async () => {
      await app.settle();
      await tracing.flush();
    },
  };
}
