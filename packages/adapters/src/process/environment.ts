// Turns a process's flags, environment and .env file into configuration, and makes its logger. Knows no backend and no app.
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { AppError, type Config, type Logger, namesOfSetting, readConfig } from "@stateful-mcp/core";
import { createLogger } from "../logger.ts";

/**
 * Configuration from flags, the environment, and `.env` in the working directory, in this order of precedence.
 * From `.env` only known settings and AWS_* count: a project's file must not steer the runtime in other ways.
 */
export function loadConfig(flags: Readonly<Record<string, string | undefined>> = {}): Config {
  const dotEnv = Object.entries(readDotEnv()).filter(([name]) => {
    const setting = namesOfSetting(name);
    const wanted = setting.length > 0 || name.startsWith("AWS_") || name.startsWith("STATEFUL_MCP_");
    return wanted && [name, ...setting].every((other) => process.env[other] === undefined);
  });
  // The AWS SDK looks for its credentials in the process's environment, so this is where they go.
  for (const [name, value] of dotEnv) process.env[name] = value;
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  return readConfig({ ...process.env, ...given });
}

function readDotEnv(): Readonly<Record<string, string | undefined>> {
  try {
    return parseEnv(readFileSync(".env", "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EISDIR") return {};
    throw new AppError("invalid_input", `The file .env cannot be read (${code})`, { cause: error });
  }
}

/** JSON lines, or on a terminal a readable form of them. */
export async function openLogger(config: Config): Promise<Logger> {
  const { logLevel: level, environment } = config;
  if (!process.stderr.isTTY) return createLogger({ level, environment });
  const { default: pretty } = await import("pino-pretty");
  const stream = pretty({
    destination: 2,
    sync: true,
    messageKey: "message",
    timestampKey: "timestamp",
    translateTime: "HH:MM:ss",
    ignore: "service,environment,principal",
    singleLine: true,
  });
  return createLogger({ level, environment, stream });
}
