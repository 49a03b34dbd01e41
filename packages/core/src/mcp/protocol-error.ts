// What our errors are in the protocol's words, where no tool has thrown them. Knows no channel.
import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { AppError } from "../errors.ts";
import { InvalidRequestState } from "../state/request-state.ts";

/** For methods whose errors are the protocol's: everything but a tool's own. */
export function protocolError(error: unknown, uri?: string): unknown {
  if (!(error instanceof AppError)) return error;
  if (error instanceof InvalidRequestState)
    return new ProtocolError(ProtocolErrorCode.InvalidParams, error.message, { reason: "invalid_request_state" });
  const { code, retryable, retryAfterSeconds, details } = error;
  const facts = { code, retryable, ...(retryAfterSeconds !== undefined && { retry_after_seconds: retryAfterSeconds }) };
  const wireCode = error.status < 500 ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
  return new ProtocolError(wireCode, error.message, { ...facts, ...details, ...(uri !== undefined && { uri }) });
}
