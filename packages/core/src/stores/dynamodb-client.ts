// The one door to DynamoDB: which requests exist, how long they may take, which failures are worth another attempt.
// Knows nothing of entries. A leaner client can stand behind `send` without anybody noticing.
import { type AgentOptions, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import {
  BatchGetItemCommand,
  type BatchGetItemInput,
  type BatchGetItemOutput,
  BatchWriteItemCommand,
  type BatchWriteItemInput,
  type BatchWriteItemOutput,
  CreateTableCommand,
  type CreateTableInput,
  type CreateTableOutput,
  DeleteItemCommand,
  type DeleteItemInput,
  type DeleteItemOutput,
  DeleteTableCommand,
  type DeleteTableInput,
  type DeleteTableOutput,
  DescribeTableCommand,
  type DescribeTableInput,
  type DescribeTableOutput,
  DescribeTimeToLiveCommand,
  type DescribeTimeToLiveInput,
  type DescribeTimeToLiveOutput,
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  type GetItemInput,
  type GetItemOutput,
  PutItemCommand,
  type PutItemInput,
  type PutItemOutput,
  QueryCommand,
  type QueryInput,
  type QueryOutput,
  ScanCommand,
  type ScanInput,
  type ScanOutput,
  UpdateItemCommand,
  type UpdateItemInput,
  type UpdateItemOutput,
  UpdateTimeToLiveCommand,
  type UpdateTimeToLiveInput,
  type UpdateTimeToLiveOutput,
} from "@aws-sdk/client-dynamodb";
import { AppError } from "../errors.ts";

/** Milliseconds. An outage must be answered within 5 s, whatever hangs where. */
const CONNECT_TIMEOUT_MS = 1_000;
const REQUEST_TIMEOUT_MS = 2_000;
const TOTAL_TIMEOUT_MS = 4_000;
const MAX_ATTEMPTS = 4;
const FIRST_BACKOFF_MS = 50;
const MAX_SOCKETS = 256;

/** Which DynamoDB, and as whom. Without options: AWS, as its own configuration says. */
export interface ClientOptions {
  /** Any DynamoDB-compatible engine, for example `http://127.0.0.1:8000`. Default: AWS. */
  endpoint?: string;
  /** A Unix socket or named pipe where the embedded engine listens; endpoint, region and credentials then default to its own. */
  socketPath?: string;
  /** Instead of `socketPath`, for an embedded engine that may move to another socket; the same defaults. */
  agent?: HttpAgent;
  region?: string;
  /** Default: the usual AWS chain. */
  credentials?: NonNullable<DynamoDBClientConfig["credentials"]>;
}

/** One per process: it holds the connections. It never retries by itself; `send` does. */
export function createDynamoDBClient(options: ClientOptions = {}): DynamoDBClient {
  const { socketPath, agent } = options;
  const agentOptions: AgentOptions = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const socketOptions: AgentOptions & { socketPath?: string } = socketPath === undefined ? {} : { socketPath };
  // The engine behind a socket asks for no secret, but the protocol wants some signature.
  const embedded = {
    endpoint: "http://localhost",
    region: "local",
    credentials: { accessKeyId: "embedded", secretAccessKey: "embedded" },
  };
  const client = new DynamoDBClient({
    ...(socketPath === undefined && agent === undefined ? {} : embedded),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      // Without this the handler only logs a warning when the time is over.
      throwOnRequestTimeout: true,
      httpAgent: agent ?? new HttpAgent({ ...agentOptions, ...socketOptions }),
      httpsAgent: new HttpsAgent(agentOptions),
    },
  });
  // It copies every request and answer to hide secrets from a log that nobody has: a fifth of the time of a long page.
  client.middlewareStack.remove("loggerMiddleware");
  return client;
}

interface Operations {
  BatchGetItem: [BatchGetItemInput, BatchGetItemOutput];
  BatchWriteItem: [BatchWriteItemInput, BatchWriteItemOutput];
  GetItem: [GetItemInput, GetItemOutput];
  PutItem: [PutItemInput, PutItemOutput];
  UpdateItem: [UpdateItemInput, UpdateItemOutput];
  DeleteItem: [DeleteItemInput, DeleteItemOutput];
  Query: [QueryInput, QueryOutput];
  Scan: [ScanInput, ScanOutput];
  CreateTable: [CreateTableInput, CreateTableOutput];
  DeleteTable: [DeleteTableInput, DeleteTableOutput];
  DescribeTable: [DescribeTableInput, DescribeTableOutput];
  DescribeTimeToLive: [DescribeTimeToLiveInput, DescribeTimeToLiveOutput];
  UpdateTimeToLive: [UpdateTimeToLiveInput, UpdateTimeToLiveOutput];
}
export type OperationName = keyof Operations;
export type Input<N extends OperationName> = Operations[N][0];
export type Output<N extends OperationName> = Operations[N][1];

type Attempt<N extends OperationName> = (
  client: DynamoDBClient,
  input: Input<N>,
  options: { abortSignal: AbortSignal },
) => Promise<Output<N>>;

const ATTEMPTS: { [N in OperationName]: Attempt<N> } = {
  BatchGetItem: (client, input, options) => client.send(new BatchGetItemCommand(input), options),
  BatchWriteItem: (client, input, options) => client.send(new BatchWriteItemCommand(input), options),
  GetItem: (client, input, options) => client.send(new GetItemCommand(input), options),
  PutItem: (client, input, options) => client.send(new PutItemCommand(input), options),
  UpdateItem: (client, input, options) => client.send(new UpdateItemCommand(input), options),
  DeleteItem: (client, input, options) => client.send(new DeleteItemCommand(input), options),
  Query: (client, input, options) => client.send(new QueryCommand(input), options),
  Scan: (client, input, options) => client.send(new ScanCommand(input), options),
  CreateTable: (client, input, options) => client.send(new CreateTableCommand(input), options),
  DeleteTable: (client, input, options) => client.send(new DeleteTableCommand(input), options),
  DescribeTable: (client, input, options) => client.send(new DescribeTableCommand(input), options),
  DescribeTimeToLive: (client, input, options) => client.send(new DescribeTimeToLiveCommand(input), options),
  UpdateTimeToLive: (client, input, options) => client.send(new UpdateTimeToLiveCommand(input), options),
};

/** When a chain of requests that answers one call has to end, in `performance.now()` milliseconds: real time, never the moved one. */
export const newDeadline = (): number => performance.now() + TOTAL_TIMEOUT_MS;

/**
 * Sends one request, again where that may help. `onSilence` is told when an attempt may have been applied, or may still be on its
 * way, and is followed by another; what it throws ends the request.
 * @throws AppError("unavailable") when the engine did not answer, refused for now, or cannot be used as configured.
 * @throws what the engine answered, when it judged the request itself (a failed condition, a validation error).
 */
export async function send<N extends OperationName>(
  client: DynamoDBClient,
  name: N,
  input: Input<N>,
  deadline = newDeadline(),
  onSilence: () => void = () => {},
): Promise<Output<N>> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await sendOnce(client, name, input, deadline);
    } catch (error) {
      const verdict = judge(error);
      if (verdict === "answered") throw error;
      const backoff = FIRST_BACKOFF_MS * 2 ** (attempt - 1) * (0.5 + Math.random());
      const exhausted = attempt === MAX_ATTEMPTS || performance.now() + backoff >= deadline;
      if (verdict === "unusable" || exhausted) throw unavailable(tableOf(input), error, attempt);
      if (error instanceof Error && !isRefusal(error)) onSilence();
      await sleep(backoff);
    }
  }
}

/** The engine itself said no. A 5xx may come from something in between, and a reply that breaks off follows what was done. */
function isRefusal(error: Error): boolean {
  const { status } = traits(error);
  return status !== undefined && status >= 400 && status < 500;
}

/** Batches name their table inside. */
const tableOf = (input: Input<OperationName>): string | undefined =>
  "RequestItems" in input ? Object.keys(input.RequestItems ?? {})[0] : (input as { TableName?: string }).TableName;

async function sendOnce<N extends OperationName>(
  client: DynamoDBClient,
  name: N,
  input: Input<N>,
  deadline: number,
): Promise<Output<N>> {
  const remaining = Math.max(1, Math.ceil(deadline - performance.now()));
  // The handler's own timeouts end when the reply's head arrives; this one also covers credentials and the reply's body.
  const controller = new AbortController();
  let reject: (error: Error) => void = () => {};
  const timeout = new Promise<never>((_, give) => {
    reject = give;
  });
  const timer = setTimeout(
    () => {
      reject(Object.assign(new Error("The request took too long."), { name: "TimeoutError" }));
      controller.abort();
    },
    Math.min(REQUEST_TIMEOUT_MS, remaining),
  );
  try {
    return await Promise.race([ATTEMPTS[name](client, input, { abortSignal: controller.signal }), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** 4xx answers that mean "later", not "no". */
const THROTTLED = new Set([
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ThrottlingException",
  "Throttling",
  "TooManyRequestsException",
  "LimitExceededException",
]);

/** The engine cannot be used as things are configured; no attempt of ours helps, and what to do about it. */
const UNUSABLE: Readonly<Record<string, string>> = {
  ResourceNotFoundException:
    "It does not exist there: create it with `setup`, or check table name, region and endpoint.",
  AccessDeniedException: "These credentials may not use it: check the permissions.",
  UnrecognizedClientException: "The credentials are not known there: check them and the endpoint.",
  InvalidSignatureException: "The credentials were refused: check the secret key and this machine's clock.",
  ExpiredTokenException: "The credentials have expired: renew them.",
  MissingAuthenticationTokenException: "The request carried no credentials: configure some.",
  IncompleteSignatureException: "The credentials were refused: check them.",
  CredentialsProviderError: "No credentials were found: configure some.",
};

type Verdict = "retry" | "unusable" | "answered";

function judge(error: unknown): Verdict {
  if (!(error instanceof Error)) return "answered";
  const { status, clockSkewCorrected } = traits(error);
  if (THROTTLED.has(error.name) || clockSkewCorrected) return "retry";
  if (Object.hasOwn(UNUSABLE, error.name)) return "unusable";
  if (status !== undefined && status >= 400 && status < 500) return "answered";
  // A 5xx; a reply that was cut or is no JSON; no reply, for whatever reason: a socket, a time-out, an embedded engine that
  // cannot start. What the language itself throws before there was any reply is a bug of this process.
  return isBug(error) ? "answered" : "retry";
}

function isBug(error: Error): boolean {
  const { status, code, hasReply } = traits(error);
  const ofTheLanguage = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  return ofTheLanguage && status === undefined && code === undefined && !hasReply;
}

/** What the SDK hangs on its errors, none of it in their common type. */
function traits(error: Error) {
  const { $metadata, code } = error as Error & {
    $metadata?: { httpStatusCode?: number; clockSkewCorrected?: boolean };
    code?: unknown;
  };
  return {
    status: $metadata?.httpStatusCode,
    clockSkewCorrected: $metadata?.clockSkewCorrected === true,
    code: typeof code === "string" ? code : undefined,
    hasReply: "$response" in error,
  };
}

function unavailable(table: string | undefined, cause: unknown, attempts: number): AppError {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const { code } = traits(error);
  // Names only: an engine's message may hold account numbers and addresses. The whole of it is in `cause`, for the log.
  const reason = code ?? error.name;
  const advice =
    UNUSABLE[error.name] ??
    `Gave up after ${attempts} ${attempts === 1 ? "attempt" : "attempts"}; try again in a moment.`;
  return new AppError("unavailable", `The table "${table}" cannot be used right now (${reason}). ${advice}`, {
    cause,
    retryAfterSeconds: 1,
  });
}
