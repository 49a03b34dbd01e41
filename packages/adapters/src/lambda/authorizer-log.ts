// Log lines of an authorizer: JSON on stderr. Not the server's logger, which would be most of what a cold start loads.
import type { Logger } from "@stateful-mcp/core/runtime";

const say = (level: string, { err, ...fields }: Record<string, unknown>, message: string): void => {
  const why = err === undefined ? {} : { reason: String(err) };
  process.stderr.write(`${JSON.stringify({ level, message, ...fields, ...why })}\n`);
};

export const authorizerLog: Pick<Logger, "error" | "warn"> = {
  warn: (fields, message) => say("warn", fields, message),
  error: (fields, message) => say("error", fields, message),
};
