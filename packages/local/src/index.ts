// State on this machine, and an embedded DynamoDB engine for tables to try the item tools on. Importing this loads what state needs;
// the engine and its clients, with Node's HTTP, are loaded when one is asked for.
import type { ConnectOptions, LocalEngine } from "./connect.ts";
import type { EngineOptions } from "./engine.ts";

export { defaultDataDir } from "./data-dir.ts";
export { LocalEngineError } from "./errors.ts";
export type { EngineEntry } from "./start.ts";
export { type LocalState, openLocalState } from "./state.ts";
export type { ConnectOptions, EngineOptions, LocalEngine };

/**
 * Connects to the engine of a data directory, after starting it if it does not run.
 *
 * @throws LocalEngineError when the directory cannot be used or the engine does not start.
 */
export const connectLocalEngine = async (options: ConnectOptions): Promise<LocalEngine> =>
  (await import("./connect.ts")).connectLocalEngine(options);

/** The engine process's main; resolves when the engine has ended. A failed start is reported to the parent and sets exit code 1. */
export const runEngine = async (options: EngineOptions): Promise<void> =>
  (await import("./engine.ts")).runEngine(options);
