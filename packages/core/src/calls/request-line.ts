// What the log and those who count are told of a request: who made it, with what, and how it ended. Knows no protocol and not where
// lines go. No argument, no result and no name that a caller made up is in it.
import { randomUUID } from "node:crypto";
import type { CallRecord } from "../call-record.ts";
import type { LogFields } from "../logger.ts";
import { ANONYMOUS_PRINCIPAL } from "../principal.ts";
import type { TableUse } from "../stores/state-store.ts";
import { cutText } from "../text.ts";
import type { TraceContext } from "../trace.ts";
import type { CallSource, Services } from "./services.ts";

type Told = Pick<CallSource, "origin" | "client" | "principal">;

/** The fields that every line about a request has. The client is what a program said of itself, so it is cut. */
export const requestFields = (
  { origin = {}, client, principal }: Told,
  trace: TraceContext | undefined,
  what: LogFields = {},
): LogFields => ({
  request_id: origin.requestId ?? randomUUID(),
  ...(origin.transport && { transport: origin.transport }),
  ...(origin.era && { era: origin.era }),
  ...(origin.method && { method: origin.method }),
  ...(client && { client: cutText(client.toWellFormed(), 200) }),
  ...what,
  principal: principal.id,
  principal_name: cutText(principal.subject, 100),
  ...(trace && { trace_id: trace.traceId, span_id: trace.spanId }),
});

/** How a request ended, and what it took. */
export interface RequestEnd {
  readonly outcome: string;
  /** When it began, in `performance.now()` milliseconds. */
  readonly started: number;
  /** What it asked of the table, where that is counted. */
  readonly table?: TableUse | undefined;
}

/**
 * Writes the request's line, and tells those who count. `call`: a tool, a prompt or a resource did something for its caller;
 * `request`: everything else of the protocol.
 */
export function tellRequest(
  { logger, state, observer }: Pick<Services, "logger" | "state" | "observer">,
  message: "call" | "request",
  fields: LogFields,
  { outcome, started, table }: RequestEnd,
): void {
  const durationMs = Math.round((performance.now() - started) * 10) / 10;
  const used = table && { table_requests: table.requests, table_attempts: table.attempts, table_units: table.units };
  // Strangers' calls are let in in bounded numbers, their other requests are not.
  const isBounded = fields.principal !== ANONYMOUS_PRINCIPAL.id || (message === "call" && outcome !== "rate_limited");
  const { tells, untold } = isBounded ? { tells: true, untold: 0 } : state.crowd.line();
  if (untold > 0) logger.info({ count: untold }, "requests without a line of their own: more than 600 in a minute");
  if (tells) logger.info({ ...fields, ...used, duration_ms: durationMs, outcome }, message);
  observer?.call(recordOf(fields, { at: state.clock.now(), durationMs, outcome, table }));
}

function recordOf(
  fields: LogFields,
  end: Pick<CallRecord, "at" | "durationMs" | "outcome"> & { readonly table: TableUse | undefined },
): CallRecord {
  const text = (name: string) => (typeof fields[name] === "string" ? fields[name] : "");
  const number = (name: string) => (typeof fields[name] === "number" ? fields[name] : 0);
  const { at, durationMs, outcome, table } = end;
  return {
    at,
    durationMs,
    method: text("method"),
    tool: text("tool"),
    outcome,
    transport: text("transport"),
    era: text("era"),
    cached: typeof fields.cached === "boolean" ? fields.cached : undefined,
    requestId: text("request_id"),
    principal: text("principal"),
    principalName: text("principal_name"),
    client: text("client"),
    session: text("session"),
    traceId: text("trace_id"),
    table,
    argumentBytes: number("argument_bytes"),
    resultBytes: number("result_bytes"),
  };
}
