// The public surface of @stateful-mcp/core.
export {
  type App,
  type AppOptions,
  createApp,
  DEFAULT_CACHE_TTL_SECONDS,
  DEFAULT_IDEMPOTENCY_TTL_SECONDS,
  DEFAULT_SESSION_MAX_SECONDS,
  DEFAULT_SESSION_TTL_SECONDS,
  PROTOCOL_REVISIONS,
} from "./app.ts";
export type { ToolCall, ToolResult } from "./call-tool.ts";
export { type Clock, systemClock } from "./clock.ts";
export { type Config, type ConfigRow, describeConfig, isConfigVariable, optionsFrom, readConfig } from "./config.ts";
export { AppError, ERROR_CODES, type ErrorCode } from "./errors.ts";
export { type Access, authenticate, mintToken, parseTokens, type TokenTable, tokenPrincipal } from "./http/auth.ts";
export type { Carried } from "./http/router.ts";
export { DEFAULT_LIMITS, type Limits } from "./limits.ts";
export { type LogFields, type Logger, silentLogger } from "./logger.ts";
export { LOCAL_PRINCIPAL, type Principal } from "./principal.ts";
export type { SessionHandle } from "./state/session-handle.ts";
export type { CallerState } from "./state/state.ts";
export type { Json } from "./state/values.ts";
export { MemoryStore } from "./stores/memory.ts";
export type * from "./stores/state-store.ts";
export {
  defineTool,
  type Tool,
  type ToolAnnotations,
  type ToolCache,
  type ToolContext,
  type ToolDefinition,
} from "./tool.ts";
export { type BuiltinToolsOptions, builtinTools } from "./tools/index.ts";
