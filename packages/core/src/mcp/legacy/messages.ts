// What messages of the 2025 era mean to their exchange: how a session is restored in a server, to whom an answer goes. They have been
// checked before, so that their members tell what they are. Knows no HTTP, and loads no SDK.
import type { JSONRPCMessage, JSONRPCRequest, RequestId } from "@modelcontextprotocol/server";
import type { LegacySession } from "./transport-sessions.ts";

export const responseAddress = (id: RequestId): string => `response:${id}`;
export const cancelAddress = (id: RequestId): string => `cancel:${typeof id}:${id}`;

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

export const isRequest = (message: JSONRPCMessage): message is JSONRPCRequest => "method" in message && "id" in message;

/** Under which a message is waited for; undefined: it is for no exchange. */
export function addressOf(message: JSONRPCMessage): string | undefined {
  if (!("method" in message)) return message.id === undefined ? undefined : responseAddress(message.id);
  if ("id" in message || message.method !== "notifications/cancelled") return undefined;
  const { requestId } = (message.params ?? {}) as { requestId?: unknown };
  return typeof requestId === "string" || typeof requestId === "number" ? cancelAddress(requestId) : undefined;
}
