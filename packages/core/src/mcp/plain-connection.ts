// The short way on a connection without HTTP, such as stdio, for both eras: messages in, text out, without the official SDK. What is not
// surely plain is handed on to it before anything has happened; it is then brought to where the connection stands. It may be stricter
// than the SDK, never laxer. Knows no bytes.
import { randomUUID } from "node:crypto";
import type { JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, RequestId } from "@modelcontextprotocol/server";
import { callTool, type ToolCall, type ToolResult } from "../calls/call-tool.ts";
import type { Services } from "../calls/services.ts";
import { LOCAL_PRINCIPAL } from "../principal.ts";
import { CLIENT_CAPABILITIES_META_KEY, MODERN_REVISION, PROTOCOL_VERSION_META_KEY } from "../protocol.ts";
import type { RequestSpan } from "../telemetry.ts";
import { traceOf } from "../trace.ts";
import type { OverHttp } from "./call-source.ts";
import { ConstantAnswers } from "./constant-answers.ts";
import { answerFrom, endOf, metaStart, toolResultStart } from "./jsonrpc-answer.ts";
import type { ServerInfo } from "./offer.ts";
import { callOf, isPlainMeta, type PlainRequest, plainMessage, spanned } from "./plain.ts";
import { CANCELLED, carry, clientText, originOf, tellAnswered } from "./requests.ts";
import { hasOnly, isObject, isPlainId, MESSAGE_KEYS } from "./shapes.ts";
import { incomingRequest } from "./spans.ts";

/** Where a connection's messages go. */
export interface Outlet {
  /** Sends one message, as text without the end of a line. */
  send(text: string): void;
  /** Has the SDK take a message that needs no further check. */
  handOn(message: JSONRPCMessage): void;
}

type Message = Readonly<Record<string, unknown>>;
/** A request that was found to be one. */
type RequestMessage = Message & JSONRPCRequest;

/**
 * Which protocol the client speaks, as the SDK would have decided: `asked` after `server/discover` alone, when both are still possible.
 * `unknown`: from here on everything is the SDK's.
 */
type Era = "none" | "asked" | "modern" | "legacy" | "unknown";

/** What an `initialize` of the 2025 era says of its connection. */
export interface LegacyOpening {
  /** Its client, as log lines name it. */
  readonly client: string;
  readonly protocolVersion: string;
  /** How a call within the connection is run, which tells its client of progress by `notify`; undefined leaves it to the SDK. */
  callOf(message: Message, services: Services): ((running: LegacyRunning) => ToolCall) | undefined;
}

/** A call of the 2025 era that begins. */
export interface LegacyRunning {
  readonly http: OverHttp;
  readonly signal: AbortSignal;
  notify(method: string, params: Record<string, unknown>): Promise<void>;
}

/** How plain messages of the 2025 era are read: given, so that the era's folder is reached from few files and can go. */
export interface LegacyMessages {
  /** Undefined leaves the message, and with it the connection, to the SDK. */
  openingOf(message: Message): LegacyOpening | undefined;
  isInitialized(message: Message): boolean;
  /** The method of a request that is answered alike each time. */
  constantMethodOf(message: Message): string | undefined;
}

/** How a connection of the 2025 era was opened. */
interface Opening extends LegacyOpening {
  readonly initialize: RequestMessage;
  readonly since: number;
  initialized?: Message & JSONRPCNotification;
}

/** A call that is not answered yet. */
interface Running {
  readonly id: RequestId;
  readonly over: AbortController;
}

/** What a connection is made with. */
export interface PlainParts extends ServerInfo {
  readonly services: Services;
  readonly legacyMessages: LegacyMessages;
  readonly subscriptions: boolean;
  /** False leaves everything to the SDK, to compare the two. */
  readonly plainPath: boolean;
}

/** One connection's plain messages. The caller is the one who started the process. */
export class PlainConnection {
  readonly #services: Services;
  readonly #legacy: LegacyMessages;
  readonly #out: Outlet;
  /** Of a modern tool's answer, up to the request's id. */
  readonly #tail: string;
  readonly #running = new Set<Running>();
  /** By id the latest of them, which is the one that a cancellation means. */
  readonly #latest = new Map<RequestId, Running>();
  readonly #constants: Readonly<Record<"modern" | "legacy", ConstantAnswers>>;
  #era: Era = "none";
  #opening: Opening | undefined;
  /** A `server/discover` that was answered while both eras were possible. */
  #asked: RequestMessage | undefined;
  /** The SDK has taken a message. */
  #handedOn = false;
  #closed = false;
  #idle = Promise.withResolvers<void>();

  constructor(parts: PlainParts, out: Outlet) {
    if (!parts.plainPath) this.#era = "unknown";
    this.#services = parts.services;
    this.#legacy = parts.legacyMessages;
    const { services, subscriptions } = parts;
    this.#constants = {
      modern: new ConstantAnswers(services, parts, { era: "modern", subscriptions }),
      legacy: new ConstantAnswers(services, parts, { era: "legacy", subscriptions: false }),
    };
    this.#out = out;
    this.#tail = `,"resultType":"complete"${metaStart(parts)}`;
  }

  /** Answers the message, if it is plain; false leaves it to the SDK. */
  take(message: unknown): boolean {
    const taken = !this.#closed && this.#era !== "unknown" && this.#take(message);
    if (!taken) this.#handedOn = true;
    return taken;
  }

  /**
   * What the SDK has to be given before its first message, so that it stands where this connection stands. Its answers to that are not to
   * be sent: the client has them.
   */
  handshake(): JSONRPCMessage[] {
    if (this.#opening) {
      const { initialize, initialized, since } = this.#opening;
      const again = answeredBefore(initialize, { since });
      return initialized ? [again, initialized] : [again];
    }
    if (this.#era !== "modern") return this.#asked ? [answeredBefore(this.#asked)] : [];
    const _meta = { [PROTOCOL_VERSION_META_KEY]: MODERN_REVISION, [CLIENT_CAPABILITIES_META_KEY]: {} };
    // Of no request: it only says which revision is spoken.
    return [{ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: randomUUID(), _meta } }];
  }

  /** Whether a call runs. */
  get busy(): boolean {
    return this.#running.size > 0;
  }

  /** Resolves when no call runs. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await this.#idle.promise;
  }

  /** Ends the calls that still run, without an answer. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { over } of this.#running) over.abort();
    if (!this.#opening || this.#handedOn) return;
    const seconds = (performance.now() - this.#opening.since) / 1_000;
    this.#services.observer?.happened({ kind: "session_ended", seconds, transport: "stdio" });
  }

  #take(message: unknown): boolean {
    const undecided = this.#era === "none" || this.#era === "asked";
    if (!isObject(message) || message.jsonrpc !== "2.0" || typeof message.method !== "string") {
      if (undecided) this.#era = "unknown";
      return false;
    }
    if (!("id" in message)) return this.#notified(message, undecided);
    // Both are answered; a cancellation means the later one.
    if (this.#latest.delete(message.id as RequestId)) return false;
    return this.#era === "legacy" ? this.#takeLegacy(message) : this.#takeModern(message);
  }

  #takeModern(message: Message): boolean {
    const plain = plainMessage(message);
    if (plain && this.#serves(plain)) {
      if (this.#era !== "modern") this.#era = plain.method === "server/discover" ? "asked" : "modern";
      if (this.#era === "asked") this.#asked = message as RequestMessage;
      if (plain.method === "tools/call")
        this.#run(message as RequestMessage, this.#tail, ({ over }, http) => callOf(plain, local(http), over.signal));
      else this.#answer(message as RequestMessage, this.#constants.modern.startOf(plain.method) ?? "");
      return true;
    }
    if (this.#era === "modern") return false;
    const opening = this.#legacy.openingOf(message);
    if (opening) {
      const initialize = message as RequestMessage;
      this.#era = "legacy";
      this.#opening = { ...opening, initialize, since: performance.now() };
      const start = this.#constants.legacy.startOf("initialize") ?? "";
      const version = `"protocolVersion":"${opening.protocolVersion}"`;
      this.#answer(initialize, start.replace('"protocolVersion":""', version));
      return true;
    }
    const decides = message.method !== "server/discover" && isPlainId(message.id) && hasOnly(message, MESSAGE_KEYS);
    this.#era = decides && hasPlainMeta(message) ? "modern" : "unknown";
    return false;
  }

  #serves({ method, name }: PlainRequest): boolean {
    return method === "tools/call"
      ? this.#services.tools.has(name)
      : this.#constants.modern.startOf(method) !== undefined;
  }

  #takeLegacy(message: Message): boolean {
    const call = this.#opening?.callOf(message, this.#services);
    if (call) {
      this.#run(message as RequestMessage, LEGACY_META, (running, http) => {
        const notify = async (method: string, params: Record<string, unknown>) => {
          const open = this.#running.has(running) && !this.#closed;
          if (open) this.#out.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
        };
        return call({ http, signal: running.over.signal, notify });
      });
      return true;
    }
    const method = this.#legacy.constantMethodOf(message);
    const start = method === undefined ? undefined : method === "ping" ? PONG : this.#constants.legacy.startOf(method);
    if (start !== undefined) this.#answer(message as RequestMessage, start);
    // From here on a server may know what this connection does not: another client, or what it wants to be told.
    else if (message.method === "initialize" || message.method === "logging/setLevel") this.#era = "unknown";
    return start !== undefined;
  }

  #notified(message: Message, undecided: boolean): boolean {
    const { method, params } = message;
    const cancelled = method === "notifications/cancelled" && isObject(params) ? cancelledBy(params) : undefined;
    const running = cancelled === undefined ? undefined : this.#latest.get(cancelled);
    if (running) {
      running.over.abort();
      this.#end(running);
      return true;
    }
    if (this.#handedOn) return false;
    if (undecided) {
      // After `server/discover` nothing is open that a notification of 2026 could be about.
      if (this.#era === "asked" && hasPlainMeta(message)) return true;
      this.#era = "unknown";
      return false;
    }
    if (this.#opening && this.#legacy.isInitialized(message)) {
      this.#opening.initialized ??= message as Message & JSONRPCNotification;
      return true;
    }
    // It came too late: nothing runs that it could be about.
    return cancelled !== undefined;
  }

  #run(message: RequestMessage, meta: string, callFor: (running: Running, http: OverHttp) => ToolCall): void {
    const { id } = message;
    const http: OverHttp = { requestId: randomUUID(), trace: undefined, transport: "stdio" };
    const over = new AbortController();
    const running = { id, over };
    this.#running.add(running);
    this.#latest.set(id, running);
    const span = this.#span(message);
    if (span) over.signal.addEventListener("abort", () => span.end(CANCELLED), { once: true });
    const call = callFor(running, http);
    const { tools } = this.#services;
    const ran = spanned(span, () => callTool(this.#services, call));
    ran
      .then((result) => toolResultStart(tools, call.name, result))
      .catch(() => undefined)
      .then((text) => {
        if (over.signal.aborted || this.#closed) return;
        if (text !== undefined) this.#out.send(answerFrom(text + meta, http.requestId, id));
        else this.#sayByServer(message, { requestId: http.requestId, ran });
      })
      .finally(() => this.#end(running));
  }

  /** Has the SDK say what a call came to: a question, an error, a result that is no JSON. The tool does not run again. */
  #sayByServer(
    message: RequestMessage,
    known: { readonly requestId: string; readonly ran: Promise<ToolResult> },
  ): void {
    carry(message, known);
    this.#handedOn = true;
    this.#out.handOn(message);
  }

  #end(running: Running): void {
    if (this.#latest.get(running.id) === running) this.#latest.delete(running.id);
    if (!this.#running.delete(running) || this.#running.size > 0) return;
    this.#idle.resolve();
    this.#idle = Promise.withResolvers();
  }

  /** Answers at once, and writes the request's line. */
  #answer(message: RequestMessage, start: string): void {
    const started = performance.now();
    const requestId = randomUUID();
    const span = this.#span(message);
    this.#out.send(start === PONG ? PONG + endOf(message.id) : answerFrom(start, requestId, message.id));
    const told = message as { method: string; params?: Record<string, unknown> };
    const source = {
      origin: originOf(told, { requestId, transport: "stdio" }),
      principal: LOCAL_PRINCIPAL,
      client: clientText(told) || (this.#opening?.client ?? ""),
      trace: span?.trace ?? traceOf(metaOf(message)),
    };
    tellAnswered(this.#services, source, started);
    span?.end();
  }

  #span(message: RequestMessage): RequestSpan | undefined {
    const { telemetry } = this.#services;
    const negotiated = this.#opening?.protocolVersion;
    const carried = { transport: "stdio", fromHeaders: undefined, negotiated } as const;
    return telemetry?.request(incomingRequest(this.#services, message, carried));
  }
}

/** How a ping is answered: some clients take an empty result for one only if it has no member at all. */
const PONG = '{"result":{}';
const LEGACY_META = metaStart(undefined);

/** A request that the SDK is given although its client has its answer. */
function answeredBefore(request: RequestMessage, more: { readonly since?: number } = {}): JSONRPCMessage {
  const again: JSONRPCMessage = { ...request, id: randomUUID() };
  carry(again, { answered: true, ...more });
  return again;
}

const local = (http: OverHttp) => ({ principal: LOCAL_PRINCIPAL, http, timeLimitMs: undefined, unsent: undefined });

const metaOf = ({ params }: Message): Record<string, unknown> =>
  isObject(params) && isObject(params._meta) ? params._meta : {};
const hasPlainMeta = (message: Message): boolean => isPlainMeta(metaOf(message));

/** The id of the request that a cancellation means. */
function cancelledBy({ requestId, reason }: Record<string, unknown>): RequestId | undefined {
  if (reason !== undefined && typeof reason !== "string") return undefined;
  return isPlainId(requestId) ? requestId : undefined;
}
