// What every request of a caller goes through, be it for a tool, a resource or a prompt: its time, its signal, its questions to
// the client, one line in the log. Knows nothing of what is asked for, nor of what carried it.
import { randomUUID } from "node:crypto";
import { type InputRequiredResult, isInputRequiredResult } from "@modelcontextprotocol/server";
import type { Asking, CallContext, Reporting } from "../define/context.ts";
import type { Prompt } from "../define/prompt.ts";
import type { ResourceTable } from "../define/resource.ts";
import type { Tool } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import type { LogFields, Logger } from "../logger.ts";
import { authorize, type Principal } from "../principal.ts";
import type { KeyedCall } from "../state/idempotency.ts";
import { ALL_TOOLS } from "../state/rate-limit.ts";
import type { AskingCall } from "../state/request-state.ts";
import type { Caller, State } from "../state/state.ts";
import type { TraceContext } from "../trace.ts";

export interface CallRuntime {
  readonly tools: ReadonlyMap<string, Tool>;
  readonly resources: ResourceTable;
  readonly prompts: ReadonlyMap<string, Prompt>;
  readonly state: State;
  readonly logger: Logger;
  /** Calls a principal may make per minute over the whole fleet; 0: as many as it likes. */
  readonly callsPerMinute: number;
  /** How long results of cached tools are kept, unless a tool says otherwise. */
  readonly cacheTtlSeconds: number;
}

/** Who makes a request, and over what. */
export interface CallOrigin {
  readonly principal: Principal;
  /** The client program's name and version, as it gave them. */
  readonly client?: string;
  /** The 2025-era transport session it came in, if it came in one. */
  readonly transportSession?: string | undefined;
  readonly signal?: AbortSignal;
  /** Milliseconds it may take, where that is less than the server's own limit. */
  readonly timeLimitMs?: number | undefined;
  readonly trace?: TraceContext | undefined;
  /** What the transport offers beside the answer. Without it nothing can be asked or reported. */
  readonly exchange?: Exchange;
}

export interface Exchange extends Reporting, Pick<Asking, "answers" | "capabilities"> {
  /** As it came from the client: the name of a kept state, or anything. */
  readonly requestState: string | undefined;
}

/** A run has a question for its client. Not an error: thrown so that whatever waits for an answer knows that there is none yet. */
export class InputNeeded extends AppError {
  readonly request: InputRequiredResult;

  constructor(target: string, request: InputRequiredResult) {
    super(
      "in_progress",
      `${target} has a question for its user, and this way of calling it cannot ask. Call it over MCP.`,
    );
    this.request = request;
  }
}

export interface Scope {
  /** What the request's function is given. */
  readonly context: CallContext;
  /** Goes into the log; more may be added while the call runs. */
  readonly fields: LogFields;
}

export const callerOf = ({ principal, transportSession, client = "" }: CallOrigin): Caller => ({
  principal,
  transportSession,
  client: client.slice(0, 200),
});

/**
 * Lets a request in, by what its caller's token allows and by how many it has made.
 * @throws AppError `forbidden`, `rate_limited`.
 */
export async function admit(
  { state, callsPerMinute }: CallRuntime,
  principal: Principal,
  scope: string,
): Promise<void> {
  authorize(principal, scope);
  if (callsPerMinute > 0) await state.rateLimits.admit(principal.id, ALL_TOOLS, callsPerMinute);
}

export const contextOf = (
  runtime: CallRuntime,
  origin: CallOrigin,
  signal: AbortSignal,
  fields: LogFields = {},
): CallContext => ({
  state: runtime.state.forCaller(callerOf(origin)),
  principal: origin.principal,
  signal,
  log: withFields(runtime.logger, fields),
  trace: origin.trace,
});

/** Runs a request within its time and logs it once. Everything it throws is an AppError that the caller may see. */
export async function runCall<T>(
  runtime: CallRuntime,
  origin: CallOrigin,
  what: LogFields,
  task: (scope: Scope) => Promise<T>,
  outcomeOf: (result: T) => string = () => "ok",
): Promise<T> {
  const started = performance.now();
  const { principal, trace } = origin;
  const fields: LogFields = {
    request_id: randomUUID(),
    ...what,
    principal: principal.id,
    ...(trace && { trace_id: trace.traceId, span_id: trace.spanId }),
  };
  const log = (outcome: string) => runtime.logger.info({ ...fields, duration_ms: elapsed(started), outcome }, "call");
  const ended = runtime.state.callBegins();
  const limitMs = Math.min(runtime.state.limits.callTimeoutMs, origin.timeLimitMs ?? Number.POSITIVE_INFINITY);
  try {
    const result = await inTime(limitMs, origin.signal, (signal) =>
      task({ context: contextOf(runtime, origin, signal, fields), fields }),
    );
    log(outcomeOf(result));
    return result;
  } catch (thrown) {
    const error = thrown instanceof AppError ? thrown : internalError(runtime.logger, thrown, fields);
    // The caller is told what to do; what the engine said to deserve it is for the operator.
    if (error.code === "unavailable") runtime.logger.warn({ ...fields, err: error.cause ?? error }, "unavailable");
    log(error instanceof InputNeeded ? "input_required" : error.code);
    throw error;
  } finally {
    ended();
  }
}

const silent: Reporting = { progress: () => {}, logToClient: () => {} };
export const reportingOf = ({ exchange }: CallOrigin): Reporting => exchange ?? silent;

/** What a run is told of the questions asked before. Opens the state that the client brings back, which can be done once. */
export async function askingOf(
  runtime: CallRuntime,
  origin: CallOrigin,
  call: AskingCall,
  keyed?: KeyedCall,
): Promise<Asking> {
  const { exchange, principal } = origin;
  const name = exchange?.requestState;
  const requestState =
    name === undefined
      ? undefined
      : await runtime.state.requestStates.redeem(principal.id, call, name, (await keyed?.seed()) ?? randomUUID());
  return { answers: exchange?.answers, capabilities: exchange?.capabilities ?? {}, requestState };
}

/** Returns a run's result, unless it is a question. @throws InputNeeded */
export async function unlessAsking<T extends object>(
  runtime: CallRuntime,
  principal: Principal,
  call: AskingCall,
  result: T | InputRequiredResult,
): Promise<T> {
  if (!isInputRequiredResult(result)) return result as T;
  const { requestState, ...request } = result;
  if (requestState === undefined) throw new InputNeeded(call.target, request);
  const name = await runtime.state.requestStates.keep(principal.id, call, requestState);
  throw new InputNeeded(call.target, { ...request, requestState: name });
}

/** Runs with a signal that ends when the client's does or when the call takes too long; a call that ignores it is left behind. */
async function inTime<T>(
  limitMs: number,
  given: AbortSignal | undefined,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(given?.reason);
  given?.addEventListener("abort", abort, { once: true });
  if (given?.aborted) abort();
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new AppError(
        "unavailable",
        `The call took longer than ${limitMs / 1000} s and was given up. Whether it took effect is not known.`,
      );
      controller.abort(error);
      reject(error);
    }, limitMs);
  });
  try {
    return await Promise.race([task(controller.signal), tooLate]);
  } finally {
    clearTimeout(timer);
    given?.removeEventListener("abort", abort);
  }
}

/** The caller learns a number to quote, the log learns everything, once. */
function internalError(logger: Logger, thrown: unknown, fields: LogFields): AppError {
  logger.error({ ...fields, err: thrown }, "unexpected error");
  return new AppError(
    "internal",
    `Something failed inside the server. Quote request ${fields.request_id} to its operator.`,
  );
}

function withFields(logger: Logger, fields: LogFields): Logger {
  return {
    debug: (more, message) => logger.debug({ ...fields, ...more }, message),
    info: (more, message) => logger.info({ ...fields, ...more }, message),
    warn: (more, message) => logger.warn({ ...fields, ...more }, message),
    error: (more, message) => logger.error({ ...fields, ...more }, message),
  };
}

const elapsed = (started: number): number => Math.round((performance.now() - started) * 10) / 10;
