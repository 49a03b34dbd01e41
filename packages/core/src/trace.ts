// W3C trace context as it travels in a request's `_meta`. Checked before it is believed: it goes into logs and into the headers
// of what a tool calls.
import { BAGGAGE_META_KEY, TRACEPARENT_META_KEY, TRACESTATE_META_KEY } from "./protocol.ts";

/** The caller's trace, from the W3C trace context that came with the call. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The caller's span: 16 hexadecimal digits. */
  readonly spanId: string;
  /** `traceparent`, and `tracestate` and `baggage` where the caller sent valid ones. */
  readonly headers: Readonly<Record<string, string>>;
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}$/;
/** The specification asks for 512 characters and 32 members at least to be passed on. */
const TRACESTATE_MAX_CHARACTERS = 512;
const TRACESTATE_MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}$/;
const TRACESTATE_MAX_MEMBERS = 32;
const BAGGAGE_MAX_CHARACTERS = 8192;
/** A list of `key=value` with properties; spaces only around delimiters. */
const BAGGAGE_MEMBER =
  /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+\s*=\s*[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*(\s*;[\x20-\x7e]*)?$/;

/** The trace a request belongs to; undefined when it names none, or none that is well-formed. */
export function traceOf(meta: Readonly<Record<string, unknown>> | undefined): TraceContext | undefined {
  const traceparent = meta?.[TRACEPARENT_META_KEY];
  if (typeof traceparent !== "string" || traceparent.length !== 55) return undefined;
  const [, traceId, spanId] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  const tracestate = listOf(meta?.[TRACESTATE_META_KEY], TRACESTATE_MAX_CHARACTERS, TRACESTATE_MEMBER);
  const baggage = listOf(meta?.[BAGGAGE_META_KEY], BAGGAGE_MAX_CHARACTERS, BAGGAGE_MEMBER);
  return {
    traceId,
    spanId,
    headers: {
      traceparent,
      ...(tracestate && tracestate.length <= TRACESTATE_MAX_MEMBERS && { tracestate: tracestate.join(",") }),
      ...(baggage && { baggage: baggage.join(",") }),
    },
  };
}

/** The members of a comma-separated list, when every one is well-formed. */
function listOf(value: unknown, maxCharacters: number, member: RegExp): string[] | undefined {
  if (typeof value !== "string" || value === "" || value.length > maxCharacters) return undefined;
  const members = value.split(",").map((one) => one.trim());
  return members.every((one) => member.test(one)) ? members : undefined;
}
