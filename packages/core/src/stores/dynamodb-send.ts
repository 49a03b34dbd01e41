// The one door to DynamoDB: which requests exist, how long they may take, which failures are worth another attempt.
// Knows nothing of entries, and leaves the request itself to the client it is given: our own for state, the AWS SDK's for the rest.
import type { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, StateUnavailable } from "../errors.ts";
import type { Telemetry } from "../telemetry.ts";
import type { Input, OperationName, Output } from "./dynamodb-request-types.ts";
import type { TableUse } from "./state-store.ts";

export type { Input, OperationName, Output };

/** Milliseconds. An outage must be answered within 5 s, wherever a request hangs. */
const REQUEST_TIMEOUT_MS = 2_000;
const TOTAL_TIMEOUT_MS = 4_000;
const MAX_ATTEMPTS = 4;
const FIRST_BACKOFF_MS = 50;

/** What sends one request: our own client for state, or the AWS SDK's for the rest. */
export interface Client {
  /** Resolves when a request can be signed: that is not part of its time. Undefined: at once. @throws AppError("unavailable"). */
  ready(): Promise<unknown> | undefined;
  /** One request, one answer, within `timeoutMs`. @throws the engine's judgement, in the form of the AWS SDK's errors. */
  request<N extends OperationName>(name: N, input: Input<N>, timeoutMs: number): Promise<Output<N>>;
  /** Is told of each request. */
  readonly telemetry?: Telemetry | undefined;
  /** What the work that sends requests counts them in, where it does. */
  readonly use?: AsyncLocalStorage<TableUse>;
  /** Closes the connections. */
  destroy(): void;
}

/** When a chain of requests that answers one call has to end, in `performance.now()` milliseconds: real time, never the moved one. */
export const newDeadline = (): number => performance.now() + TOTAL_TIMEOUT_MS;

/**
 * Sends one request, again where that may help. `onSilence` is told when an attempt may have been applied, or may still be on
 * its way, and is followed by another; what it throws ends the request. `check` throws for an answer that is not whole, as the
 * engine's own refusal would be. The time until there are credentials is not counted.
 * @throws AppError("unavailable") when the engine did not answer, refused for now, or cannot be used as configured.
 * @throws AppError("internal") when the engine refused the request for a reason that is not known here.
 * @throws what the engine answered, when it judged the request itself (a failed condition, a validation error).
 */
export async function send<N extends OperationName>(
  client: Client,
  name: N,
  input: Input<N>,
  deadline = newDeadline(),
  onSilence: () => void = () => {},
  check: (answer: Output<N>) => void = () => {},
): Promise<Output<N>> {
  const { telemetry } = client;
  const use = client.use?.getStore();
  if (!telemetry && !use) return sendUntil(client, name, input, deadline, onSilence, check);
  if (TELLS_CAPACITY.has(name)) Object.assign(input, { ReturnConsumedCapacity: "TOTAL" });
  const told = telemetry?.tableRequest(name, tableOf(input) ?? "");
  const tally = { attempts: 0, units: 0 };
  const end = (error?: string) => {
    told?.(error === undefined ? tally : { ...tally, error });
    if (!use) return;
    use.requests += 1;
    use.attempts += tally.attempts;
    use.units += tally.units;
  };
  const counted: Client = {
    ready: () => client.ready(),
    request: async (...given) => {
      tally.attempts += 1;
      const answer = await client.request(...given);
      tally.units += unitsOf(answer);
      return answer;
    },
    destroy: () => {},
  };
  try {
    const answer = await sendUntil(counted, name, input, deadline, onSilence, check);
    end();
    return answer;
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    const fault = cause instanceof Error ? cause : error;
    end(fault instanceof Error ? fault.name : "unknown");
    throw error;
  }
}

const TELLS_CAPACITY = new Set<OperationName>([
  ...(["BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "UpdateItem"] as const),
  ...(["DeleteItem", "Query", "Scan"] as const),
]);

function unitsOf(answer: object): number {
  const { ConsumedCapacity = [] } = answer as { ConsumedCapacity?: Capacity | Capacity[] };
  return [ConsumedCapacity].flat().reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0);
}
interface Capacity {
  readonly CapacityUnits?: number;
}

async function sendUntil<N extends OperationName>(
  client: Client,
  name: N,
  input: Input<N>,
  deadline: number,
  onSilence: () => void,
  check: (answer: Output<N>) => void,
): Promise<Output<N>> {
  let until = deadline;
  const credentials = client.ready();
  if (credentials) {
    const asked = performance.now();
    await credentials;
    until += performance.now() - asked;
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      const remaining = Math.max(1, Math.ceil(until - performance.now()));
      const answer = await client.request(name, input, Math.min(REQUEST_TIMEOUT_MS, remaining));
      check(answer);
      return answer;
    } catch (error) {
      const verdict = judge(error);
      if (verdict === "answered") throw error;
      if (verdict === "unknown") throw refused(input, error);
      const backoff = FIRST_BACKOFF_MS * 2 ** (attempt - 1) * (0.5 + Math.random());
      const exhausted = attempt === MAX_ATTEMPTS || performance.now() + backoff >= until;
      if (verdict === "unusable" || exhausted) throw unavailable(name, input, error, attempt);
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

/** For `check`: parts of a batch that were left out were throttled. */
export const leftUnprocessed = (): Error =>
  Object.assign(new Error("Parts of a batch were left unprocessed."), {
    name: "ProvisionedThroughputExceededException",
    $metadata: { httpStatusCode: 400 },
  });

/** 4xx answers that mean "later", not "no": throttling, and conflicts with a write under way elsewhere. */
const AGAIN = new Set([
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ThrottlingException",
  "Throttling",
  "TooManyRequestsException",
  "LimitExceededException",
  "TransactionConflictException",
  "TransactionInProgressException",
  "ReplicatedWriteConflictException",
]);

/** 4xx answers that judge the request itself: those who send it know what they mean. */
const JUDGED = new Set([
  "ConditionalCheckFailedException",
  "ValidationException",
  "ResourceInUseException",
  "ItemCollectionSizeLimitExceededException",
  "UnknownOperationException",
  "SerializationException",
]);

/** The engine cannot be used as things are configured; no attempt of ours helps, and what to do about it. */
const UNUSABLE: Readonly<Record<string, string>> = {
  ResourceNotFoundException:
    "It does not exist there: create it with `setup`, or check table name, region and endpoint.",
  AccessDeniedException: "These credentials may not use it.",
  UnrecognizedClientException: "The credentials are not known there: check them and the endpoint.",
  InvalidSignatureException: "The credentials were refused: check the secret key and this machine's clock.",
  ExpiredTokenException: "The credentials have expired: renew them.",
  MissingAuthenticationTokenException: "The request carried no credentials: configure some.",
  IncompleteSignatureException: "The credentials were refused: check them.",
  ConfigurationError: "Its region or endpoint is not configured as AWS allows: correct AWS_REGION and the AWS profile.",
};

/** Of these, what may be right again without a change by the operator. */
const MAY_PASS = new Set(["ExpiredTokenException"]);

type Verdict = "retry" | "unusable" | "answered" | "unknown";

function judge(error: unknown): Verdict {
  if (!(error instanceof Error) || error instanceof AppError) return "answered";
  const { status, clockSkewCorrected } = traits(error);
  if (AGAIN.has(error.name) || clockSkewCorrected) return "retry";
  if (Object.hasOwn(UNUSABLE, error.name)) return "unusable";
  if (status !== undefined && status >= 400 && status < 500) return JUDGED.has(error.name) ? "answered" : "unknown";
  // A 5xx; a reply that was cut or is no JSON; no reply, for any reason: a socket, a time-out, an embedded engine that
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

type AnyInput = Input<OperationName>;

function tableOf(input: AnyInput): string | undefined {
  return "RequestItems" in input
    ? Object.keys(input.RequestItems ?? {})[0]
    : (input as { TableName?: string }).TableName;
}

function unavailable(name: OperationName, input: AnyInput, cause: unknown, attempts: number): AppError {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const { code } = traits(error);
  // Names only: an engine's message may hold account numbers and addresses. The whole of it is in `cause`, for the log.
  const reason = code ?? error.name;
  const lasting = Object.hasOwn(UNUSABLE, error.name) && !MAY_PASS.has(error.name);
  const advice =
    error.name === "AccessDeniedException"
      ? `${UNUSABLE.AccessDeniedException} Allow them dynamodb:${name} on it.`
      : (UNUSABLE[error.name] ??
        `Gave up after ${attempts} ${attempts === 1 ? "attempt" : "attempts"}; try again in a moment.`);
  return new StateUnavailable(`The table "${tableOf(input)}" cannot be used right now (${reason}). ${advice}`, {
    cause,
    ...(lasting ? { retryable: false } : { retryAfterSeconds: 1 }),
  });
}

/** Not blamed on the caller's input: what is wrong is not known. */
function refused(input: AnyInput, cause: unknown): AppError {
  const name = cause instanceof Error ? cause.name : "";
  const message = `The table "${tableOf(input)}" refused the request for a reason that is not known here (${name}). See the server's log.`;
  return new AppError("internal", message, { cause });
}
