// One span for each request of MCP, of any method: around the transport that a server is connected to, so that what the SDK
// answers by itself has one too. Knows no routes and no OpenTelemetry.
import { createHash } from "node:crypto";
import {
  type JSONRPCMessage,
  type MessageExtraInfo,
  PROTOCOL_VERSION_META_KEY,
  type RequestId,
  type Server,
  SUPPORTED_PROTOCOL_VERSIONS,
  type Transport,
} from "@modelcontextprotocol/server";
import type { Services } from "../calls/services.ts";
import type { IncomingRequest, RequestFailure, RequestSpan, Telemetry } from "../telemetry.ts";
import { cutText } from "../text.ts";
import { traceOf } from "../trace.ts";
import { HTTP_KEY, type OverHttp } from "./call-source.ts";

/** Under this key of a request's authInfo is what its tool has come to, where only the answer is still to be said. */
export const RAN_KEY = "ran";

const METHODS = new Set([
  ...["initialize", "ping", "server/discover", "logging/setLevel", "completion/complete", "subscriptions/listen"],
  ...["tools/list", "tools/call", "prompts/list", "prompts/get"],
  ...["resources/list", "resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe"],
  ...["tasks/get", "tasks/update", "tasks/cancel", "tasks/list", "tasks/result"],
]);
const REVISIONS = new Set<unknown>([...SUPPORTED_PROTOCOL_VERSIONS, "2026-07-28"]);
const URI_MAX_CHARACTERS = 200;

interface RequestMessage {
  readonly id: RequestId;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
}

/** What a span says of a request, from its message and what carried it. */
export function incomingRequest(
  services: Pick<Services, "tools" | "prompts">,
  { id, method, params = {} }: RequestMessage,
  carried: Pick<IncomingRequest, "transport" | "session" | "fromHeaders"> & { readonly negotiated?: unknown },
): IncomingRequest {
  const { negotiated, ...rest } = carried;
  const meta = (params._meta ?? {}) as Record<string, unknown>;
  const name = typeof params.name === "string" ? params.name : "";
  const revision = meta[PROTOCOL_VERSION_META_KEY] ?? negotiated ?? params.protocolVersion;
  return {
    ...rest,
    method: METHODS.has(method) ? method : "_OTHER",
    id,
    ...(method === "tools/call" && services.tools.has(name) && { tool: name }),
    ...(method === "prompts/get" && services.prompts.has(name) && { prompt: name }),
    ...(typeof params.uri === "string" && { uri: cutText(params.uri, URI_MAX_CHARACTERS) }),
    ...(REVISIONS.has(revision) && { revision: revision as string }),
    fromMessage: traceOf(meta),
  };
}

/** From now on each request that the server is sent has a span, under which its handler runs. */
export function traceRequests(server: Server, services: Services, telemetry: Telemetry, overHttp: boolean): void {
  const connect = server.connect.bind(server);
  server.connect = async (transport) => {
    await connect(transport);
    traceTransport(transport, (message, extra) => {
      const carried = extra?.authInfo?.extra;
      // A 2025-era session that is restored, and a call that has run before, under a span of its own.
      if (overHttp && (!extra || carried?.[RAN_KEY] !== undefined)) return undefined;
      const { sessionId } = transport;
      const negotiated = server.getNegotiatedProtocolVersion();
      return telemetry.request(
        incomingRequest(services, message, {
          transport: overHttp ? "http" : "stdio",
          ...(sessionId && { session: hashed(sessionId) }),
          fromHeaders: (carried?.[HTTP_KEY] as OverHttp | undefined)?.trace,
          negotiated,
        }),
      );
    });
  };
}

type Begin = (message: RequestMessage, extra: MessageExtraInfo | undefined) => RequestSpan | undefined;

function traceTransport(transport: Transport, begin: Begin): void {
  const open = new Map<RequestId, { span: RequestSpan; lasting: boolean }>();
  const end = (id: RequestId, failure?: RequestFailure) => {
    open.get(id)?.span.end(failure);
    open.delete(id);
  };
  const { onmessage, onclose } = transport;
  const send = transport.send.bind(transport);
  transport.onmessage = (message, extra) => {
    const span = isRequest(message) ? begin(message, extra) : undefined;
    if (!span || !isRequest(message)) {
      const id = cancelledBy(message);
      if (id !== undefined) end(id, CANCELLED);
      return onmessage?.(message, extra);
    }
    open.set(message.id, { span, lasting: message.method === "subscriptions/listen" });
    span.run(() => onmessage?.(message, extra));
  };
  transport.send = (message, options) => {
    if (!("method" in message) && message.id !== undefined) end(message.id, failureOf(message));
    return send(message, options);
  };
  transport.onclose = () => {
    // A stream has no other end; what else is not answered by now will not be.
    for (const [id, { lasting }] of open) end(id, lasting ? undefined : CANCELLED);
    onclose?.();
  };
}

const CANCELLED: RequestFailure = { type: "cancelled" };

const isRequest = (message: JSONRPCMessage): message is JSONRPCMessage & RequestMessage =>
  "method" in message && "id" in message;

function cancelledBy(message: JSONRPCMessage): RequestId | undefined {
  if (!("method" in message) || message.method !== "notifications/cancelled") return undefined;
  const id: unknown = message.params?.requestId;
  return typeof id === "string" || typeof id === "number" ? id : undefined;
}

/** How an answer failed; undefined when it did not. */
export function failureOf(answer: JSONRPCMessage): RequestFailure | undefined {
  if ("error" in answer) return { type: String(answer.error.code), code: answer.error.code };
  if ("result" in answer && (answer.result as { isError?: unknown }).isError === true) return TOOL_ERROR;
  return undefined;
}

/** A tool that says it failed. */
export const TOOL_ERROR: RequestFailure = { type: "tool_error" };

/** A 2025-era session's id is a key to its state. */
const hashed = (id: string): string => createHash("sha256").update(id).digest("base64url").slice(0, 22);
