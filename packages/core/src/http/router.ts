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
import { type CallRuntime, callTool } from "../call-tool.ts";
import { AppError, ERROR_CODES } from "../errors.ts";
import type { Principal } from "../principal.ts";
import { type Access, authenticate, challengeFor } from "./auth.ts";
import { readJson } from "./body.ts";
import { LegacyHttp } from "./legacy.ts";
import { PRINCIPAL_KEY, TIME_LIMIT_KEY, wireTools } from "./mcp.ts";

export interface RouterOptions {
  runtime: CallRuntime;
  mcp: McpServerFactory;
  access: Access;
  service: string;
  table: string;
  bodyMaxBytes: number;
  /** Host names besides localhost under which this server may be addressed. */
  allowedHosts: readonly string[];
  /** Host names of web pages, besides localhost ones, that may call. */
  allowedOrigins: readonly string[];
  /** Whether streams that no call waits for are served. */
  standingStreams: boolean;
  /** Resolves when the state table answers. */
  ready: () => Promise<void>;
  /** True once the process has been told to end. */
  draining: () => boolean;
}

/** What whoever carries a request knows about it: never part of it, so no client can send it. */
export interface Carried {
  /** Who calls, for `access: { mode: "carrier" }`; of no effect otherwise. */
  readonly principal?: Principal;
  /** Milliseconds after which a tool call must have its answer, where that is less than the app's own limit. */
  readonly timeLimitMs?: number;
}

export interface Router {
  fetch(request: Request, carried?: Carried): Promise<Response>;
  close(): Promise<void>;
}

export function createRouter(options: RouterOptions): Router {
  const { runtime, access } = options;
  const handler = createMcpHandler(options.mcp, {
    legacy: "reject",
    ...(!options.standingStreams && { maxSubscriptions: 0 }),
    onerror: (error) => runtime.logger.debug({ err: error.message }, "rejected"),
  });
  const { state, logger } = runtime;
  const legacy = new LegacyHttp({
    sessions: state.legacySessions,
    events: state.events,
    factory: options.mcp,
    logger,
    standingStreams: options.standingStreams,
    inBackground: (work) => state.inBackground(work),
  });
  const app = new Hono<{ Bindings: Carried }>();
  const principalOf = (c: Context<{ Bindings: Carried }>): Principal =>
    authenticate(access, c.req.header("authorization"), c.env.principal);

  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", (c) => health(c, options, { status: "ready" }));

  const originHosts = [...localhostAllowedHostnames(), ...options.allowedOrigins];
  const hosts = [...localhostAllowedHostnames(), ...options.allowedHosts];
  // A page that rebinds its name to this machine sends its own Host. Only where a token is needed anyway, and the operator
  // has named no hosts, any name may lead here.
  const checksHost = access.mode === "local" || options.allowedHosts.length > 0;
  app.use(async (c, next) => {
    const refused =
      (checksHost ? hostHeaderValidationResponse(c.req.raw, hosts) : undefined) ??
      originValidationResponse(c.req.raw, originHosts);
    if (refused) return refused;
    return next();
  });

  app.get("/health", (c) => health(c, options, { status: "healthy", service: options.service, table: options.table }));
  app.get("/mcp/health", (c) => health(c, options, { status: "ok" }));

  app.get("/mcp/list_tools", (c) => {
    principalOf(c);
    return c.json({ tools: wireTools(runtime.tools.values()) });
  });
  app.post("/mcp/call_tool", async (c) => {
    try {
      const principal = principalOf(c);
      const body = await readJson(c.req.raw, options.bodyMaxBytes);
      const { name, arguments: given } = (body ?? {}) as { name?: unknown; arguments?: unknown };
      if (typeof name !== "string") throw new AppError("invalid_input", 'Send {"name": "<tool>", "arguments": {…}}.');
      const idempotencyKey = c.req.header("idempotency-key");
      const { timeLimitMs } = c.env;
      const call = { name, arguments: given, principal, signal: c.req.raw.signal, idempotencyKey, timeLimitMs };
      const { structured, replayed } = await callTool(runtime, call);
      return c.json({ result: structured }, 200, replayed ? { "Idempotency-Replayed": "true" } : {});
    } catch (thrown) {
      const error = asAppError(thrown, options);
      return c.json({ error: error.message, code: error.code }, error.status as 400, headersFor(error, c));
    }
  });

  app.all("/mcp", async (c) => {
    const principal = principalOf(c);
    const authInfo: AuthInfo = {
      token: "",
      clientId: principal.subject,
      scopes: [],
      extra: { [PRINCIPAL_KEY]: principal, [TIME_LIMIT_KEY]: c.env.timeLimitMs },
    };
    if (c.req.method !== "POST") return legacy.fetch(c.req.raw, { principal, authInfo }, undefined);
    let parsedBody: unknown;
    try {
      parsedBody = await readJson(c.req.raw, options.bodyMaxBytes);
    } catch (thrown) {
      const error = asAppError(thrown, options);
      const code = error.code === "invalid_input" ? -32_700 : -32_000;
      return c.json({ jsonrpc: "2.0", error: { code, message: error.message }, id: null }, error.status as 400);
    }
    if (await isLegacyRequest(c.req.raw, parsedBody))
      return legacy.fetch(c.req.raw, { principal, authInfo }, parsedBody);
    return handler.fetch(c.req.raw, { authInfo, parsedBody });
  });

  app.notFound((c) => {
    const known = "/mcp, /mcp/list_tools, /mcp/call_tool, /health, /healthz, /readyz";
    return problem(
      c,
      new AppError("not_found", `There is nothing at ${c.req.path.slice(0, 100)}. The routes are: ${known}.`),
    );
  });
  app.onError((thrown, c) => problem(c, asAppError(thrown, options)));

  return {
    fetch: async (request, carried = {}) => app.fetch(request, carried),
    close: async () => {
      legacy.close();
      await handler.close();
    },
  };
}

/** 200 only when the state table answers and the process is not about to end. */
async function health(c: Context, options: RouterOptions, body: Record<string, string>): Promise<Response> {
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

function headersFor(error: AppError, c: Context): Record<string, string> {
  return {
    ...(error.code === "unauthenticated" && { "WWW-Authenticate": challengeFor(c.req.header("authorization")) }),
    ...(error.retryAfterSeconds !== undefined && { "Retry-After": String(error.retryAfterSeconds) }),
  };
}

/** RFC 9457. */
function problem(c: Context, error: AppError): Response {
  const { title } = ERROR_CODES[error.code];
  const body = { title, status: error.status, detail: error.message, code: error.code, ...error.details };
  return c.body(JSON.stringify(body), error.status as 400, {
    "Content-Type": "application/problem+json",
    ...headersFor(error, c),
  });
}
