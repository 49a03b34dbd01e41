// The short way for the most common messages of revision 2026-07-28: a known tool's call and the lists that are the same for
// everybody, from parsed JSON to text. It may be stricter than the official SDK, never laxer: what is not surely plain is handed on
// before anything has happened, and what only the SDK can say is said by it. Knows no routes and no 2025 era.
import type { ClientCapabilities } from "@modelcontextprotocol/server";
import { InputNeeded } from "../calls/asking.ts";
import { callTool, type ToolCall, type ToolResult } from "../calls/call-tool.ts";
import type { ClientChannel, Services } from "../calls/services.ts";
import type { UnsentAnswer } from "../calls/unsent.ts";
import { AppError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  codeOf,
  INVALID_PARAMS,
  MODERN_REVISION,
  PROTOCOL_VERSION_META_KEY,
  TRACEPARENT_META_KEY,
  TRACESTATE_META_KEY,
} from "../protocol.ts";
import { InvalidRequestState } from "../state/request-state.ts";
import type { RequestFailure, RequestSpan } from "../telemetry.ts";
import { traceOf } from "../trace.ts";
import { IDEMPOTENCY_META_KEY, type OverHttp } from "./call-source.ts";
import { ConstantAnswers } from "./constant-answers.ts";
import { answerFrom, metaStart, toolResultStart } from "./jsonrpc-answer.ts";
import type { ServerInfo } from "./offer.ts";
import { clientText, originOf, tellAnswered } from "./requests.ts";
import { CALL_KEYS, hasOnly, isBare, isObject, isPlainId, LIST_KEYS, MESSAGE_KEYS, TOOL_NAME } from "./shapes.ts";
import { incomingRequest, TOOL_ERROR } from "./spans.ts";

/** Answered the same to everybody until the process ends. */
const CONSTANT_METHODS = new Set(["tools/list", "prompts/list", "resources/templates/list", "server/discover"]);

/** A request whose every part is known. */
export interface PlainRequest {
  readonly id: string | number;
  readonly method: string;
  readonly name: string;
  readonly arguments: Record<string, unknown> | undefined;
  readonly meta: Record<string, unknown>;
}

/** The request in a POST's body, if it is plain and its headers say the same; undefined leaves it to the SDK. */
export function plainRequest(headers: Pick<Headers, "get">, body: unknown): PlainRequest | undefined {
  const plain = plainMessage(body);
  if (!plain || headers.get("mcp-protocol-version") !== MODERN_REVISION) return undefined;
  if (headers.get("mcp-method") !== plain.method) return undefined;
  return plain.method !== "tools/call" || headers.get("mcp-name") === plain.name ? plain : undefined;
}

/** The request that a message is, if it is plain; undefined leaves it to the SDK. */
export function plainMessage(body: unknown): PlainRequest | undefined {
  if (!isObject(body) || !hasOnly(body, MESSAGE_KEYS)) return undefined;
  const { jsonrpc, id, method, params } = body;
  if (jsonrpc !== "2.0" || typeof method !== "string" || !isObject(params)) return undefined;
  if (!isPlainId(id)) return undefined;
  if (!isObject(params._meta) || !isPlainMeta(params._meta)) return undefined;
  const plain = { id, method, meta: params._meta };
  if (CONSTANT_METHODS.has(method))
    return hasOnly(params, LIST_KEYS) ? { ...plain, name: "", arguments: undefined } : undefined;
  if (method !== "tools/call" || !hasOnly(params, CALL_KEYS)) return undefined;
  const { name, arguments: given } = params;
  if (typeof name !== "string" || !TOOL_NAME.test(name)) return undefined;
  if (given !== undefined && (!isObject(given) || Object.hasOwn(given, "__proto__"))) return undefined;
  return { ...plain, name, arguments: given };
}

const INFO_KEYS = new Set(["name", "version", "title"]);
/** Of what a client can do, only what is said without particulars: extensions, among them tasks, are the SDK's matter. */
const CAPABILITIES = new Set(["elicitation", "sampling", "roots"]);
const TEXTS_IN_META = new Set([IDEMPOTENCY_META_KEY, TRACEPARENT_META_KEY, TRACESTATE_META_KEY]);

/** Without a progress token and a log level nothing is told before the answer, so that it is one text. */
export function isPlainMeta(meta: Record<string, unknown>): boolean {
  if (meta[PROTOCOL_VERSION_META_KEY] !== MODERN_REVISION || !(CLIENT_CAPABILITIES_META_KEY in meta)) return false;
  for (const key of Object.keys(meta)) {
    const value = meta[key];
    if (key === PROTOCOL_VERSION_META_KEY) continue;
    if (key === CLIENT_CAPABILITIES_META_KEY) {
      if (!isObject(value) || !hasOnly(value, CAPABILITIES) || !areBare(value)) return false;
    } else if (key === CLIENT_INFO_META_KEY) {
      if (!isObject(value) || !hasOnly(value, INFO_KEYS) || !Object.values(value).every(isText)) return false;
      if (!isText(value.name) || !isText(value.version)) return false;
    } else if (!TEXTS_IN_META.has(key) || !isText(value)) return false;
  }
  return true;
}

/** Empty objects, or with such as their members: `{ elicitation: { form: {} } }`. */
const areBare = (capabilities: Record<string, unknown>): boolean =>
  Object.entries(capabilities).every(
    ([name, one]) =>
      isBare(one) ||
      (name === "elicitation" && isObject(one) && hasOnly(one, ELICITATIONS) && Object.values(one).every(isBare)),
  );
const ELICITATIONS = new Set(["form", "url"]);
const isText = (value: unknown): value is string => typeof value === "string";
/** Who makes a request, and what it came with. */
export interface PlainCaller {
  readonly principal: Principal;
  readonly timeLimitMs: number | undefined;
  readonly http: OverHttp;
  readonly unsent: UnsentAnswer | undefined;
}

/** Who makes a plain request, and how the SDK answers it where the short way ends. */
export interface PlainSource extends PlainCaller {
  readonly signal: AbortSignal;
  /** Has the SDK answer; with `ran`, the tool is not run again. */
  sdk(ran?: Promise<ToolResult>): Promise<Response>;
}

export type PlainAnswer = string | Response;

/** Answers plain requests of one app. */
export class PlainPath {
  readonly #services: Services;
  readonly #tail: string;
  readonly #constants: ConstantAnswers;
  readonly #running = new Set<AbortController>();
  #closed = false;

  /** `subscriptions`: whether clients can be told of changes. */
  constructor(services: Services, server: ServerInfo, subscriptions: boolean) {
    this.#services = services;
    this.#constants = new ConstantAnswers(services, server, { era: "modern", subscriptions });
    this.#tail = `,"resultType":"complete"${metaStart(server)}`;
  }

  /** Whether the request can take the short way. */
  takes({ method, name }: PlainRequest): boolean {
    if (this.#closed) return false;
    return method === "tools/call" ? this.#services.tools.has(name) : this.#constants.startOf(method) !== undefined;
  }

  /** A text is the JSON of an answer with status 200. */
  async answer(request: PlainRequest, source: PlainSource): Promise<PlainAnswer> {
    const constant = this.#constants.startOf(request.method);
    if (constant !== undefined) return this.#say(constant, request, source);
    if (source.signal.aborted) return source.sdk();
    return this.#call(request, source);
  }

  /** Ends the calls that still run. Later requests are the SDK's. */
  close(): void {
    this.#closed = true;
    for (const running of this.#running) running.abort();
  }

  /** Answers at once, and writes the request's line. */
  #say(constant: string, request: PlainRequest, source: PlainSource): string {
    const { id, method, meta } = request;
    const { http, principal } = source;
    const started = performance.now();
    const span = this.#span(request, source);
    const message = { method, params: { _meta: meta } };
    const origin = originOf(message, { requestId: http.requestId, transport: "http" });
    const trace = span?.trace ?? traceOf(meta) ?? http.trace;
    tellAnswered(this.#services, { origin, principal, client: clientText(message), trace }, started);
    span?.end();
    return answerFrom(constant, http.requestId, id);
  }

  #call(request: PlainRequest, source: PlainSource): Promise<PlainAnswer> {
    const controller = new AbortController();
    this.#running.add(controller);
    return new Promise((resolve, reject) => {
      // The client has gone away, or the app is closed: what still runs is told, and its answer has no reader.
      controller.signal.addEventListener("abort", () => resolve(new Response(null, { status: 499 })), { once: true });
      const abort = () => controller.abort();
      source.signal.addEventListener("abort", abort, { once: true });
      this.#run(request, source, controller.signal)
        .then(resolve, reject)
        .finally(() => {
          source.signal.removeEventListener("abort", abort);
          this.#running.delete(controller);
        });
    });
  }

  #span({ id, method, name, meta }: PlainRequest, { http }: PlainSource): RequestSpan | undefined {
    const { telemetry } = this.#services;
    if (!telemetry) return undefined;
    const message = { id, method, params: { name, _meta: meta } };
    return telemetry.request(incomingRequest(this.#services, message, { transport: "http", fromHeaders: http.trace }));
  }

  async #run(request: PlainRequest, source: PlainSource, signal: AbortSignal): Promise<PlainAnswer> {
    const ran = spanned(this.#span(request, source), () => callTool(this.#services, callOf(request, source, signal)));
    const { requestId } = source.http;
    const { tools } = this.#services;
    const result = await ran.then((one) => toolResultStart(tools, request.name, one)).catch(() => undefined);
    return result === undefined ? source.sdk(ran) : answerFrom(result + this.#tail, requestId, request.id);
  }
}

/** Runs a call under its span, where there is one, which ends with it. */
export function spanned(span: RequestSpan | undefined, call: () => Promise<ToolResult>): Promise<ToolResult> {
  if (!span) return call();
  const ran = span.run(call);
  ran.then(
    ({ structured }) => span.end(structured.isError === true ? TOOL_ERROR : undefined),
    (error) => span.end(failureOfCall(error)),
  );
  return ran;
}

/** As its answer says it: the protocol's own errors, and otherwise a result that says it failed. */
function failureOfCall(error: unknown): RequestFailure | undefined {
  if (error instanceof InputNeeded) return undefined;
  if (error instanceof AppError && !(error instanceof InvalidRequestState)) return TOOL_ERROR;
  const code = codeOf(error) ?? INVALID_PARAMS;
  return { type: String(code), code };
}

/** The call that a plain request asks for. */
export function callOf(
  { name, arguments: given, meta }: PlainRequest,
  { principal, timeLimitMs, http, unsent }: Pick<PlainSource, "principal" | "timeLimitMs" | "http" | "unsent">,
  signal: AbortSignal,
): ToolCall {
  const { requestId, transport = "http" } = http;
  return {
    principal,
    client: clientText({ params: { _meta: meta } }),
    transportSession: undefined,
    signal,
    timeLimitMs,
    trace: traceOf(meta) ?? http.trace,
    origin: { requestId, transport, era: "modern", method: "tools/call" },
    unsent,
    channel: channelOf(meta),
    name,
    arguments: given,
    idempotencyKey: meta[IDEMPOTENCY_META_KEY] as string | undefined,
  };
}

const channelOf = (meta: Record<string, unknown>): ClientChannel => ({
  answers: undefined,
  requestState: undefined,
  capabilities: meta[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities,
  tasks: false,
  declaresTasks: true,
  progress: () => {},
  logToClient: () => {},
});
