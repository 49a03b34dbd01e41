// Every environment variable, once: its name, kind, default and meaning. The table in docs/reference/settings.md and all error messages come
// from here. Reads the map it is given and never the process, so that the process decides what counts.
import { AppError } from "../errors.ts";
import {
  DEFAULT_CACHE_TTL_SECONDS,
  DEFAULT_LIMITS,
  DEFAULT_SESSION_MAX_SECONDS,
  DEFAULT_SESSION_TTL_SECONDS,
  DEFAULT_TASK_TTL_SECONDS,
} from "../limits.ts";
import { OPERATE_SCOPE } from "../principal.ts";
import { cutText } from "../text.ts";
import {
  choice,
  flag,
  hostNames,
  integer,
  itemModes,
  names,
  networks,
  origins,
  type Read,
  type Setting,
  tableName,
  tableNames,
  text,
  url,
  withDefault,
} from "./kinds.ts";
import { LIMIT_SETTINGS, limit } from "./limit-settings.ts";
import { unknownSetting } from "./nearest.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const TEN_YEARS = 315_360_000;

/** Every setting: its variable, its default, what is allowed and what it means. */
export const SETTINGS = {
  backend: withDefault(
    "local",
    choice("MCP_STATE_BACKEND", ["local", "dynamodb", "memory"], {
      description:
        "Where state is kept: a file on this machine's disk, a DynamoDB table, or this process's memory alone",
    }),
  ),
  table: withDefault(
    "mcp_state",
    tableName("MCP_STATE_TABLE", { alias: "MCP_SESSION_TABLE", description: "Name of the state table" }),
  ),
  itemTables: withDefault(
    "",
    tableNames("DYNAMODB_TABLE_NAME", {
      defaultText: "none: no item tools",
      description:
        "Tables of yours that the item tools reach: in the AWS account of the `dynamodb` backend, or try-out tables on this machine with `local`",
    }),
  ),
  itemModes: withDefault(
    "",
    itemModes("STATEFUL_MCP_ITEM_MODES", {
      defaultText: "`ro` for each",
      description: "Which of those tables may be written (`rw`) and which only read (`ro`)",
    }),
  ),
  itemScan: withDefault(
    "on",
    flag("STATEFUL_MCP_ITEM_SCAN", { description: "Whether there is a tool that scans them" }),
  ),
  region: text("AWS_REGION", {
    defaultText: "the AWS configuration's",
    description: "AWS region of the table; credentials come from the usual AWS chain",
  }),
  profile: text("AWS_PROFILE", {
    defaultText: "the AWS configuration's",
    description: "Profile of the shared AWS configuration to use",
  }),
  endpoint: url("DYNAMODB_ENDPOINT_URL", {
    defaultText: "AWS",
    description: "Another DynamoDB-compatible engine to use with the `dynamodb` backend",
  }),
  host: withDefault("127.0.0.1", text("HOST", { generic: true, description: "Address that `serve` listens on" })),
  port: withDefault(
    "3333",
    integer("PORT", 0, 65_535, { generic: true, description: "Port that `serve` listens on; 0 takes a free one" }),
  ),
  logLevel: withDefault(
    "info",
    choice("LOG_LEVEL", ["debug", "info", "warn", "error", "silent"], {
      generic: true,
      description: "Least severe log lines to write",
    }),
  ),
  telemetry: withDefault(
    "native",
    choice("STATEFUL_MCP_TELEMETRY", ["native", "propagation", "off"], {
      description:
        "Spans and metrics where an OpenTelemetry SDK or an `OTEL_*` exporter is there; `propagation`: only the caller's trace for spans of your own",
    }),
  ),
  environment: withDefault(
    "development",
    text("ENVIRONMENT", { description: "Name of this deployment, repeated in every log line" }),
  ),
  authToken: text("MCP_AUTH_TOKEN", {
    allowed:
      "one token of at least 16 characters without spaces, or comma-separated `name=<at least 32 characters>` or `name:scope+scope=…`",
    secret: true,
    defaultText: "none: loopback only",
    description: "Static bearer tokens for HTTP; each name is a principal of its own, a name given twice is a rotation",
  }),
  authTokenSecret: text("MCP_AUTH_TOKEN_SECRET", {
    allowed: "the name or ARN of a secret",
    defaultText: "none",
    description: "On Lambda: the Secrets Manager secret that holds, for the authorizer, what `MCP_AUTH_TOKEN` would",
  }),
  tokenCacheSeconds: withDefault(
    "5",
    integer("STATEFUL_MCP_TOKEN_CACHE_SECONDS", 0, 3_600, {
      unit: "seconds",
      description:
        "On Lambda: how long the authorizer goes on with the tokens it read, so how long one taken out of the secret still works at most; 0 reads the secret for every request",
    }),
  ),
  trustAuthorizer: withDefault(
    "off",
    flag("STATEFUL_MCP_TRUST_AUTHORIZER", {
      description: "On Lambda behind a REST API: its authorizer says who calls, and every request must have passed it",
    }),
  ),
  subscriptions: flag("STATEFUL_MCP_SUBSCRIPTIONS", {
    defaultText: "`on`; `off` on Lambda, where each open stream bills an environment",
    description: "Whether clients may hold streams that tell of changes: `GET /mcp` and `subscriptions/listen`",
  }),
  authTokenFile: text("STATEFUL_MCP_AUTH_TOKEN_FILE", {
    allowed: "a file",
    defaultText: "none",
    description: "File with tokens as in MCP_AUTH_TOKEN, one per line; read again when it changes",
  }),
  oauthIssuer: url("STATEFUL_MCP_OAUTH_ISSUER", {
    defaultText: "none",
    description: "Issuer of the OAuth access tokens to accept, exactly as its tokens name it",
  }),
  publicUrl: url("STATEFUL_MCP_PUBLIC_URL", {
    defaultText: "what clients call it by",
    description: "Address under which clients reach the server; OAuth clients are told it where the audience is no URL",
  }),
  oauthAudience: text("STATEFUL_MCP_OAUTH_AUDIENCE", {
    defaultText: "none",
    description: "What the tokens' audience must contain, usually this server's public /mcp URL",
  }),
  oauthClients: withDefault(
    "",
    names("STATEFUL_MCP_OAUTH_CLIENTS", {
      allowed: "comma-separated client ids",
      defaultText: "any",
      description: "Clients whose tokens are accepted; required when there is no audience (Amazon Cognito)",
    }),
  ),
  confirm: withDefault(
    "",
    names("STATEFUL_MCP_CONFIRM", {
      allowed: "comma-separated tool names",
      defaultText: "only tools defined so",
      description: "Tools whose calls over MCP a person must confirm first, such as `reset_session`",
    }),
  ),
  oauthScopePrefix: text("STATEFUL_MCP_OAUTH_SCOPE_PREFIX", {
    defaultText: "none",
    description: "What stands before this server's scopes in OAuth tokens, such as `orders-api/`; others are not ours",
  }),
  oauthRequireScopes: withDefault(
    "on",
    flag("STATEFUL_MCP_OAUTH_REQUIRE_SCOPES", {
      description:
        "Whether an OAuth token may do only what its scopes name; off: without a claim of scopes, what callers do",
    }),
  ),
  principalClaim: withDefault(
    "sub",
    text("STATEFUL_MCP_PRINCIPAL_CLAIM", {
      description: "Claim of an OAuth token that says whose sessions these are; a team's claim shares them",
    }),
  ),
  dataDir: text("STATEFUL_MCP_DATA_DIR", {
    defaultText: "the platform's data directory, in it `apps/<name>` for an app of your own",
    allowed: "a directory",
    description: "Where the `local` backend keeps its data",
  }),
  sessionTtlSeconds: integer("STATEFUL_MCP_SESSION_TTL_SECONDS", 60, TEN_YEARS, {
    orZero: "never",
    unit: "seconds",
    defaultText: `0 (never) on \`local\`, else ${DEFAULT_SESSION_TTL_SECONDS}`,
    description: "How long an unused session lives; each use extends it",
  }),
  sessionMaxSeconds: withDefault(
    String(DEFAULT_SESSION_MAX_SECONDS),
    integer("STATEFUL_MCP_SESSION_MAX_SECONDS", 60, TEN_YEARS, {
      unit: "seconds",
      description: "How long an expiring session can live at most, however often it is used",
    }),
  ),
  cacheTtlSeconds: withDefault(
    String(DEFAULT_CACHE_TTL_SECONDS),
    integer("STATEFUL_MCP_CACHE_TTL_SECONDS", 1, 31_536_000, {
      unit: "seconds",
      description: "How long a cached tool result is served",
    }),
  ),
  taskTtlSeconds: withDefault(
    String(DEFAULT_TASK_TTL_SECONDS),
    integer("STATEFUL_MCP_TASK_TTL_SECONDS", 60, 604_800, {
      unit: "seconds",
      description: "How long a task and its result are kept after its creation",
    }),
  ),
  taskQueueUrl: url("STATEFUL_MCP_TASK_QUEUE_URL", {
    defaultText: "none: calls are ordinary ones on Lambda; elsewhere the process runs its tasks itself",
    description:
      "On Lambda: the URL of the SQS queue that brings tasks to their worker; the stack sets it with `-c tasks=true`",
  }),
  defaultSession: text("STATEFUL_MCP_DEFAULT_SESSION", {
    allowed: "a session name",
    defaultText: "on stdio and local use `default`, or the name of your own app",
    description: "Session of calls that name none",
  }),
  allowedHosts: withDefault(
    "",
    hostNames("STATEFUL_MCP_ALLOWED_HOSTS", {
      defaultText: "localhost names; any name where tokens are asked for",
      description: "Names, besides localhost ones, under which HTTP requests may address this server",
    }),
  ),
  allowedOrigins: withDefault(
    "",
    origins("STATEFUL_MCP_ALLOWED_ORIGINS", {
      defaultText: "its own pages",
      description: "Web pages that may call from a browser, such as the MCP Inspector's at `http://localhost:6274`",
    }),
  ),
  metrics: withDefault(
    "off",
    flag("STATEFUL_MCP_METRICS", {
      description: `Whether \`GET /metrics\` gives numbers for Prometheus: to this machine's user, or to a token that names the scope \`${OPERATE_SCOPE}\``,
    }),
  ),
  console: flag("STATEFUL_MCP_CONSOLE", {
    defaultText: "`on` where callers of this machine need no token, else `off`",
    description: "Whether `serve` shows what is stored at `/console`; never where everybody may call without a token",
  }),
  journal: choice("STATEFUL_MCP_JOURNAL", ["off", "rollup", "calls"], {
    defaultText: "`calls` with the local backend, `rollup` with DynamoDB, `off` on AWS Lambda and in memory",
    description:
      "What is left in the state table of what this process did, for an operator: counts each minute (`rollup`), a record of each call too (`calls`)",
  }),
  trustedProxies: withDefault(
    "",
    networks("STATEFUL_MCP_TRUSTED_PROXIES", {
      defaultText: "none",
      description: "Proxies whose `X-Forwarded-For` says where a request comes from; from others it counts for nothing",
    }),
  ),
  noteMaxBytes: limit("NOTE_MAX_BYTES", "noteMaxBytes", 1, DEFAULT_LIMITS.noteMaxBytes, {
    unit: "bytes",
    description: "Largest note",
  }),
  valueMaxBytes: limit("VALUE_MAX_BYTES", "valueMaxBytes", 1, DEFAULT_LIMITS.valueMaxBytes, {
    unit: "bytes",
    description: "Largest value in the table, as JSON text; larger ones are kept as files (`local`) or in the bucket",
  }),
  blobBucket: text("STATEFUL_MCP_BLOB_BUCKET", {
    allowed: "an S3 bucket name",
    defaultText: "none: larger values are refused",
    description: "Bucket for values over STATEFUL_MCP_VALUE_MAX_BYTES of the `dynamodb` backend",
  }),
  blobMaxBytes: limit("BLOB_MAX_BYTES", "blobMaxBytes", 1, 64 * 1_048_576, {
    unit: "bytes",
    description: "Largest value kept as a file or in the bucket, as JSON text",
  }),
  ...LIMIT_SETTINGS,
} satisfies Record<string, Setting<unknown>>;

type Values = { readonly [K in keyof typeof SETTINGS]: Read<(typeof SETTINGS)[K]> };

/** Configuration as the product sees it: checked, typed, defaults applied. `sessionTtlSeconds` 0 means never. */
export interface Config extends Omit<Values, "sessionTtlSeconds"> {
  readonly sessionTtlSeconds: number;
}

const table: Readonly<Record<string, Setting<unknown>>> = SETTINGS;
const settings = Object.values(table).map(({ name, alias }) => (alias === undefined ? [name] : [name, alias]));
const settingNames = settings.flat();

/** Every name of the setting that `name` belongs to; none when this configuration does not read it. */
export const namesOfSetting = (name: string): readonly string[] =>
  settings.find((setting) => setting.includes(name)) ?? [];

/** How configuration is read. */
export interface ReadOptions {
  /**
   * Told of a value that is not allowed where other programs use the name, too (`HOST`, `PORT`, `LOG_LEVEL`); the default then
   * applies. Without it such a value is an error like any other.
   */
  readonly tolerate?: ((notice: string) => void) | undefined;
}

/**
 * Reads and checks configuration. An empty value counts as not set.
 * @throws AppError `invalid_input` with one line that names the variable, the value (never of a secret) and what is allowed.
 */
export function readConfig(environment: Environment, { tolerate }: ReadOptions = {}): Config {
  for (const name of Object.keys(environment)) {
    if (name.startsWith("STATEFUL_MCP_") && !settingNames.includes(name)) throw unknownSetting(name, settingNames);
  }
  const values = Object.fromEntries(
    Object.entries(table).map(([key, variable]) => [key, readVariable(variable, environment, tolerate)]),
  ) as Values;
  const sessionTtlSeconds = values.sessionTtlSeconds ?? (values.backend === "local" ? 0 : DEFAULT_SESSION_TTL_SECONDS);
  if (sessionTtlSeconds > values.sessionMaxSeconds) {
    throw new AppError(
      "invalid_input",
      `STATEFUL_MCP_SESSION_TTL_SECONDS is ${sessionTtlSeconds}, more than STATEFUL_MCP_SESSION_MAX_SECONDS (${values.sessionMaxSeconds})`,
    );
  }
  requireItemTables(values);
  return { ...values, sessionTtlSeconds };
}

function requireItemTables({ itemTables, itemModes, table }: Values): void {
  const refuse = (why: string) => new AppError("invalid_input", why);
  // Its entries belong to their callers; the item tools belong to all of them.
  if (itemTables.includes(table)) throw refuse(`DYNAMODB_TABLE_NAME names ${table}, which is the state table`);
  for (const name of itemModes.keys())
    if (!itemTables.includes(name))
      throw refuse(`STATEFUL_MCP_ITEM_MODES names ${name}, which is not in DYNAMODB_TABLE_NAME`);
}

function readVariable(
  variable: Setting<unknown>,
  environment: Environment,
  tolerate: ReadOptions["tolerate"],
): unknown {
  const { name, alias, allowed, secret } = variable;
  const own = environment[name]?.trim() || undefined;
  const other = alias === undefined ? undefined : environment[alias]?.trim() || undefined;
  if (own !== undefined && other !== undefined && own !== other) {
    throw new AppError(
      "invalid_input",
      `${name} and ${alias} are two names of one setting but differ; set one of them`,
    );
  }
  const given = own ?? other;
  if (given === undefined) return variable.default === undefined ? undefined : variable.parse(variable.default);
  const value = variable.parse(given);
  if (value !== undefined) return value;
  const shown = secret ? "its value" : JSON.stringify(cutText(given, 100));
  const fault = `${own === undefined ? alias : name}: ${shown} is not allowed; expected ${allowed}`;
  if (!variable.generic || !tolerate) throw new AppError("invalid_input", fault);
  tolerate(`${fault}. It may be meant for another program, so the default applies: ${variable.default}`);
  return variable.parse(variable.default ?? "");
}
