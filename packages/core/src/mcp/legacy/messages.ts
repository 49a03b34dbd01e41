// What messages of the 2025 era mean to their exchange: how a session is restored in a server, to whom an answer goes, what counts as a
// call, what is wrong with an `initialize`. Knows no HTTP.
import {
  isInitializeRequest,
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  isSpecType,
  type JSONRPCMessage,
} from "@modelcontextprotocol/server";
import type { Services } from "../../calls/services.ts";
import { cancelAddress, responseAddress } from "./transport.ts";
import type { LegacySession } from "./transport-sessions.ts";

/** What brings a new server to where the session stands. */
export function restoring(session: LegacySession): JSONRPCMessage[] {
  const messages: JSONRPCMessage[] = [
    { jsonrpc: "2.0", id: "restore", method: "initialize", params: JSON.parse(session.initialize) },
    { jsonrpc: "2.0", method: "notifications/initialized" },
  ];
  if (session.logLevel !== "")
    messages.push({
      jsonrpc: "2.0",
      id: "restore-level",
      method: "logging/setLevel",
      params: { level: session.logLevel },
    });
  return messages;
}

export function addressOf(message: JSONRPCMessage): string | undefined {
  if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message))
    return message.id === undefined ? undefined : responseAddress(message.id);
  if (!isJSONRPCNotification(message) || message.method !== "notifications/cancelled") return undefined;
  const { requestId } = (message.params ?? {}) as { requestId?: unknown };
  return typeof requestId === "string" || typeof requestId === "number" ? cancelAddress(requestId) : undefined;
}

/** Whether the pipeline counts it: one of the requests that run there, in the form in which the SDK hands them on. */
export function isCountedByItsCall(message: JSONRPCMessage, { tools }: Services): boolean {
  if (!isJSONRPCRequest(message)) return false;
  if (isSpecType.CallToolRequest(message)) return tools.has(message.params.name);
  return (
    isSpecType.ReadResourceRequest(message) ||
    isSpecType.ListResourcesRequest(message) ||
    isSpecType.GetPromptRequest(message) ||
    isSpecType.CompleteRequest(message)
  );
}

export const isInitialize = (message: JSONRPCMessage): boolean =>
  "method" in message && message.method === "initialize";

/** What is wrong with an `initialize`, naming the member; undefined: nothing. */
export function faultOfInitialize(message: JSONRPCMessage & { params?: unknown }): string | undefined {
  if (isInitializeRequest(message)) return undefined;
  const params = (message.params ?? {}) as Record<string, unknown>;
  const clientInfo = params.clientInfo as Record<string, unknown> | undefined;
  const missing = [
    ["protocolVersion", typeof params.protocolVersion === "string"],
    ["capabilities", typeof params.capabilities === "object" && params.capabilities !== null],
    ["clientInfo", typeof clientInfo === "object" && clientInfo !== null],
    ["clientInfo.name", typeof clientInfo?.name === "string"],
    ["clientInfo.version", typeof clientInfo?.version === "string"],
  ].find(([, there]) => !there);
  return `initialize: ${missing?.[0] ?? "a member of its params"} is missing or of the wrong type.`;
}
