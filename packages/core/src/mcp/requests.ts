// Each request of MCP that a server is sent, of any method: its id in the answer, its span, and its line in the log where no call of the
// pipeline writes one. Around the transport, so that what the SDK answers by itself has them too. Knows no routes.
import { randomUUID } from "node:crypto";
import type {
  AuthInfo,
  JSONRPCMessage,
  MessageExtraInfo,
  RequestId,
  Server,
  Transport,
} from "@modelcontextprotocol/server";
import type { ToolResult } from "../calls/call-tool.ts";
import { requestFields, tellRequest } from "../calls/request-line.ts";
import type { CallSource, Origin, Services } from "../calls/services.ts";
import { LOCAL_PRINCIPAL, type Principal } from "../principal.ts";
import { CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY } from "../protocol.ts";
import type { RequestFailure, RequestSpan } from "../telemetry.ts";
import { traceOf } from "../trace.ts";
import { HTTP_KEY, type OverHttp, PRINCIPAL_KEY, type UnderWay, underWay } from "./call-source.ts";
import { failureOf, hashed, incomingRequest, knownMethod, RAN_KEY } from "./spans.ts";

/** Our own key in an answer's `_meta`: under which id the log has the request. */
export const REQUEST_ID_META_KEY = "io.github.stateful-mcp/request-id";

interface RequestMessage {
  readonly id: RequestId;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
}

/** What this process knows of a message besides what it says. */
interface Known {
  /** The id it is logged and answered under. */
  readonly requestId?: string;
  /** What its tool has come to: only the answer is still to be said. */
  readonly ran?: Promise<ToolResult>;
  /** It was answered before, with its line, and tells a server where its connection stands. */
  readonly answered?: boolean;
  /** It opened its connection at this time, in milliseconds of this process. */
  readonly since?: number;
}
const known = new WeakMap<object, Known>();

/** Tells a server, before it is given the message, what is known of it. */
export const carry = (message: object, what: Known): void => void known.set(message, what);

/** A request that is not answered yet. */
interface Open extends UnderWay {
  readonly started: number;
  readonly message: RequestMessage;
  readonly extra: MessageExtraInfo | undefined;
  readonly span: RequestSpan | undefined;
}

/** From now on each request that the server is sent is answered under an id, and has a line and, where spans are made, a span. */
export function watchRequests(server: Server, services: Services, overHttp: boolean): void {
  const connect = server.connect.bind(server);
  server.connect = async (transport) => {
    await connect(transport);
    watch(new Watcher(server, services, overHttp, transport), server, transport);
  };
}

function watch(watcher: Watcher, server: Server, transport: Transport): void {
  const open = new Map<RequestId, Open>();
  underWay.set(server, open);
  const end = (id: RequestId, failure?: RequestFailure) => {
    const one = open.get(id);
    if (!one) return;
    open.delete(id);
    watcher.end(one, failure);
  };
  const { onmessage, onclose } = transport;
  const send = transport.send.bind(transport);
  transport.onmessage = (message, extra) => {
    const { answered = false, since } = known.get(message) ?? {};
    if (answered && isRequest(message)) {
      if (since !== undefined) watcher.openedAt(since);
      return onmessage?.(message, extra);
    }
    const one = isRequest(message) ? watcher.begin(message, extra) : undefined;
    if (!one) {
      const id = cancelledBy(message);
      if (id !== undefined) end(id, CANCELLED);
      return onmessage?.(message, extra);
    }
    open.set(one.message.id, one);
    if (one.span) one.span.run(() => onmessage?.(message, extra));
    else onmessage?.(message, extra);
  };
  transport.send = (message, options) => {
    if ("method" in message || message.id === undefined) return send(message, options);
    const one = open.get(message.id);
    if (one) end(message.id, failureOf(message));
    return send(one && "result" in message ? withRequestId(message, one.requestId) : message, options);
  };
  transport.onclose = () => {
    // What is not answered by now will not be.
    for (const id of [...open.keys()]) end(id, CANCELLED);
    watcher.close();
    onclose?.();
  };
}

export const CANCELLED: RequestFailure = { type: "cancelled" };

function withRequestId<M extends JSONRPCMessage & { result: { _meta?: object | undefined } }>(
  message: M,
  id: string,
): M {
  // Some clients take an empty result for one only if it has no member at all, and so does the conformance suite.
  if (Object.keys(message.result).length === 0) return message;
  return { ...message, result: { ...message.result, _meta: { ...message.result._meta, [REQUEST_ID_META_KEY]: id } } };
}

/** Begins and ends the requests of one connection. */
class Watcher {
  /** Over stdio a connection of the era of 2025 is a session, from its handshake to its end. */
  #session: number | undefined;
  readonly #server: Server;
  readonly #services: Services;
  readonly #overHttp: boolean;
  readonly #transport: Transport;

  constructor(server: Server, services: Services, overHttp: boolean, transport: Transport) {
    this.#server = server;
    this.#services = services;
    this.#overHttp = overHttp;
    this.#transport = transport;
  }

  begin(message: RequestMessage, extra: MessageExtraInfo | undefined): Open | undefined {
    // A 2025-era session that is restored: no client has asked for this now.
    if (this.#overHttp && !extra) return undefined;
    const carried = extra?.authInfo?.extra;
    const http = carried?.[HTTP_KEY] as OverHttp | undefined;
    if (http) http.taken = true;
    if (message.method === "initialize" && !this.#overHttp) this.#session ??= performance.now();
    // A call that has run before has its line and its span, and only its answer is still to be said.
    const { requestId = http?.requestId ?? randomUUID(), ran = carried?.[RAN_KEY] } = known.get(message) ?? {};
    return {
      requestId,
      started: performance.now(),
      message,
      extra,
      span: ran ? undefined : this.#span(message, http),
      lined: ran !== undefined,
      ran: ran as Open["ran"],
    };
  }

  /** The connection's session began before this server had it. */
  openedAt(since: number): void {
    this.#session = since;
  }

  end({ requestId, started, message, extra, span, lined }: Open, failure: RequestFailure | undefined): void {
    if (!lined) {
      const http = extra?.authInfo?.extra?.[HTTP_KEY] as OverHttp | undefined;
      const principal = extra?.authInfo?.extra?.[PRINCIPAL_KEY] as Principal | undefined;
      const origin = originOf(message, { requestId, transport: this.#transportOf(http) });
      // A modern request says what its client is; asking the instance would answer with the client that used it before.
      const known = origin.era === "modern" ? undefined : this.#server.getClientVersion();
      const source = {
        origin,
        principal: principal ?? LOCAL_PRINCIPAL,
        client: clientText(message) || nameOf(known),
        trace: span?.trace ?? traceOf(metaOf(message)) ?? http?.trace,
      };
      tellAnswered(this.#services, source, started, failure);
    }
    span?.end(failure);
  }

  close(): void {
    if (this.#session === undefined) return;
    const seconds = (performance.now() - this.#session) / 1_000;
    this.#session = undefined;
    this.#services.observer?.happened({ kind: "session_ended", seconds, transport: "stdio" });
  }

  #transportOf = (http: OverHttp | undefined) => http?.transport ?? (this.#overHttp ? "http" : "stdio");

  #span(message: RequestMessage, http: OverHttp | undefined): RequestSpan | undefined {
    const { telemetry } = this.#services;
    if (!telemetry) return undefined;
    const { sessionId } = this.#transport;
    return telemetry.request(
      incomingRequest(this.#services, message, {
        transport: this.#transportOf(http),
        ...(sessionId && { session: hashed(sessionId) }),
        fromHeaders: http?.trace,
        negotiated: this.#server.getNegotiatedProtocolVersion(),
      }),
    );
  }
}

/** Begins a request over HTTP that has a span and a line and is sent to no server; the function ends it, without a failure. */
export function beginTold(services: Services, message: RequestMessage, { extra = {} }: AuthInfo): () => void {
  const { requestId, trace, transport = "http" } = extra[HTTP_KEY] as OverHttp;
  const started = performance.now();
  const origin = originOf(message, { requestId, transport });
  const span = services.telemetry?.request(incomingRequest(services, message, { transport, fromHeaders: trace }));
  return () => {
    const principal = extra[PRINCIPAL_KEY] as Principal;
    const told = span?.trace ?? traceOf(metaOf(message)) ?? trace;
    tellAnswered(services, { origin, principal, client: clientText(message), trace: told }, started);
    span?.end();
  };
}

/** From now on the request's line is written where it is answered. */
export function takenBy({ extra = {} }: AuthInfo): void {
  (extra[HTTP_KEY] as OverHttp).taken = true;
}

/** What a message and its carrier say of where a request came from. */
export const originOf = (
  message: Pick<RequestMessage, "method" | "params">,
  carried: { readonly requestId: string; readonly transport: "http" | "stdio" },
): Origin => ({
  ...carried,
  era: PROTOCOL_VERSION_META_KEY in metaOf(message) ? "modern" : "legacy",
  method: knownMethod(message.method),
});

/** Writes the line of a request that the pipeline writes none for. */
export function tellAnswered(
  services: Services,
  source: Pick<CallSource, "origin" | "principal" | "client" | "trace">,
  started: number,
  failure?: RequestFailure,
): void {
  const code = failure?.code;
  const fields = requestFields(source, source.trace, code === undefined ? {} : { error_code: code });
  const outcome = failure === undefined ? "ok" : code === undefined ? failure.type : "protocol_error";
  tellRequest(services, "request", fields, { outcome, started });
}

/** Writes the line of a message that was answered before any server had it, under the status of its answer. */
export function tellUnanswered(
  services: Services,
  body: unknown,
  end: { principal: Principal; http: OverHttp; started: number; outcome: string; status: number },
): void {
  const { principal, http, started, outcome, status } = end;
  const { method, params } = (Array.isArray(body) ? {} : (body ?? {})) as { method?: unknown; params?: unknown };
  const message = {
    method: typeof method === "string" ? method : "",
    params: typeof params === "object" && params ? { ...params } : {},
  };
  const origin = originOf(message, { requestId: http.requestId, transport: http.transport ?? "http" });
  const source = { origin, principal, client: clientText(message) };
  const fields = requestFields(source, traceOf(metaOf(message)) ?? http.trace, { status });
  tellRequest(services, "request", fields, { outcome, started });
}

/** A message that no server has taken may have anything in its place. */
const metaOf = ({ params }: Pick<RequestMessage, "params">): Record<string, unknown> => {
  const meta = params?._meta;
  return typeof meta === "object" && meta !== null ? (meta as Record<string, unknown>) : {};
};

/** What a message says of its client: one of 2026 each time, one of 2025 when it initializes. */
export const clientText = (message: Pick<RequestMessage, "params">): string =>
  nameOf(metaOf(message)[CLIENT_INFO_META_KEY] ?? message.params?.clientInfo);

export function nameOf(info: unknown): string {
  const { name, version } = (info ?? {}) as { name?: unknown; version?: unknown };
  return typeof name === "string" && typeof version === "string" ? `${name} ${version}` : "";
}

const isRequest = (message: JSONRPCMessage): message is JSONRPCMessage & RequestMessage =>
  "method" in message && "id" in message;

function cancelledBy(message: JSONRPCMessage): RequestId | undefined {
  if (!("method" in message) || message.method !== "notifications/cancelled") return undefined;
  const id: unknown = message.params?.requestId;
  return typeof id === "string" || typeof id === "number" ? id : undefined;
}
