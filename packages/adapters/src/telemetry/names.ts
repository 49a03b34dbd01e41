// Every name that telemetry puts on a span or a metric, and the bounds of durations. The convention is OpenTelemetry's for MCP
// (docs/gen-ai/mcp.md of semantic-conventions-genai, status Development); what it has no name for begins with `stateful_mcp`.
// docs/telemetry.md has the same names in a table.

/** Attributes of spans; those of metrics are among them. */
export const ATTRIBUTE = {
  method: "mcp.method.name",
  revision: "mcp.protocol.version",
  session: "mcp.session.id",
  uri: "mcp.resource.uri",
  tool: "gen_ai.tool.name",
  prompt: "gen_ai.prompt.name",
  operation: "gen_ai.operation.name",
  requestId: "jsonrpc.request.id",
  statusCode: "rpc.response.status_code",
  transport: "network.transport",
  protocol: "network.protocol.name",
  errorType: "error.type",
  outcome: "stateful_mcp.outcome",
  replayed: "stateful_mcp.replayed",
  cache: "stateful_mcp.cache",
  errorCode: "stateful_mcp.error.code",
  task: "stateful_mcp.task.id",
  attempt: "stateful_mcp.task.attempt",
  dbSystem: "db.system.name",
  dbOperation: "db.operation.name",
  dbTable: "aws.dynamodb.table_names",
  attempts: "stateful_mcp.store.attempts",
  units: "stateful_mcp.store.consumed_capacity",
} as const;

/** Metrics, with their units. */
export const METRIC = {
  duration: ["mcp.server.operation.duration", "s"],
  cacheLookups: ["stateful_mcp.cache.lookups", "{lookup}"],
  replays: ["stateful_mcp.idempotency.replays", "{call}"],
  rateLimited: ["stateful_mcp.rate_limit.refusals", "{call}"],
  refused: ["stateful_mcp.requests.refused", "{request}"],
  storeDuration: ["stateful_mcp.store.request.duration", "s"],
  storeRetries: ["stateful_mcp.store.retries", "{attempt}"],
  storeUnits: ["stateful_mcp.store.consumed_capacity", "{unit}"],
  eventLoopDelay: ["nodejs.eventloop.delay.p99", "s"],
} as const;

/** Attributes that only metrics have. */
export const METRIC_ATTRIBUTE = { result: "result", status: "status" } as const;

/** Seconds: the convention's from 0.01 on, and three below, since most calls end before the first of these. */
export const DURATION_BOUNDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];
