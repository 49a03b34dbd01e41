// Turns away what comes under a foreign name or from a foreign page, and tells browsers what they may do with answers. Knows no route.
import type { Hono } from "hono";
import { cors } from "hono/cors";
import type { Access } from "../auth/access.ts";
import { cutText } from "../text.ts";
import { type Bindings, type RequestContext, seenOf } from "./caller-of-request.ts";
import type { RefusalReason, Refusals } from "./refusals.ts";

export interface GuardOptions {
  readonly access: Access;
  /** Names, besides localhost ones, under which the server may be addressed. */
  readonly allowedHosts: readonly string[];
  /** Origins of pages that may call, besides the server's own: scheme, host and port, as browsers send them. */
  readonly allowedOrigins: readonly string[];
  readonly refusals: Refusals;
}

const CORS_REQUEST_HEADERS = [
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "Last-Event-ID",
  "Mcp-Method",
  "Mcp-Name",
  "MCP-Protocol-Version",
  "Mcp-Session-Id",
  "traceparent",
  "tracestate",
  "baggage",
];

/** The names under which a server may be addressed; undefined: any may lead to it. */
export function hostNames({
  access,
  allowedHosts,
}: Pick<GuardOptions, "access" | "allowedHosts">): string[] | undefined {
  // A page that rebinds its name to this machine sends its own Host. Only where a token is needed anyway, and the operator
  // has named no hosts, any name may lead here.
  const checksHost = access.mode === "local" || allowedHosts.length > 0;
  return checksHost ? knownNames(allowedHosts) : undefined;
}

const LOCALHOST = ["localhost", "127.0.0.1", "[::1]"];
const knownNames = (allowedHosts: readonly string[]): string[] => [...LOCALHOST, ...allowedHosts];

/** What is wrong with a Host header, as the official SDK says it, which need not be loaded for this; undefined: nothing. */
export function faultOfHost(host: string | undefined, names: readonly string[]): string | undefined {
  if (!host) return "Missing Host header";
  const name = URL.parse(`http://${host}`)?.hostname;
  if (name === undefined) return `Invalid Host header: ${host}`;
  return names.includes(name) ? undefined : `Invalid Host: ${name}`;
}

export function guard(app: Hono<Bindings>, options: GuardOptions): void {
  const { allowedHosts, allowedOrigins, refusals } = options;
  const hosts = hostNames(options);
  const names = new Set(knownNames(allowedHosts));
  const origins = new Set(allowedOrigins);
  /** A page of this server, or one that the operator has named. Another program's page on this machine is foreign too. */
  const mayCall = (origin: string, host: string | undefined) => {
    if (origins.has(origin)) return true;
    if (!URL.canParse(origin)) return false;
    const url = new URL(origin);
    return url.origin === origin && url.host === host?.toLowerCase() && names.has(url.hostname);
  };
  const refuse = (c: RequestContext, reason: RefusalReason, given: string, response: Response) => {
    refusals.tell(reason, { ...seenOf(c), [reason]: cutText(given, 100) });
    return response;
  };
  app.use(async (c, next) => {
    const host = c.req.header("host");
    const foreignHost = hosts && faultOfHost(host, hosts);
    if (foreignHost !== undefined) return refuse(c, "host", host ?? "", forbidden(foreignHost));
    const origin = c.req.header("origin");
    if (origin !== undefined && !mayCall(origin, host)) return refuse(c, "origin", origin, foreignPage(origin));
    if (origin === undefined && isFromForeignPage(c)) return refuse(c, "origin", "", foreignPage(undefined));
    await next();
    // On the answer itself: `c.header` would make a new one, which costs more than all the rest of this.
    dress(c.res);
    return undefined;
  });
  if (allowedOrigins.length === 0) return;
  app.use(
    cors({
      origin: (origin) => (origins.has(origin) ? origin : null),
      allowMethods: ["GET", "POST", "DELETE"],
      allowHeaders: CORS_REQUEST_HEADERS,
      exposeHeaders: ["Mcp-Session-Id", "WWW-Authenticate", "Retry-After", "Idempotency-Replayed", "X-Request-Id"],
      maxAge: 600,
    }),
  );
}

/**
 * Whether a browser says that another origin's page asks, as it does for pictures, scripts and frames without naming the page. What such a
 * page is answered it cannot read, but it could have a memory read again and again, and tell its size by the time. A link that a
 * person follows is theirs.
 */
function isFromForeignPage({ req }: RequestContext): boolean {
  const site = req.header("sec-fetch-site");
  if (site !== "cross-site" && site !== "same-site") return false;
  return req.header("sec-fetch-mode") !== "navigate" || req.header("sec-fetch-dest") !== "document";
}

/** Gives an answer the headers that all answers have. */
export function dress({ headers }: Response): void {
  headers.set("X-Content-Type-Options", "nosniff");
  // The SDK's streams say keep-alive, also to a client that has asked for the end of its connection: that is not theirs to say.
  headers.delete("Connection");
}

/** `origin`: undefined where the browser names none. */
function foreignPage(origin: string | undefined): Response {
  const shown = origin === undefined ? "other origins" : JSON.stringify(cutText(origin, 100));
  const message = `Pages of ${shown} may not call this server. Its operator can allow them in STATEFUL_MCP_ALLOWED_ORIGINS.`;
  return forbidden(message);
}

const forbidden = (message: string): Response =>
  Response.json({ jsonrpc: "2.0", error: { code: -32_000, message }, id: null }, { status: 403 });
