// A process around an app, for command lines: configuration, backends, logs, exit codes. What serves is loaded only when it is
// called, because desktop clients wait for the start.
import type { App } from "@stateful-mcp/core/runtime";
import type { CallWords } from "./calls.ts";
import type { UnboundApp } from "./compose.ts";
import type { LoadOptions } from "./environment.ts";
import type { ServeOptions } from "./serve.ts";
import type { StdioProcessOptions } from "./stdio.ts";

export { chooseAccess } from "../access.ts";
export { createLogger, type LoggerOptions } from "../logger.ts";
export { type Backend, openBackend, openItems } from "./backend.ts";
export { type LoadOptions, loadConfig, openLogger } from "./environment.ts";
export { EXIT, endWith, messageOf } from "./exit.ts";
export { inUse, reachable, saysItIs } from "./neighbour.ts";
export { printable } from "./printable.ts";
export type { CallWords, ServeOptions, StdioProcessOptions, UnboundApp };

/** Serves over HTTP until the process is told to stop. Resolves with the exit code. @throws AppError when it cannot start. */
export const serve = async (app: UnboundApp, options?: ServeOptions): Promise<number> =>
  (await import("./serve.ts")).serve(app, options);

/** Serves over stdio until stdin ends or a signal comes. Resolves with the exit code. @throws AppError when it cannot start. */
export const stdio = async (app: UnboundApp, options?: StdioProcessOptions): Promise<number> =>
  (await import("./stdio.ts")).stdio(app, options);

/** Prints an app's tools. Resolves with the exit code. @throws AppError when its backend cannot be reached. */
export const listTools = async (app: App, options?: LoadOptions): Promise<number> =>
  (await import("./call.ts")).listTools(app, options);

/** Prints the open tasks of all callers. Resolves with the exit code. @throws AppError when its backend cannot be reached. */
export const listOpenTasks = async (app: App, options?: LoadOptions): Promise<number> =>
  (await import("./tasks.ts")).listOpenTasks(app, options);

/** Prints the newest calls of all processes. Resolves with the exit code. @throws AppError when its backend cannot be reached. */
export const listCalls = async (app: App, words?: CallWords): Promise<number> =>
  (await import("./calls.ts")).listCalls(app, words);

/** Calls one tool, with `key=value` words for arguments, and prints its answer. Resolves with the exit code. @throws AppError */
export const callOnce = async (app: App, name: string, words: readonly string[], options?: LoadOptions) =>
  (await import("./call.ts")).callOnce(app, name, words, options);
