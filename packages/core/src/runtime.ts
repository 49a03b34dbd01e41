// The public surface of @stateful-mcp/core but for what the official SDK makes: for parts that carry an app and are to load the SDK only
// when a message needs it. A bundler follows each import of a file, also those that are not used.
export {
  type App,
  type AppOptions,
  createApp,
  PROTOCOL_REVISIONS,
} from "./app.ts";
export { type Access, authenticate, frontDoorChallenge } from "./auth/access.ts";
export { createOAuth, type OAuth, type OAuthOptions } from "./auth/oauth.ts";
export { firstTokenOf, mintToken, parseTokens, type Tokens, type TokenTable, tokenPrincipal } from "./auth/tokens.ts";
export { builtinPrompts } from "./builtin/prompts/index.ts";
export { type BuiltinResourcesOptions, builtinResources } from "./builtin/resources/index.ts";
export type { MemoryView } from "./builtin/resources/view.ts";
export { type BuiltinToolsOptions, builtinTools } from "./builtin/tools/index.ts";
export { type CallRecord, DURATION_BOUNDS_SECONDS, type Happening } from "./call-record.ts";
export type { ToolCall, ToolResult } from "./calls/call-tool.ts";
export type { TaskDelivery, TaskMessage, TaskQueue } from "./calls/queued-tasks.ts";
export { type Clock, systemClock } from "./clock.ts";
export { type AppParts, bindApp, itemTablesFrom } from "./config/bind.ts";
export { type ConfigRow, describeConfig } from "./config/describe.ts";
export { type Carrier, settingsWithoutEffect } from "./config/effects.ts";
export {
  type Config,
  namesOfSetting,
  readConfig,
} from "./config/settings.ts";
export type { Asking, CallContext, Reporting, Running, ToolContext } from "./define/context.ts";
export {
  definePrompt,
  type Prompt,
  type PromptArgument,
  type PromptContext,
  type PromptDefinition,
  userMessages,
} from "./define/prompt.ts";
export {
  type Complete,
  defineResource,
  type Resource,
  type ResourceContext,
  type ResourceDefinition,
  type ResourceEntry,
} from "./define/resource.ts";
export type { TaskDefinition } from "./define/task.ts";
export {
  defineTool,
  type Tool,
  type ToolAnnotations,
  type ToolCache,
  type ToolContent,
  type ToolDefinition,
} from "./define/tool.ts";
export { AppError, ERROR_CODES, type ErrorCode } from "./errors.ts";
export type { Carried } from "./http/caller-of-request.ts";
export type { Posted, ShortAnswer, ShortWayParts } from "./http/short-way.ts";
export type * from "./items/item-store.ts";
export { parseJson } from "./json.ts";
export {
  DEFAULT_CACHE_TTL_SECONDS,
  DEFAULT_IDEMPOTENCY_TTL_SECONDS,
  DEFAULT_LIMITS,
  DEFAULT_SESSION_MAX_SECONDS,
  DEFAULT_SESSION_TTL_SECONDS,
  type Limits,
} from "./limits.ts";
export { type LogFields, type Logger, silentLogger } from "./logger.ts";
export { faultOfMessage } from "./mcp/message-check.ts";
export { withoutNulls } from "./mcp/nulls.ts";
export { type Outlet, PlainConnection, type PlainParts } from "./mcp/plain-connection.ts";
export { entryNameOf, READY_SERVER } from "./names.ts";
export { LOCAL_PRINCIPAL, type Principal } from "./principal.ts";
export type { CallerState } from "./state/caller-state.ts";
export type { CallerTasks, DetailedTaskView, TaskView } from "./state/caller-tasks.ts";
export type { JournalOptions } from "./state/journal.ts";
export type { JournalCall } from "./state/journal-format.ts";
export type * from "./state/journal-reader.ts";
export type { SessionHandle } from "./state/session-handle.ts";
export type { TaskHead, TaskOutcome, TaskStatus } from "./state/task-head.ts";
export type { ExportLine, ImportCounts, ImportOptions } from "./state/transfer.ts";
export type { Json } from "./state/values.ts";
export type { BlobStore } from "./stores/blob-store.ts";
export { MemoryBlobStore } from "./stores/memory-blobs.ts";
export { MemoryStore } from "./stores/memory-store.ts";
export type * from "./stores/state-store.ts";
export type {
  BegunRun,
  CallFacts,
  IncomingRequest,
  RequestFailure,
  RequestSpan,
  TableOutcome,
  Telemetry,
} from "./telemetry.ts";
export { ATTRIBUTE, METRIC, METRIC_ATTRIBUTE } from "./telemetry-names.ts";
export type { TraceContext } from "./trace.ts";
export { VERSION } from "./version.ts";
