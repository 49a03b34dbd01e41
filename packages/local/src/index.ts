// The embedded DynamoDB engine: one background process per data directory, shared by every local process. Importing this loads nothing heavy.
export {
  type ConnectOptions,
  connectLocalEngine,
  type EngineEntry,
  type LocalEngine,
} from "./connect.ts";
export { defaultDataDir } from "./data-dir.ts";
export { type EngineOptions, runEngine } from "./engine.ts";
export { LocalEngineError } from "./errors.ts";
export { FileBlobs } from "./file-blobs.ts";
