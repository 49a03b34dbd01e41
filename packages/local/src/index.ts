// State on this machine, and an embedded DynamoDB engine for tables to try the item tools on. Importing this loads nothing heavy.
export {
  type ConnectOptions,
  connectLocalEngine,
  type EngineEntry,
  type LocalEngine,
} from "./connect.ts";
export { defaultDataDir } from "./data-dir.ts";
export { type EngineOptions, runEngine } from "./engine.ts";
export { LocalEngineError } from "./errors.ts";
export { type LocalState, openLocalState } from "./state.ts";
