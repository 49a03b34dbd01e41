// What telemetry is told of a request of MCP: which names exist, which trace it belongs to, how it failed. Knows no routes, no transport
// and no OpenTelemetry.
import { createHash } from "node:crypto";
import type { JSONRPCMessage, RequestId } from "@modelcontextprotocol/server";
import type { Services } from "../calls/services.ts";
import { LEGACY_REVISIONS, MODERN_REVISION, PROTOCOL_VERSION_META_KEY } from "../protocol.ts";
import type { IncomingRequest, RequestFailure } from "../telemetry.ts";
import { cutText } from "../text.ts";
import { traceOf } from "../trace.ts";

/** Under this key of a request's authInfo is what its tool has come to, where only the answer is still to be said. */
export const RAN_KEY = "ran";

const METHODS = new Set([
  ...["initialize", "ping", "server/discover", "logging/setLevel", "completion/complete", "subscriptions/listen"],
  ...["tools/list", "tools/call", "prompts/list", "prompts/get"],
  ...["resources/list", "resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe"],
  ...["tasks/get", "tasks/update", "tasks/cancel", "tasks/list", "tasks/result"],
]);
/** A method that does not exist has no name of its own, so that strangers make up no series. */
export const knownMethod = (method: string): string => (METHODS.has(method) ? method : "_OTHER");
const REVISIONS = new Set<unknown>([...LEGACY_REVISIONS, MODERN_REVISION]);
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
    method: knownMethod(method),
    id,
    ...(method === "tools/call" && services.tools.has(name) && { tool: name }),
    ...(method === "prompts/get" && services.prompts.has(name) && { prompt: name }),
    ...(typeof params.uri === "string" && { uri: cutText(params.uri, URI_MAX_CHARACTERS) }),
    ...(REVISIONS.has(revision) && { revision: revision as string }),
    fromMessage: traceOf(meta),
  };
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
export const hashed = (id: string): string => createHash("sha256").update(id).digest("base64url").slice(0, 22);
