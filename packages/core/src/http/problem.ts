// What goes wrong, as HTTP says it: an error that a caller may see, its headers, and problem+json (RFC 9457).
import { type Access, challengeFor } from "../auth/access.ts";
import { AppError, ERROR_CODES } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { codeOf, INVALID_PARAMS, isProtocolError } from "../protocol.ts";
import type { RequestContext } from "./caller-of-request.ts";

/** What is thrown, as an error that a caller may see; what is not meant for callers goes to the log. */
export async function asAppError(thrown: unknown, logger: Logger): Promise<AppError> {
  if (thrown instanceof AppError) return thrown;
  // What a tool's author has chosen to say: its code means nothing outside of MCP.
  if (await isProtocolError(thrown))
    return new AppError(codeOf(thrown) === INVALID_PARAMS ? "invalid_input" : "internal", (thrown as Error).message);
  logger.error({ err: thrown }, "unexpected error");
  return new AppError("internal", "Something failed inside the server.");
}

export function headersFor(error: AppError, c: RequestContext, access: Access): Record<string, string> {
  const challenge = challengeFor(error, access, c.req.raw);
  return {
    ...(challenge !== undefined && { "WWW-Authenticate": challenge }),
    ...(error.retryAfterSeconds !== undefined && { "Retry-After": String(error.retryAfterSeconds) }),
  };
}

export function problem(c: RequestContext, error: AppError, access: Access): Response {
  const headers = { "Content-Type": "application/problem+json", ...headersFor(error, c, access) };
  return c.body(problemText(error), error.status as 400, headers);
}

/** The body of an answer of the type `application/problem+json`. */
export function problemText(error: AppError): string {
  const { title } = ERROR_CODES[error.code];
  const body = { title, status: error.status, detail: error.message, code: error.code, ...error.details };
  return `${JSON.stringify(body)}\n`;
}
