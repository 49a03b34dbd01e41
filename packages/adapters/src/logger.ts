// Log lines for every process that carries the product: JSON on stderr, because stdout belongs to the protocol.
// Knows nothing of what is logged, except that credentials never are.
import type { LogFields, Logger } from "@stateful-mcp/core/runtime";
import { LogLines } from "./log-lines.ts";

/** What a logger writes, and where. */
export interface LoggerOptions {
  level: "debug" | "info" | "warn" | "error" | "silent";
  /** Name of the deployment, repeated in every line. */
  environment: string;
  /** Default `stateful-mcp`. */
  service?: string;
  /** False where the process may be frozen after any call: each line is then a write of its own. Default true. */
  together?: boolean;
  /** Where lines go instead of stderr, for example through a formatter for terminals. */
  stream?: { write(line: string): unknown };
}

type Level = keyof Logger;

const LEVELS: readonly Level[] = ["debug", "info", "warn", "error"];
const SECRETS = new Set(["authorization", "cookie", "token", "tokens", "password", "secret"]);
/** Beneath the fields themselves, so many levels of objects are looked through for credentials. */
const SECRET_LEVELS = 2;

/**
 * One JSON object per line: `level` (a word), `timestamp` (ISO 8601), `service`, `environment`, the fields given, `message`. Fields named
 * like a credential are masked, up to two levels deep; an error in `err` is shown with its stack and its causes.
 * Lines up to `info` are written at the end of the turn of the event loop, together; a line of `warn` or `error` at once, behind those
 * before it. None is missing after a crash or a signal that the process handles.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { level, environment, service = "stateful-mcp", together = true, stream } = options;
  const head = `"service":${JSON.stringify(service)},"environment":${JSON.stringify(environment)}`;
  const least = level === "silent" ? LEVELS.length : LEVELS.indexOf(level);
  const at = (word: Level, urgent: boolean) => {
    if (LEVELS.indexOf(word) < least) return () => {};
    return (fields: LogFields, message: string) => {
      const start = `{"level":"${word}","timestamp":"${new Date().toISOString()}",${head}`;
      const line = `${start}${textOf(fields)},"message":${JSON.stringify(message)}}\n`;
      if (stream) return void stream.write(line);
      const lines = stderrLines();
      lines.write(line);
      if (urgent || !together) lines.flush();
    };
  };
  return { debug: at("debug", false), info: at("info", false), warn: at("warn", true), error: at("error", true) };
}

/** Shared by all loggers of the process, so that their lines keep their order. */
let stderr: LogLines | undefined;
function stderrLines(): LogLines {
  stderr ??= new LogLines(2);
  return stderr;
}

/** The fields as they stand inside a JSON object, each behind a comma. A field that has no JSON does not cost the line. */
function textOf(fields: LogFields): string {
  const shown = masked(
    fields.err instanceof Error ? { ...fields, err: shownError(fields.err) } : fields,
    SECRET_LEVELS,
  );
  let text = "";
  for (const [name, value] of Object.entries(shown)) {
    const json = jsonOf(value);
    if (json !== undefined) text += `,${JSON.stringify(name)}:${json}`;
  }
  return text;
}

function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? String(inner) : inner));
  } catch (error) {
    return JSON.stringify(`cannot be shown: ${messageOf(error)}`);
  }
}

/** The same object, or a copy in which what is named like a credential is not shown. */
function masked(value: Readonly<Record<string, unknown>>, levels: number): Readonly<Record<string, unknown>> {
  let copy: Record<string, unknown> | undefined;
  for (const [name, inner] of Object.entries(value)) {
    const isSecret = SECRETS.has(name) && inner !== undefined;
    const shown = isSecret ? "[redacted]" : levels > 0 && isObject(inner) ? masked(inner, levels - 1) : inner;
    if (shown === inner) continue;
    copy ??= Array.isArray(value) ? ([...value] as unknown as Record<string, unknown>) : { ...value };
    copy[name] = shown;
  }
  return copy ?? value;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** Name, message and stack of an error with its causes, and what else it tells of itself. */
function shownError(error: Error): Record<string, unknown> {
  const { cause: _, ...own } = error as Error & Record<string, unknown>;
  const chain = causesOf(error);
  return {
    ...own,
    type: error.constructor.name,
    message: chain.map(messageOf).join(": "),
    stack: chain.map((one) => (one instanceof Error ? (one.stack ?? String(one)) : String(one))).join("\ncaused by: "),
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function causesOf(error: Error): unknown[] {
  const chain: unknown[] = [error];
  for (
    let at: unknown = error.cause;
    at !== undefined && !chain.includes(at);
    at = at instanceof Error ? at.cause : undefined
  )
    chain.push(at);
  return chain;
}
