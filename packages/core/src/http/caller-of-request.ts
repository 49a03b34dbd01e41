// What a request brings along besides itself: what its carrier knows of it, and from that and its token, who calls.
import type { Context } from "hono";
import { type Access, authenticate } from "../auth/access.ts";
import { AppError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import { cutText } from "../text.ts";
import { type TraceContext, traceOf } from "../trace.ts";
import { networkOf } from "./network.ts";
import type { Refusals } from "./refusals.ts";

/** What the carrier of a request knows about it: never part of the request, so no client can send it. */
export interface Carried {
  /** Who calls, for `access: { mode: "carrier" }`; of no effect otherwise. */
  readonly principal?: Principal;
  /** The network address that the request came from, as far as the carrier can tell. */
  readonly address?: string | undefined;
  /** Calls back once the answer has been taken by its client, or its connection is gone. Without it no answer is taken to wait. */
  readonly onSent?: (done: () => void) => void;
  /** Milliseconds after which a call must have its answer, where that is less than the app's own limit. */
  readonly timeLimitMs?: number;
  /** Where the message came over stdio and its carrier asks for the answer as over HTTP. Default: it came over HTTP. */
  readonly transport?: "stdio";
  /** Under which the request is logged and answered. The router sets it. */
  readonly requestId?: string;
}

export interface Bindings {
  Bindings: Carried;
}

export type RequestContext = Context<Bindings>;

/** How callers are known here, and the scopes that tokens can have here. */
export interface CallerCheck {
  readonly access: Access;
  readonly knownScopes: ReadonlySet<string>;
  readonly refusals: Refusals;
}

/** Who calls; a refusal has its line. @throws AppError `unauthenticated`, `forbidden`, `unavailable`. */
export async function principalOf(c: RequestContext, callers: CallerCheck): Promise<Principal> {
  const authorization = c.req.header("authorization");
  try {
    return await callerOf(authorization, c.env, callers);
  } catch (error) {
    // Asking for the way in without a token is how every client begins.
    if (error instanceof AppError && error.code === "unauthenticated" && authorization !== undefined)
      callers.refusals.tell("token", { ...seenOf(c), why: error.message });
    throw error;
  }
}

/** Who calls, by what a request brings. @throws AppError as `principalOf`. */
export async function callerOf(
  authorization: string | undefined,
  carried: Pick<Carried, "principal" | "address">,
  { access, knownScopes }: Pick<CallerCheck, "access" | "knownScopes">,
): Promise<Principal> {
  const principal = await authenticate(access, authorization, { carried: carried.principal, knownScopes });
  return principal.kind === "anonymous" ? { ...principal, network: networkOf(carried.address) } : principal;
}

/** The trace that a request's headers name (W3C trace context). */
export const traceOfHeaders = (header: (name: string) => string | undefined): TraceContext | undefined =>
  header("traceparent") === undefined
    ? undefined
    : traceOf(Object.fromEntries(TRACE_HEADERS.map((name) => [name, header(name)])));
const TRACE_HEADERS = ["traceparent", "tracestate", "baggage"];

/** What a line about a refused request says of it. */
export const seenOf = (c: RequestContext) => ({
  method: c.req.method,
  path: cutText(c.req.path, 100),
  ...(c.env.requestId !== undefined && { request_id: c.env.requestId }),
  ...(c.env.address !== undefined && { address: c.env.address }),
});
