// Log lines for every process that carries the product: JSON on stderr, because stdout belongs to the protocol.
// Knows nothing of what is logged, except that credentials never are.
import type { Logger } from "@stateful-mcp/core";
import pino, { type DestinationStream } from "pino";

/** What a logger writes, and where. */
export interface LoggerOptions {
  level: "debug" | "info" | "warn" | "error" | "silent";
  /** Name of the deployment, repeated in every line. */
  environment: string;
  /** Default `stateful-mcp`. */
  service?: string;
  /** Where lines go instead of stderr, for example through a formatter for terminals. */
  stream?: DestinationStream;
}

const SECRETS = ["authorization", "cookie", "token", "tokens", "password", "secret"];

/**
 * One JSON object per line: `timestamp` (ISO 8601), `level` (a word), `message`, `service`, `environment`, then the fields given.
 * Lines are written synchronously, so that none is missing after a crash. Fields named like a credential are masked, up to two levels deep.
 */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level,
      messageKey: "message",
      timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
      base: { service: options.service ?? "stateful-mcp", environment: options.environment },
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[redacted]" },
    },
    options.stream ?? pino.destination({ fd: 2, sync: true }),
  );
}
