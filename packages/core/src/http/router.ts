// Every HTTP route. Checks Host and Origin, finds out who calls, and hands the request to MCP or to a plain JSON route.
import {
  type AuthInfo,
  createMcpHandler,
  hostHeaderValidationResponse,
  isLegacyRequest,
  localhostAllowedHostnames,
  type McpServerFactory,
  originValidationResponse,
} from "@modelcontextprotocol/server";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { type Access, authenticate, challengeFor, resourceUrl } from "../auth/access.ts";
import type { CallRuntime } from "../calls/call.ts";
import type { Tool } from "../define/tool.ts";
import { AppError, ERROR_CODES } from "../errors.ts";
import { LegacyHttp } from "../mcp/legacy/http.ts";
import type { LegacyState } from "../mcp/legacy/state.ts";
import { createListens, isListen } from "../mcp/listen.ts";
import { PRINCIPAL_KEY, TIME_LIMIT_KEY } from "../mcp/request.ts";
import { answerInTime } from "../mcp/sse.ts";
import { authorize, type Principal } from "../principal.ts";
import { readJson } from "./body.ts";
import { serveRest } from "./rest.ts";

export interface RouterOptions {
  runtime: CallRuntime;
  mcp: McpServerFactory;
  legacy: LegacyState;
  access: Access;
  service: string;
  version: string;
  table: string;
  bodyMaxBytes: number;
  /** Whether clients may hold streams that tell of changes. */
  subscriptions: boolean;
  /** Host names besides localhost under which this server may be addressed. */
  allowedHosts: readonly string[];
  /** Host names of web pages, besides localhost ones, that may call. */
  allowedOrigins: readonly string[];
  /** Resolves when the state table answers. */
  ready: () => Promise<void>;
  /** True once the process has been told to end. */
  draining: () => boolean;
}

/** What whoever carries a request knows about it: never part of it, so no client can send it. */
export interface Carried {
  /** Who calls, for `access: { mode: "carrier" }`; of no effect otherwise. */
  readonly principal?: Principal;
  /** Milliseconds after which a call must have its answer, where that is less than the app's own limit. */
  readonly timeLimitMs?: number;
}

export interface Bindings {
  Bindings: Carried;
}

type RequestContext = Context<Bindings>;

export interface Router {
  fetch(request: Request, carried?: Carried): Promise<Response>;
  /** Ends the streams that clients take up again elsewhere. Calls go on. */
  endStreams(): Promise<void>;
  close(): Promise<void>;
}

export function createRouter(options: RouterOptions): Router {
  const { runtime, access } = options;
  const handler = createMcpHandler(options.mcp, {
    legacy: "reject",
    onerror: (error) => runtime.logger.debug({ err: error.message }, "rejected"),
  });
  const listens = createListens({ runtime, mcp: options.mcp });
  const legacy = new LegacyHttp({
    runtime,
    legacy: options.legacy,
    factory: options.mcp,
    standingStreams: options.subscriptions,
  });
  const knownScopes = new Set([...runtime.tools.values()].map((tool) => tool.scope));
  const principalOf = (c: RequestContext): Promise<Principal> =>
    authenticate(access, c.req.header("authorization"), { carried: c.env.principal, knownScopes });
  const app = new Hono<Bindings>();

  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", (c) => health(c, options, { status: "ready" }));
  guard(app, options);
  app.get("/health", (c) => health(c, options, { status: "healthy", service: options.service, table: options.table }));
  app.get("/mcp/health", (c) => health(c, options, { status: "ok" }));

  serveRest(app, {
    runtime,
    service: options.service,
    version: options.version,
    bodyMaxBytes: options.bodyMaxBytes,
    asksForToken: access.mode !== "local" && access.mode !== "anonymous",
    principalOf,
    failure: (thrown, c) => {
      const error = asAppError(thrown, options);
      return { error, headers: headersFor(error, c, options) };
    },
  });

  app.all("/mcp", async (c) => {
    const principal = await principalOf(c);
    const authInfo: AuthInfo = {
      token: "",
      clientId: principal.subject,
      scopes: [...(principal.scopes ?? [])],
      extra: { [PRINCIPAL_KEY]: principal, [TIME_LIMIT_KEY]: c.env.timeLimitMs },
    };
    const request = c.req.raw;
    if (request.method !== "POST") return legacy.fetch(request, { principal, authInfo }, undefined);
    let parsedBody: unknown;
    try {
      parsedBody = await readJson(request, options.bodyMaxBytes);
    } catch (thrown) {
      const error = asAppError(thrown, options);
      const code = error.code === "invalid_input" ? -32_700 : -32_000;
      return c.json({ jsonrpc: "2.0", error: { code, message: error.message }, id: null }, error.status as 400);
    }
    // Before anything is answered: a token that does not reach far enough is a matter of HTTP (RFC 6750, section 3.1).
    for (const tool of calledTools(parsedBody, runtime)) authorize(principal, tool.scope);
    if (await isLegacyRequest(request, parsedBody)) return legacy.fetch(request, { principal, authInfo }, parsedBody);
    if (options.subscriptions && isListen(parsedBody)) return listens.fetch(request, parsedBody, principal, authInfo);
    return answerInTime(handler.fetch(request, { authInfo, parsedBody }));
  });

  if (access.mode === "oauth") serveMetadata(app, access, knownScopes);
  app.notFound((c) => {
    const known =
      "/mcp, /mcp/list_tools, /mcp/call_tool, /tools/<name>, /openapi.json, /docs, /mcp/health, /health, /healthz, /readyz";
    const message = `There is nothing at ${c.req.path.slice(0, 100)}. The routes are: ${known}.`;
    return problem(c, new AppError("not_found", message), options);
  });
  app.onError((thrown, c) => problem(c, asAppError(thrown, options), options));

  const endStreams = async () => {
    legacy.close();
    await listens.close();
  };
  return {
    fetch: async (request, carried = {}) => app.fetch(request, carried),
    endStreams,
    close: async () => {
      await Promise.all([handler.close(), endStreams()]);
    },
  };
}

/** Refuses what comes under a foreign name or from a foreign page, and tells browsers what they may do with answers. */
function guard(app: Hono<Bindings>, { access, allowedHosts, allowedOrigins }: RouterOptions): void {
  const hosts = [...localhostAllowedHostnames(), ...allowedHosts];
  const origins = [...localhostAllowedHostnames(), ...allowedOrigins];
  // A page that rebinds its name to this machine sends its own Host. Only where a token is needed anyway, and the operator
  // has named no hosts, any name may lead here.
  const checksHost = access.mode === "local" || allowedHosts.length > 0;
  app.use(async (c, next) => {
    const refused =
      (checksHost ? hostHeaderValidationResponse(c.req.raw, hosts) : undefined) ??
      originValidationResponse(c.req.raw, origins);
    if (refused) return refused;
    await next();
    // On the answer itself: `c.header` would make a new one, which costs more than all the rest of this.
    c.res.headers.set("X-Content-Type-Options", "nosniff");
    // The SDK's streams say keep-alive, also to a client that has asked for the end of its connection: that is not theirs to say.
    c.res.headers.delete("Connection");
    return undefined;
  });
  if (allowedOrigins.length === 0) return;
  const allowed = new Set(allowedOrigins);
  app.use(
    cors({
      origin: (origin) => (URL.canParse(origin) && allowed.has(new URL(origin).hostname) ? origin : null),
      allowMethods: ["GET", "POST", "DELETE"],
      allowHeaders: CORS_REQUEST_HEADERS,
      exposeHeaders: ["Mcp-Session-Id", "WWW-Authenticate", "Retry-After", "Idempotency-Replayed"],
      maxAge: 600,
    }),
  );
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
];

/** RFC 9728: where a client learns whose tokens are accepted here. */
function serveMetadata(app: Hono<Bindings>, access: Access & { mode: "oauth" }, scopes: ReadonlySet<string>): void {
  const document = (c: RequestContext) => {
    const resource = resourceUrl(access, c.req.raw).href;
    const body = {
      resource,
      authorization_servers: [access.oauth.options.issuer],
      scopes_supported: [...scopes],
      bearer_methods_supported: ["header"],
      resource_name: "stateful-mcp",
    };
    // Any page may read what every client has to know.
    return c.json(body, 200, { "Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300" });
  };
  app.get("/.well-known/oauth-protected-resource", document);
  app.get("/.well-known/oauth-protected-resource/*", document);
  app.get("/.well-known/oauth-authorization-server", async (c) =>
    c.json(await access.oauth.metadata(), 200, { "Access-Control-Allow-Origin": "*" }),
  );
}

/** The tools that a body's calls name, those of a batch included. */
function calledTools(body: unknown, { tools }: CallRuntime): Tool[] {
  const messages: unknown[] = Array.isArray(body) ? body : [body];
  return messages.flatMap((message) => {
    const { method, params } = (message ?? {}) as { method?: unknown; params?: { name?: unknown } };
    const tool = method === "tools/call" && typeof params?.name === "string" ? tools.get(params.name) : undefined;
    return tool ? [tool] : [];
  });
}

/** 200 only when the state table answers and the process is not about to end. */
async function health(c: RequestContext, options: RouterOptions, body: Record<string, string>): Promise<Response> {
  if (options.draining()) return c.json({ ...body, status: "draining" }, 503);
  try {
    await options.ready();
    return c.json(body);
  } catch {
    return c.json({ ...body, status: "unavailable" }, 503);
  }
}

function asAppError(thrown: unknown, { runtime }: RouterOptions): AppError {
  if (thrown instanceof AppError) return thrown;
  runtime.logger.error({ err: thrown }, "unexpected error");
  return new AppError("internal", "Something failed inside the server.");
}

function headersFor(error: AppError, c: RequestContext, { access }: RouterOptions): Record<string, string> {
  const challenge = challengeFor(error, access, c.req.raw);
  return {
    ...(challenge !== undefined && { "WWW-Authenticate": challenge }),
    ...(error.retryAfterSeconds !== undefined && { "Retry-After": String(error.retryAfterSeconds) }),
  };
}

/** RFC 9457. */
function problem(c: RequestContext, error: AppError, options: RouterOptions): Response {
  const { title } = ERROR_CODES[error.code];
  const body = { title, status: error.status, detail: error.message, code: error.code, ...error.details };
  const headers = { "Content-Type": "application/problem+json", ...headersFor(error, c, options) };
  return c.body(JSON.stringify(body), error.status as 400, headers);
}
