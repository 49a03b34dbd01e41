// What every request of a caller goes through, be it for a tool, a resource or a prompt: its time, its signal, its questions to
// the client, one line in the log. Knows nothing of what is asked for, nor of what carried it.
import type { CallContext, Reporting } from "../define/context.ts";
import { AppError } from "../errors.ts";
import { jsonBytes } from "../json.ts";
import type { LogFields, Logger } from "../logger.ts";
import { authorize, type Principal } from "../principal.ts";
import { isProtocolError } from "../protocol.ts";
import type { Caller } from "../state/caller.ts";
import { cutText } from "../text.ts";
import type { TraceContext } from "../trace.ts";
import { within } from "../waiting.ts";
import { InputNeeded } from "./asking.ts";
import { requestFields, tellRequest } from "./request-line.ts";
import type { CallSource, ClientChannel, Services } from "./services.ts";
import { answerBytes, type UnsentAnswer } from "./unsent.ts";

/** A call under way, as what answers it needs it. */
export interface CallInProgress {
  /** Ends when the client goes away or the time is over. */
  readonly signal: AbortSignal;
  /** Goes into the log; more may be added while the call runs. */
  readonly fields: LogFields;
}

/** What a caller must be allowed to do, and how often. */
export interface Admission {
  /** A scope that the caller's token must have; without it none is needed. */
  readonly scope?: string;
  /** What it counts as, towards the limit for everything. Default a call. */
  readonly countsAs?: "call" | "look";
  /** It changes nothing, so that it may be refused when its result is there and has no room. Default false. */
  readonly readOnly?: boolean;
  /** Names of what is counted, and calls of it per minute, besides the limit for everything. */
  readonly limits?: readonly (readonly [bucket: string, callsPerMinute: number])[];
}

/** What the log says of a request that succeeded. */
export interface Telling<T> {
  outcome(result: T): string;
  /** What its caller is given, whose size is told. */
  value(result: T): unknown;
}

const PLAIN: Telling<unknown> = { outcome: () => "ok", value: (result) => result };

export const callerOf = ({ principal, transportSession, client = "" }: CallSource): Caller => ({
  principal,
  transportSession,
  client: cutText(client.toWellFormed(), 200),
});

/** What every function of an app is given, acting for `caller` alone. */
export const contextOf = (
  services: Services,
  source: CallSource,
  { signal, fields }: CallInProgress,
  caller: Caller = callerOf(source),
): CallContext => ({
  state: services.state.forCaller(caller),
  principal: source.principal,
  signal,
  log: withFields(services.logger, fields),
  trace: traceIn(services, source),
});

/** Our own span where there is one, so that what a tool calls is under it; else the caller's. */
export const traceIn = ({ telemetry }: Services, { trace }: CallSource): TraceContext | undefined =>
  telemetry?.current()?.trace ?? trace;

/**
 * Runs a request that its caller is allowed to make, within its time, and logs it once.
 * @throws AppError that the caller may see: `forbidden`, `rate_limited`, `unavailable`, `internal`, or what the task threw;
 * ProtocolError where a tool throws one.
 */
export async function runCall<T>(
  services: Services,
  source: CallSource,
  what: LogFields,
  admission: Admission,
  task: (call: CallInProgress) => Promise<T>,
  telling: Telling<T> = PLAIN,
): Promise<T> {
  const started = performance.now();
  const { principal, unsent } = source;
  const { state, logger } = services;
  const trace = traceIn(services, source);
  const fields = requestFields(source, trace, what);
  const table = state.measured && { requests: 0, attempts: 0, units: 0 };
  const span = services.telemetry?.current();
  const log = (outcome: string) => {
    tellRequest(services, "call", fields, { outcome, started, table });
    span?.tell({ outcome, cached: fields.cached as boolean | undefined });
  };
  source.onLine?.();
  const ended = state.background.callBegins();
  const limitMs = Math.min(state.limits.callTimeoutMs, source.timeLimitMs ?? Number.POSITIVE_INFINITY);
  const run = async (signal: AbortSignal) => {
    await admit(services, principal, admission);
    unsent?.requireRoom(0);
    const result = await task({ signal, fields });
    const bytes = jsonBytes(telling.value(result));
    fields.result_bytes = bytes;
    if (unsent) addTo(unsent, bytes, admission);
    return result;
  };
  try {
    const call = () => within(limitMs, run, () => tookTooLong(limitMs), source.signal);
    const result = await (table && state.measured ? state.measured(table, call) : call());
    log(telling.outcome(result));
    return result;
  } catch (thrown) {
    // An error of the protocol that a tool's author has chosen: it goes to the client as it is.
    if (await isProtocolError(thrown)) {
      log("protocol_error");
      throw thrown;
    }
    const error = thrown instanceof AppError ? thrown : internalError(logger, thrown, fields);
    // The caller gets advice; the engine's own error goes only to the operator's log.
    if (error.code === "unavailable") logger.warn({ ...fields, err: error.cause ?? error }, "unavailable");
    log(error instanceof InputNeeded ? "input_required" : error.code);
    throw error;
  } finally {
    ended();
  }
}

/** Lets a request in, by what its caller's token allows and by how many it has made. */
async function admit({ state }: Services, principal: Principal, admission: Admission) {
  if (admission.scope !== undefined) authorize(principal, admission.scope);
  await (admission.countsAs === "look" ? state.admitLook(principal) : state.admit(principal));
  for (const [bucket, perMinute] of admission.limits ?? []) await state.admitTo(principal, bucket, perMinute);
}

/** Counts a result before the answer that carries it is written. @throws AppError `rate_limited` */
function addTo(unsent: UnsentAnswer, resultBytes: number, { readOnly = false }: Admission): void {
  const bytes = answerBytes(resultBytes);
  if (readOnly) unsent.requireRoom(bytes);
  unsent.add(bytes);
}

const tookTooLong = (limitMs: number): AppError =>
  new AppError(
    "unavailable",
    `The call took longer than ${limitMs / 1000} s and was given up. Whether it took effect is not known.`,
  );

const silent: Reporting = { progress: () => {}, logToClient: () => {} };
/** Without a channel to the client, what a run reports goes nowhere. */
export const reportingOf = ({ channel = silent as ClientChannel }: CallSource): Reporting => ({
  progress: channel.progress,
  logToClient: channel.logToClient,
});

/** The caller learns a number to quote, the log learns everything, once. */
export function internalError(logger: Logger, thrown: unknown, fields: LogFields): AppError {
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
