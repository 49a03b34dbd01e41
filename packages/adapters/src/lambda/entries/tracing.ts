// No traces. A bundler that gives this module xray.ts instead adds an OpenTelemetry SDK.
import type { OpenTracing } from "../tracing.ts";

/** Nothing to open. */
export const openTracing: OpenTracing | undefined = undefined;
