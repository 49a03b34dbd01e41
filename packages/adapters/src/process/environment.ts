// Turns a process's flags, environment and the file it is told to read into configuration, and makes its logger. Knows no backend and
// no app.
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import {
  AppError,
  type Carrier,
  type Config,
  type Logger,
  namesOfSetting,
  readConfig,
  settingsWithoutEffect,
} from "@stateful-mcp/core/runtime";
import { createLogger } from "../logger.ts";

/** Where configuration comes from, besides the environment. */
export interface LoadOptions {
  /** Settings given as arguments; they win over the environment. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  /** A file with settings, as `--env-file` names it; the environment wins over it. Default: no file is read. */
  readonly envFile?: string | undefined;
  /** What the configuration is for. Default `command`. */
  readonly carrier?: Carrier;
  /** Told what a person should know and what stops nothing. Default: lines on stderr. */
  readonly tell?: (notice: string) => void;
}

/**
 * Configuration from flags, the environment and a file that was asked for, in this order of precedence. No file is read unasked:
 * a `.env` in the folder that a server happens to start in may be another's, and would choose where notes go and which commands
 * the AWS SDK runs.
 * @throws AppError `invalid_input` for a value that is not allowed, and for a file that cannot be read.
 */
export function loadConfig(options: LoadOptions = {}): Config {
  const { flags = {}, envFile, carrier = "command", tell = sayOnStderr } = options;
  if (envFile !== undefined) readSettings(envFile);
  else if (carrier !== "stdio" && existsSync(".env"))
    tell("The file .env of this folder is not read: give --env-file .env if these settings are meant");
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  const environment = { ...process.env, ...given };
  const config = readConfig(environment, { tolerate: carrier === "stdio" ? tell : undefined });
  for (const notice of settingsWithoutEffect(config, environment, carrier)) tell(notice);
  return {
    ...config,
    ...(config.dataDir !== undefined && { dataDir: atHome(config.dataDir) }),
    ...(config.authTokenFile !== undefined && { authTokenFile: atHome(config.authTokenFile) }),
  };
}

/**
 * Takes known settings and AWS_* from the file. On a command line Node.js has read the file before this, whole: it knows the same
 * flag and looks for it behind the script's name, too. So this matters to callers without such an argument, and under a runtime
 * that stops looking there.
 */
function readSettings(file: string): void {
  const wanted = Object.entries(parse(file)).filter(([name]) => {
    const setting = namesOfSetting(name);
    const ours = setting.length > 0 || name.startsWith("AWS_") || name.startsWith("STATEFUL_MCP_");
    return ours && [name, ...setting].every((other) => process.env[other] === undefined);
  });
  // The AWS SDK looks for its credentials in the process's environment, so this is where they go.
  for (const [name, value] of wanted) process.env[name] = value;
}

function parse(file: string): Readonly<Record<string, string | undefined>> {
  try {
    return parseEnv(readFileSync(atHome(file), "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new AppError("invalid_input", `--env-file: ${resolve(file)} cannot be read (${code})`, { cause: error });
  }
}

/** What a shell does with `~/`, for values that no shell has seen. */
const atHome = (path: string): string => (/^~[/\\]/.test(path) ? join(homedir(), path.slice(2)) : path);

const sayOnStderr = (notice: string): void => void process.stderr.write(`stateful-mcp: ${notice}\n`);

/** JSON lines, or on a terminal one short line for each. `service`: whose lines they are, the name of the app; default `stateful-mcp`. */
export async function openLogger(config: Config, service?: string): Promise<Logger> {
  const { logLevel: level, environment } = config;
  const named = service === undefined ? {} : { service };
  if (!process.stderr.isTTY) return createLogger({ level, environment, ...named });
  const { terminalStream } = await import("./terminal.ts");
  return createLogger({ level, environment, ...named, stream: terminalStream() });
}
