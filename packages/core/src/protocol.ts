// Names and numbers of MCP, and how its errors are told from others, without loading the official SDK: a process that is asked only for
// what is plain never does. A test holds them equal to the SDK's.
import type { InputRequiredResult } from "@modelcontextprotocol/server";

/** The revision of 2026 that is spoken here. */
export const MODERN_REVISION = "2026-07-28";
/** Those with a handshake, the newest first. */
export const LEGACY_REVISIONS: readonly string[] = [
  "2025-11-25",
  "2025-06-18",
  "2025-03-26",
  "2024-11-05",
  "2024-10-07",
];

export const PROTOCOL_VERSION_META_KEY = "io.modelcontextprotocol/protocolVersion";
export const CLIENT_INFO_META_KEY = "io.modelcontextprotocol/clientInfo";
export const CLIENT_CAPABILITIES_META_KEY = "io.modelcontextprotocol/clientCapabilities";
export const SERVER_INFO_META_KEY = "io.modelcontextprotocol/serverInfo";
export const TRACEPARENT_META_KEY = "traceparent";
export const TRACESTATE_META_KEY = "tracestate";
export const BAGGAGE_META_KEY = "baggage";

export const INVALID_PARAMS = -32_602;
export const INTERNAL_ERROR = -32_603;

/** Whether a result is a question to the client. */
export const isInputRequiredResult = (value: unknown): value is InputRequiredResult =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  (value as { resultType?: unknown }).resultType === "input_required";

/** The number that an error brings along where it may be one of the protocol. */
export const codeOf = (thrown: unknown): number | undefined =>
  thrown instanceof Error && "code" in thrown && typeof thrown.code === "number" ? thrown.code : undefined;

/** Whether a tool threw an error of the protocol. One that has no number is none, so that the SDK is loaded only where one may be. */
export async function isProtocolError(thrown: unknown): Promise<boolean> {
  if (codeOf(thrown) === undefined) return false;
  const { ProtocolError } = await import("./sdk.ts");
  return thrown instanceof ProtocolError;
}
