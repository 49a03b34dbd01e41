// The short way for the most common requests of the 2025 era: a known tool's call within a session, without a server object and without
// the handshake that brings one to where the session stands. It may be stricter than the official SDK, never laxer; what only the SDK
// can say is said by it, without a second run. Knows the messages, and neither routes nor where sessions are kept.
import type { AuthInfo, ClientCapabilities, JSONRPCMessage } from "@modelcontextprotocol/server";
import { callTool, type ToolCall, type ToolResult } from "../../calls/call-tool.ts";
import type { Services } from "../../calls/services.ts";
import { answerBytes, type UnsentAnswer } from "../../calls/unsent.ts";
import { jsonBytes } from "../../json.ts";
import type { Principal } from "../../principal.ts";
import { INTERNAL_ERROR } from "../../protocol.ts";
import { traceOf } from "../../trace.ts";
import {
  HTTP_KEY,
  IDEMPOTENCY_META_KEY,
  type OverHttp,
  progressParams,
  TIME_LIMIT_KEY,
  UNSENT_KEY,
} from "../call-source.ts";
import { callToolResult } from "../call-tool-result.ts";
import { ConstantAnswers } from "../constant-answers.ts";
import { answerFrom } from "../jsonrpc-answer.ts";
import type { ServerInfo } from "../offer.ts";
import { spanned } from "../plain.ts";
import { nameOf, originOf, REQUEST_ID_META_KEY, tellAnswered } from "../requests.ts";
import { CALL_KEYS, hasOnly, isBare, isObject, isPlainId, LIST_KEYS, MESSAGE_KEYS, TOOL_NAME } from "../shapes.ts";
import { hashed, incomingRequest, RAN_KEY } from "../spans.ts";
import type { LegacyTransport } from "./transport.ts";
import type { LegacySession } from "./transport-sessions.ts";

/** A tool's call whose every part is known. */
export interface PlainCall {
  readonly id: string | number;
  readonly name: string;
  readonly arguments: Record<string, unknown> | undefined;
  readonly meta: Record<string, unknown>;
}

/** Lists that are the same for everybody until the process ends. */
const CONSTANT_METHODS = new Set(["tools/list", "prompts/list", "resources/templates/list"]);
/** The protocol's own members of `_meta` that change nothing here, and ours. Another program's are not looked at. */
const KNOWN_META = new Set([IDEMPOTENCY_META_KEY, "traceparent", "tracestate", "progressToken"]);
/** Reserved by the protocol: a prefix with `modelcontextprotocol` or `mcp` as its last name but one, or none at all. */
const RESERVED = /^[^/]*(modelcontextprotocol|mcp)[^/]*\//;

/** The call in a POST's body, if it is plain; undefined leaves it to the SDK. */
export function plainCall(body: unknown, { tools }: Services): PlainCall | undefined {
  if (!isObject(body) || !hasOnly(body, MESSAGE_KEYS)) return undefined;
  const { jsonrpc, id, method, params } = body;
  if (jsonrpc !== "2.0" || method !== "tools/call" || !isPlainId(id)) return undefined;
  if (!isObject(params) || !hasOnly(params, CALL_KEYS)) return undefined;
  const { name, arguments: given, _meta: meta = {} } = params;
  if (typeof name !== "string" || !TOOL_NAME.test(name) || !tools.has(name)) return undefined;
  if (given !== undefined && (!isObject(given) || Object.hasOwn(given, "__proto__"))) return undefined;
  if (!isObject(meta) || !isPlainMeta(meta)) return undefined;
  return { id, name, arguments: given, meta };
}

function isPlainMeta(meta: Record<string, unknown>): boolean {
  for (const key of Object.keys(meta)) {
    if (key === "__proto__" || RESERVED.test(key)) return false;
    if (key === "progressToken") {
      if (!isPlainId(meta[key])) return false;
    } else if (KNOWN_META.has(key)) {
      if (typeof meta[key] !== "string") return false;
    } else if (!key.includes("/")) return false;
  }
  return true;
}

/** What a session's client is and can do, as the SDK would have it from its `initialize`. */
export interface PlainClient {
  readonly text: string;
  readonly capabilities: ClientCapabilities;
}

const CAPABILITIES = new Set(["elicitation", "sampling", "roots"]);
const MODES = new Set(["form", "url"]);
const ROOTS = new Set(["listChanged"]);

/** Undefined where a capability has particulars, which are the SDK's to read. */
export function plainClient(session: Pick<LegacySession, "initialize">): PlainClient | undefined {
  const { capabilities, clientInfo } = JSON.parse(session.initialize) as Record<string, unknown>;
  if (!isObject(capabilities) || !hasOnly(capabilities, CAPABILITIES) || !isObject(clientInfo)) return undefined;
  const { elicitation, sampling, roots } = capabilities;
  if (sampling !== undefined && !isBare(sampling)) return undefined;
  if (roots !== undefined) {
    if (!isObject(roots) || !hasOnly(roots, ROOTS)) return undefined;
    if (roots.listChanged !== undefined && typeof roots.listChanged !== "boolean") return undefined;
  }
  if (elicitation !== undefined) {
    if (!isObject(elicitation) || !hasOnly(elicitation, MODES) || !Object.values(elicitation).every(isBare))
      return undefined;
  }
  return {
    text: nameOf(clientInfo),
    // A client that names no way of asking can show a form.
    capabilities: Object.freeze(
      isBare(elicitation) ? { ...capabilities, elicitation: Object.freeze({ form: {} }) } : capabilities,
    ) as ClientCapabilities,
  };
}

/** Who calls, through which session, and how the SDK takes over. */
export interface PlainExchange {
  readonly principal: Principal;
  readonly authInfo: AuthInfo;
  readonly session: LegacySession;
  readonly client: PlainClient;
  /** The POST, for a server that takes over. */
  request(): Request;
  /** Connects a server to the transport and brings it to where the session stands. */
  restore(): Promise<void>;
}

/**
 * Answers a plain call on its transport, in a server's place: to the client it is the same exchange, which may become a stream and be
 * cancelled. Where only the SDK can say what the call came to, a server takes over.
 */
export function answerPlainly(
  services: Services,
  call: PlainCall,
  transport: LegacyTransport,
  exchange: PlainExchange,
): void {
  const { authInfo, request, restore } = exchange;
  const { id } = call;
  const over = new AbortController();
  let running = true;
  const end = () => {
    // An abort costs an error with its stack, so it is left out where the work is done.
    if (running) over.abort();
  };
  const notify = async (method: string, params: Record<string, unknown>) => {
    if (running && !over.signal.aborted) await transport.send({ jsonrpc: "2.0", method, params });
  };
  const http = authInfo.extra?.[HTTP_KEY] as OverHttp;
  http.taken = true;
  const run = async (message: JSONRPCMessage) => {
    const source = {
      ...exchange,
      http,
      signal: over.signal,
      notify,
      timeLimitMs: authInfo.extra?.[TIME_LIMIT_KEY] as number | undefined,
      unsent: authInfo.extra?.[UNSENT_KEY] as UnsentAnswer | undefined,
    };
    const ran = spanned(
      spanOf(services, { id, method: "tools/call", params: { name: call.name, _meta: call.meta } }, source),
      () => callTool(services, toolCallOf(call, source)),
    );
    const result = await ran.then((one) => plainResult(services, call, one, http.requestId)).catch(() => undefined);
    running = false;
    if (over.signal.aborted) return;
    if (result) return transport.send({ result, jsonrpc: "2.0", id });
    transport.onmessage = undefined;
    await restore();
    transport.handOn(message, {
      authInfo: { ...authInfo, extra: { ...authInfo.extra, [RAN_KEY]: ran } },
      request: request(),
    });
  };
  transport.onclose = end;
  transport.onmessage = (message) => {
    // Besides the call itself only its cancellation can come: nothing was asked.
    if (!("method" in message && "id" in message)) return end();
    run(message).catch((error: unknown) => {
      services.logger.error({ err: error }, "a call could not be answered");
      const failed = { code: INTERNAL_ERROR, message: "Internal error" };
      transport.send({ jsonrpc: "2.0", id, error: failed }).catch(() => {});
    });
  };
}

interface Carried {
  readonly session: LegacySession;
  readonly http: OverHttp;
}

const spanOf = (services: Services, message: Parameters<typeof incomingRequest>[1], { session, http }: Carried) =>
  services.telemetry?.request(
    incomingRequest(services, message, {
      transport: "http",
      session: hashed(session.id),
      fromHeaders: http.trace,
      negotiated: session.protocolVersion,
    }),
  );

/** Lists that are the same for everybody until the process ends. */
export class ConstantLists {
  readonly #services: Services;
  readonly #constants: ConstantAnswers;

  constructor(services: Services, server: ServerInfo) {
    this.#services = services;
    this.#constants = new ConstantAnswers(services, server, { era: "legacy", subscriptions: false });
  }

  /** What a POST is answered, if it is one plain request for such a list, and writes the request's line; undefined: something else. */
  answer(
    { messages, batch }: { readonly messages: readonly JSONRPCMessage[]; readonly batch: boolean },
    session: LegacySession,
    { authInfo, principal }: Pick<PlainExchange, "authInfo" | "principal">,
  ): string | undefined {
    const asked = batch ? undefined : constantList(messages[0]);
    if (!asked) return undefined;
    const constant = this.#constants.startOf(asked.method);
    if (constant === undefined) return undefined;
    const http = authInfo.extra?.[HTTP_KEY] as OverHttp;
    http.taken = true;
    const started = performance.now();
    const span = spanOf(this.#services, asked, { session, http });
    const { clientInfo } = JSON.parse(session.initialize) as { clientInfo?: unknown };
    const source = {
      origin: originOf(asked, { requestId: http.requestId, transport: "http" }),
      principal,
      client: nameOf(clientInfo),
      trace: span?.trace ?? traceOf(asked.params._meta) ?? http.trace,
    };
    tellAnswered(this.#services, source, started);
    span?.end();
    return answerFrom(constant, http.requestId, asked.id);
  }
}

/** A request for a list that is the same for everybody. */
export interface PlainList {
  readonly id: string | number;
  readonly method: string;
  readonly params: { readonly _meta: Record<string, unknown> };
}

/** The list that a message asks for, if it is plain; undefined leaves it to the SDK. */
export function constantList(message: unknown): PlainList | undefined {
  if (!isObject(message) || !hasOnly(message, MESSAGE_KEYS)) return undefined;
  const { id, method, params = {} } = message;
  if (typeof method !== "string" || !CONSTANT_METHODS.has(method) || !isPlainId(id)) return undefined;
  if (!isObject(params) || !hasOnly(params, LIST_KEYS)) return undefined;
  const { _meta: meta = {} } = params;
  return isObject(meta) && isPlainMeta(meta) ? { id, method, params: { _meta: meta } } : undefined;
}

/** The result as it goes on the wire; undefined where that is the SDK's to say. */
function plainResult(
  { tools }: Services,
  { name }: PlainCall,
  { structured, replayed, task }: ToolResult,
  requestId: string,
): Record<string, unknown> | undefined {
  if (task || replayed || !tools.get(name)?.output || !isObject(structured)) return undefined;
  return { ...callToolResult(structured, false), _meta: { [REQUEST_ID_META_KEY]: requestId } };
}

/** Who makes a plain call, and how it is told what happens before its answer. */
export interface PlainCaller extends Pick<PlainExchange, "principal" | "client"> {
  readonly http: OverHttp;
  readonly session: Pick<LegacySession, "logLevel"> & { readonly id: string | undefined };
  readonly signal: AbortSignal;
  readonly timeLimitMs: number | undefined;
  readonly unsent: UnsentAnswer | undefined;
  /** Sends a notification before the answer. */
  notify(method: string, params: Record<string, unknown>): Promise<void>;
}

/** The call that a plain request asks for. */
export function toolCallOf(call: PlainCall, source: PlainCaller): ToolCall {
  const { name, arguments: given, meta } = call;
  const { principal, session, client, http, signal, timeLimitMs, unsent } = source;
  const { progressToken } = meta;
  const tell = (method: string, params: Record<string, unknown>, told: unknown) => {
    // No client waits for a message that cannot be sent.
    if (!unsent || unsent.tell(answerBytes(jsonBytes(told)))) source.notify(method, params).catch(() => {});
  };
  return {
    principal,
    client: client.text,
    transportSession: session.id,
    signal,
    timeLimitMs,
    trace: traceOf(meta) ?? http.trace,
    origin: { requestId: http.requestId, transport: http.transport ?? "http", era: "legacy", method: "tools/call" },
    unsent,
    channel: {
      answers: undefined,
      requestState: undefined,
      capabilities: client.capabilities,
      tasks: false,
      declaresTasks: false,
      progress: (progress, total, message) => {
        if (progressToken === undefined) return;
        const params = progressParams(progressToken as string | number, progress, total, message);
        tell("notifications/progress", params, params);
      },
      logToClient: (level, data) => {
        if (isLoudEnough(level, session.logLevel)) tell("notifications/message", { level, data }, data);
      },
    },
    name,
    arguments: given,
    idempotencyKey: meta[IDEMPOTENCY_META_KEY] as string | undefined,
  };
}

/** RFC 5424's, as the protocol has them, the least first. */
export const LOG_LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
/** Without a level of the session everything is told. */
const isLoudEnough = (level: string, least: string): boolean =>
  least === "" || LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least);
