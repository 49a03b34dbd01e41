// Whether messages of the 2025 era are what they say, as the official SDK judges: what is a message at all, what counts as a call, what is
// wrong with an `initialize`. Loaded for what is not plain. Knows no HTTP.
import {
  isInitializeRequest,
  isSpecType,
  type JSONRPCMessage,
  parseJSONRPCMessage,
} from "@modelcontextprotocol/server";
import type { Services } from "../../calls/services.ts";
import { isRequest } from "./messages.ts";

/** Undefined: one of them is no message of JSON-RPC. */
export function parsed(given: readonly unknown[]): JSONRPCMessage[] | undefined {
  try {
    return given.map((one) => parseJSONRPCMessage(one));
  } catch {
    return undefined;
  }
}

/** Whether the pipeline counts it: one of the requests that run there, in the form in which the SDK hands them on. */
export function isCountedByItsCall(message: JSONRPCMessage, { tools }: Services): boolean {
  if (!isRequest(message)) return false;
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
