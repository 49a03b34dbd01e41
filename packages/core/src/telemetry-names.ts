// Every name that telemetry puts on a span or a metric, in OpenTelemetry's form and in Prometheus's. The convention is OpenTelemetry's for MCP
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

/** Metrics, with their units and what they count. */
export const METRIC = {
  duration: ["mcp.server.operation.duration", "s", "Duration of requests of MCP as the server sees them."],
  sessionDuration: ["mcp.server.session.duration", "s", "Duration of 2025-era sessions that were ended."],
  cacheLookups: ["stateful_mcp.cache.lookups", "{lookup}", "Calls of cached tools, by whether a result was there."],
  replays: ["stateful_mcp.idempotency.replays", "{call}", "Calls answered with a recorded answer."],
  rateLimited: ["stateful_mcp.rate_limit.refusals", "{call}", "Calls refused because there were too many."],
  authFailures: ["stateful_mcp.auth.failures", "{request}", "Requests turned away at the door, by reason."],
  refused: ["stateful_mcp.requests.refused", "{request}", "HTTP requests turned away, by status."],
  listens: ["stateful_mcp.listens", "{stream}", "Streams of changes that are open."],
  tasksCreated: ["stateful_mcp.tasks.created", "{task}", "Calls that became tasks."],
  taskRuns: ["stateful_mcp.tasks.runs", "{run}", "Runs of tasks that have ended, by how."],
  storeDuration: ["stateful_mcp.store.request.duration", "s", "Duration of requests of the table."],
  storeRetries: ["stateful_mcp.store.retries", "{attempt}", "Requests of the table that were sent again."],
  storeUnits: ["stateful_mcp.store.consumed_capacity", "{unit}", "Capacity units that the table took."],
  eventLoopDelay: ["nodejs.eventloop.delay.p99", "s", "How long the process kept other work waiting."],
} as const;

/** Attributes that only metrics have. */
export const METRIC_ATTRIBUTE = { result: "result", status: "status", reason: "reason" } as const;

/** A name as Prometheus has it: without dots, with the unit, and `_total` for what is counted. */
export const prometheusName = (
  [name, unit]: readonly [name: string, unit: string, help: string],
  type: "counter" | "gauge" | "histogram",
): string => `${name.replaceAll(".", "_")}${unit === "s" ? "_seconds" : ""}${type === "counter" ? "_total" : ""}`;

/** An attribute's name as a label of Prometheus. */
export const labelName = (attribute: string): string => attribute.replaceAll(".", "_");
