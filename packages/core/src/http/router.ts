// Every HTTP route. Checks Host and Origin, finds out who calls, and hands the request to MCP or to a plain JSON route.
import { randomUUID } from "node:crypto";
import type { AuthInfo, McpServerFactory } from "@modelcontextprotocol/server";
import { Hono } from "hono/tiny";
import type { Access } from "../auth/access.ts";
import type { ToolResult } from "../calls/call-tool.ts";
import type { Services } from "../calls/services.ts";
import { Unsent, type UnsentAnswer } from "../calls/unsent.ts";
import type { Tool } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import { HTTP_KEY, type OverHttp, PRINCIPAL_KEY, TIME_LIMIT_KEY, UNSENT_KEY } from "../mcp/call-source.ts";
import { LegacyHttp } from "../mcp/legacy/http.ts";
import type { LegacyState } from "../mcp/legacy/state.ts";
import { faultOfMessage } from "../mcp/message-check.ts";
import { withoutNulls } from "../mcp/nulls.ts";
import type { ServerInfo } from "../mcp/offer.ts";
import type { Official } from "../mcp/official.ts";
import { type PlainCaller, PlainPath, plainRequest } from "../mcp/plain.ts";
import { tellUnanswered } from "../mcp/requests.ts";
import { RAN_KEY } from "../mcp/spans.ts";
import { answerInTime } from "../mcp/sse.ts";
import { authorize, isGranted, OPERATE_SCOPE, type Principal } from "../principal.ts";
import { cutText } from "../text.ts";
import { Bodies } from "./body.ts";
import {
  type Bindings,
  type CallerCheck,
  type Carried,
  principalOf,
  type RequestContext,
  seenOf,
  traceOfHeaders,
} from "./caller-of-request.ts";
import { serveMetadata } from "./discovery.ts";
import { guard, hostNames } from "./guard.ts";
import { serveMemory } from "./memory.ts";
import type { Metrics } from "./metrics.ts";
import type { FindAddress } from "./network.ts";
import { type JournalRoutes, serveJournal } from "./operate.ts";
import { serveMetrics } from "./operator.ts";
import { asAppError, headersFor, problem } from "./problem.ts";
import { Refusals } from "./refusals.ts";
import { serveRest } from "./rest.ts";
import type { AskedShort, ShortWayParts } from "./short-way.ts";
import { serveWelcome } from "./welcome-page.ts";

export interface RouterOptions {
  services: Services;
  mcp: McpServerFactory;
  legacy: LegacyState;
  access: Access;
  server: ServerInfo;
  table: string;
  bodyMaxBytes: number;
  /** Whether clients may hold streams that tell of changes. */
  subscriptions: boolean;
  /** Whether plain requests take the short way; default true. False leaves all to the SDK, to compare the two. */
  plainPath?: boolean | undefined;
  /** Host names besides localhost under which this server may be addressed. */
  allowedHosts: readonly string[];
  /** Origins of web pages that may call, besides the server's own. */
  allowedOrigins: readonly string[];
  /** Finds the address that a request comes from. */
  findAddress: FindAddress;
  /** Served at GET /metrics; default: no such route. */
  metrics?: Metrics | undefined;
  /** Read under /console/api. */
  journal: JournalRoutes;
  /** Resolves when the state table answers. */
  ready: () => Promise<void>;
  /** True once the process has been told to end. */
  draining: () => boolean;
}

export interface Router {
  fetch(request: Request, carried?: Carried): Promise<Response>;
  /** As `App.shortWay`. */
  readonly shortWay: ShortWayParts | undefined;
  /** Ends the streams that clients take up again elsewhere. Calls go on. */
  endStreams(): Promise<void>;
  close(): Promise<void>;
}

export function createRouter(options: RouterOptions): Router {
  const { services, access, metrics } = options;
  const { name: service, version } = options.server;
  const official = new LazyOfficial(services, options.mcp);
  const plainPath = new PlainPath(services, options.server, options.subscriptions);
  const legacy = new LegacyHttp({
    services,
    legacy: options.legacy,
    server: options.server,
    factory: options.mcp,
    standingStreams: options.subscriptions,
    plainPath: options.plainPath,
  });
  const knownScopes = new Set([...services.tools.values()].map((tool) => tool.scope));
  const refusals = new Refusals(services.logger, services.state.clock, services.observer);
  // Clients ask for what they are told of, and this scope is not for them: it is known and not announced.
  const callers: CallerCheck = { access, knownScopes: new Set([...knownScopes, OPERATE_SCOPE]), refusals };
  const ready = onceASecond(options.ready);
  // Hono's default router is 5 KB larger and builds an expression at the first request, which a cold start waits for; with so few routes
  // it finds none of them sooner. `/mcp/` is `/mcp`: people copy addresses with a slash at their end.
  const app = new Hono<Bindings>({ strict: false });

  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", (c) => health(c, { ...options, ready }, { status: "ready" }));
  guard(app, { ...options, refusals });
  app.get("/health", (c) => health(c, { ...options, ready }, { status: "healthy", service, table: options.table }));
  app.get("/mcp/health", (c) => health(c, { ...options, ready }, { status: "ok" }));

  const bodies = new Bodies(options.bodyMaxBytes, services.state);
  const unsent = new Unsent(services.state.limits);
  serveRest(app, { services, callers, unsent, service, version, bodies });

  serveMemory(app, { services, callers, bodies });
  if (metrics) serveMetrics(app, metrics, callers);
  serveJournal(app, options.journal, callers);
  serveWelcome(app, { service, version, access });
  app.all("/mcp", async (c) => {
    const principal = await principalOf(c, callers);
    const { timeLimitMs, onSent } = c.env;
    const answer = onSent && unsent.answerTo(principal, onSent);
    const { requestId = randomUUID(), transport } = c.env;
    const http: OverHttp = { requestId, trace: traceOfHeaders((name) => c.req.header(name)), transport };
    const authInfo = authInfoOf({ principal, timeLimitMs, http, unsent: answer });
    const request = c.req.raw;
    if (request.method !== "POST") return legacy.fetch(request, { principal, authInfo }, undefined);
    const started = performance.now();
    const message: Message = { body: undefined };
    // What no server has been given leaves a line too.
    const tellUntaken = (outcome: string, status: number) => {
      if (!http.taken) tellUnanswered(services, message.body, { principal, http, started, outcome, status });
    };
    try {
      const response = await answerPost(c, message, { principal, authInfo, http, unsent: answer });
      if (response.status !== 202) tellUntaken("protocol_error", response.status);
      return response;
    } catch (thrown) {
      // What a token does not allow has its line as a refusal.
      if (thrown instanceof AppError && thrown.code !== "forbidden") tellUntaken(thrown.code, thrown.status);
      throw thrown;
    }
  });
  const answerPost = async (c: RequestContext, message: Message, caller: McpCaller): Promise<Response> => {
    const { principal, authInfo, http } = caller;
    const request = c.req.raw;
    try {
      message.body = withoutNulls(await bodies.readJson(request, principal));
    } catch (thrown) {
      const error = await asAppError(thrown, services.logger);
      const code = error.code === "invalid_input" ? -32_700 : -32_000;
      const body = { jsonrpc: "2.0", error: { code, message: error.message }, id: null };
      return c.json(body, error.status as 400, headersFor(error, c, access));
    }
    const { body: parsedBody } = message;
    const fault = faultOfMessage(parsedBody);
    if (fault !== undefined)
      return c.json({ jsonrpc: "2.0", error: { code: -32_600, message: `Invalid Request: ${fault}` }, id: null }, 400);
    // Before anything is answered: a token that does not reach far enough is a matter of HTTP (RFC 6750, section 3.1).
    for (const tool of calledTools(parsedBody, services)) {
      if (isGranted(principal, tool.scope)) continue;
      refusals.tell("scope", { ...seenOf(c), principal: principal.id, tool: tool.name, scope: tool.scope });
      authorize(principal, tool.scope);
    }
    const plain = options.plainPath === false ? undefined : plainRequest(request.headers, parsedBody);
    if (plain && plainPath.takes(plain)) {
      http.taken = true;
      const sdk = async (ran?: Promise<ToolResult>) =>
        (await official.load()).fetch(request, { authInfo: withRun(authInfo, ran), parsedBody });
      const { timeLimitMs } = c.env;
      const source = { principal, timeLimitMs, http, unsent: caller.unsent, signal: request.signal, sdk };
      const answer = await answerInTime(plainPath.answer(plain, source));
      return typeof answer === "string" ? new Response(answer, { headers: JSON_HEADERS }) : answer;
    }
    if (legacy.plainCall(request, parsedBody)) return legacy.fetch(request, { principal, authInfo }, parsedBody);
    const { fetch, listens, isLegacyRequest, isListen } = await official.load();
    if (await isLegacyRequest(request, parsedBody)) return legacy.fetch(request, { principal, authInfo }, parsedBody);
    if (options.subscriptions && isListen(parsedBody)) {
      await services.state.admit(principal);
      return listens.fetch(request, parsedBody, principal, authInfo);
    }
    return answerInTime(fetch(request, { authInfo, parsedBody }));
  };

  const shortWay: ShortWayParts = {
    callers,
    findAddress: options.findAddress,
    hosts: hostNames(options),
    services,
    bodies,
    unsent,
    plainPath,
    bySdk: async (request, parsedBody, caller, ran) =>
      (await official.load()).fetch(request, { authInfo: withRun(authInfoOf(caller), ran), parsedBody }),
    legacyCall: (post, message) => {
      const call = legacy.plainCall(post, message);
      if (!call) return undefined;
      const answer: AskedShort["answer"] = (caller, admit) =>
        legacy.answerCall(call, message, post, { principal: caller.principal, authInfo: authInfoOf(caller) }, admit);
      return { name: call.name, answer };
    },
  };
  // Pages that may call are answered with what browsers want to know, which the short way does not say.
  const isShort = options.plainPath !== false && options.allowedOrigins.length === 0;

  if (access.mode === "oauth") serveMetadata(app, access, knownScopes);
  app.notFound((c) => {
    const known =
      "/mcp, /mcp/list_tools, /mcp/call_tool, /tools/<name>, /memory/export, /memory/import, /openapi.json, /docs, /mcp/health, /health, /healthz, /readyz";
    const message = `There is nothing at ${cutText(c.req.path, 100)}. The routes are: ${known}.`;
    return problem(c, new AppError("not_found", message), access);
  });
  app.onError(async (thrown, c) => problem(c, await asAppError(thrown, services.logger), access));

  const endStreams = async () => {
    refusals.flush();
    legacy.close();
    await official.endStreams();
  };
  return {
    fetch: async (request, carried = {}) => {
      const requestId = randomUUID();
      const address = options.findAddress(carried.address, request.headers.get("x-forwarded-for"));
      const answer = await app.fetch(request, { ...carried, address, requestId });
      answer.headers.set("X-Request-Id", requestId);
      if (REFUSALS.has(answer.status)) services.observer?.happened({ kind: "refused", status: answer.status });
      return answer;
    },
    shortWay: isShort ? shortWay : undefined,
    endStreams,
    close: async () => {
      plainPath.close();
      await Promise.all([official.close(), endStreams()]);
    },
  };
}

/** What the official SDK answers, which is loaded for the first request that asks for it. */
class LazyOfficial {
  readonly #services: Services;
  readonly #mcp: McpServerFactory;
  #loaded: Promise<Official> | undefined;
  #streamsEnd = false;
  #closed = false;

  constructor(services: Services, mcp: McpServerFactory) {
    this.#services = services;
    this.#mcp = mcp;
  }

  load(): Promise<Official> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  async #load(): Promise<Official> {
    const { createOfficial } = await import("../mcp/official.ts");
    const official = createOfficial(this.#services, this.#mcp);
    // What was ended before it was there refuses what is asked of it now.
    if (this.#streamsEnd) await official.listens.close();
    if (this.#closed) await official.close();
    return official;
  }

  /** From now on there are no streams. */
  async endStreams(): Promise<void> {
    this.#streamsEnd = true;
    await (await this.#loaded)?.listens.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await (await this.#loaded)?.close();
  }
}

/** A message that was posted, once it has been read. */
interface Message {
  body: unknown;
}

/** Who posts a message, and what its answer is told to. */
interface McpCaller {
  readonly principal: Principal;
  readonly authInfo: AuthInfo;
  readonly http: OverHttp;
  readonly unsent: UnsentAnswer | undefined;
}

const JSON_HEADERS = { "Content-Type": "application/json" };

/** How the SDK carries who calls and what is known of the request to where tools are called. */
function authInfoOf({ principal, timeLimitMs, http, unsent }: PlainCaller): AuthInfo {
  const extra = {
    [PRINCIPAL_KEY]: principal,
    [TIME_LIMIT_KEY]: timeLimitMs,
    [HTTP_KEY]: http,
    [UNSENT_KEY]: unsent,
  };
  return { token: "", clientId: principal.subject, scopes: [...(principal.scopes ?? [])], extra };
}

const withRun = (authInfo: AuthInfo, ran: Promise<ToolResult> | undefined): AuthInfo => ({
  ...authInfo,
  extra: { ...authInfo.extra, [RAN_KEY]: ran },
});

/** Turned away before anything was done: no or a wrong token, what is not allowed, too large, too many. */
const REFUSALS = new Set([401, 403, 413, 429]);

/** The tools that a body's calls name, those of a batch included. */
function calledTools(body: unknown, { tools }: Services): Tool[] {
  const messages: unknown[] = Array.isArray(body) ? body : [body];
  return messages.flatMap((message) => {
    const { method, params } = (message ?? {}) as { method?: unknown; params?: { name?: unknown } };
    const tool = method === "tools/call" && typeof params?.name === "string" ? tools.get(params.name) : undefined;
    return tool ? [tool] : [];
  });
}

/** Asks at most once a second, however often it is asked: probes are open to everybody, and each read costs. */
function onceASecond(ask: () => Promise<void>): () => Promise<void> {
  let asked: Promise<void> | undefined;
  let at = 0;
  return () => {
    const now = performance.now();
    if (!asked || now - at >= 1_000) {
      at = now;
      asked = ask();
      // Told to all who wait for it; without one, it is no accident of the process.
      asked.catch(() => {});
    }
    return asked;
  };
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
