// The one pipeline every call takes, whatever carried it: validate, run in time, validate the answer, log once.
import { randomUUID } from "node:crypto";
import type * as z from "zod";
import { AppError } from "./errors.ts";
import type { LogFields, Logger } from "./logger.ts";
import type { Principal } from "./principal.ts";
import type { KeyedCall } from "./state/idempotency.ts";
import { principalPartition, SHARED_OWNER } from "./state/keys.ts";
import type { Caller, State } from "./state/state.ts";
import type { Tool, ToolContext } from "./tool.ts";

export interface ToolCall {
  readonly name: string;
  /** As the client sent them: anything. */
  readonly arguments: unknown;
  readonly principal: Principal;
  /** The client program's name and version, as it gave them. */
  readonly client?: string;
  readonly signal?: AbortSignal;
  /** The 2025-era transport session the call came in, if it came in one. */
  readonly transportSession?: string | undefined;
  /** The caller's own identity for this call, when it did not come as the argument `idempotency_key`. */
  readonly idempotencyKey?: string | undefined;
  /** Milliseconds the call may take, where that is less than the server's own limit. */
  readonly timeLimitMs?: number | undefined;
}

export interface ToolResult {
  readonly structured: Record<string, unknown>;
  /** True when this is the recorded answer of an earlier call with the same idempotency key. */
  readonly replayed: boolean;
}

export interface CallRuntime {
  readonly tools: ReadonlyMap<string, Tool>;
  readonly state: State;
  readonly logger: Logger;
  /** How long results of cached tools are kept, unless a tool says otherwise. */
  readonly cacheTtlSeconds: number;
}

/** Runs a call to its structured result. Everything it throws is an AppError that the caller may see. */
export async function callTool(runtime: CallRuntime, call: ToolCall): Promise<ToolResult> {
  const started = performance.now();
  const requestId = randomUUID();
  const fields: LogFields = { request_id: requestId, tool: call.name.slice(0, 64), principal: call.principal.id };
  const ended = runtime.state.callBegins();
  try {
    const result = await run(runtime, call, fields);
    const outcome = result.replayed ? "replayed" : "ok";
    runtime.logger.info({ ...fields, duration_ms: elapsed(started), outcome }, "call");
    return result;
  } catch (thrown) {
    const error = thrown instanceof AppError ? thrown : internalError(runtime.logger, thrown, fields);
    runtime.logger.info({ ...fields, duration_ms: elapsed(started), outcome: error.code }, "call");
    throw error;
  } finally {
    ended();
  }
}

async function run(runtime: CallRuntime, call: ToolCall, fields: LogFields): Promise<ToolResult> {
  const tool = runtime.tools.get(call.name);
  if (!tool) throw unknownTool(runtime.tools, call.name);
  const { session_id: sessionId, idempotency_key: givenKey, ...input } = parseInput(tool, call.arguments);
  const key = typeof givenKey === "string" ? givenKey : call.idempotencyKey;
  const { principal, transportSession } = call;
  const caller = { principal, transportSession, client: (call.client ?? "").slice(0, 200) };
  let sessionName = "";
  if (tool.session !== "none") {
    sessionName = runtime.state.forCaller(caller).session(typeof sessionId === "string" ? sessionId : undefined).id;
    fields.session = sessionName;
  }
  const limitMs = Math.min(runtime.state.limits.callTimeoutMs, call.timeLimitMs ?? Number.POSITIVE_INFINITY);
  return inTime(limitMs, call.signal, async (signal) => {
    const attempt = (keyed?: KeyedCall) =>
      runOnce(runtime, tool, input, { caller: { ...caller, keyed }, sessionName, signal, fields });
    // A tool that only reads has no effect to protect: its key is accepted and means nothing.
    if (key === undefined || tool.annotations.readOnlyHint) return { structured: await attempt(), replayed: false };
    const request = { principal: call.principal.id, tool: tool.name, session: sessionName, key, arguments: input };
    const { result, replayed } = await runtime.state.idempotency.run(request, { claimFirst: tool.idempotent }, attempt);
    return { structured: result, replayed };
  });
}

interface Attempt {
  readonly caller: Caller;
  readonly sessionName: string;
  readonly signal: AbortSignal;
  readonly fields: LogFields;
}

async function runOnce(runtime: CallRuntime, tool: Tool, input: Record<string, unknown>, attempt: Attempt) {
  const { caller, sessionName, signal, fields } = attempt;
  const state = runtime.state.forCaller(caller);
  const session = tool.session === "none" ? undefined : state.session(sessionName);
  const context: ToolContext = {
    get session() {
      if (!session) throw new TypeError(`The tool ${tool.name} is defined with session: "none" and asked for one.`);
      return session;
    },
    state,
    principal: caller.principal,
    signal,
    log: withFields(runtime.logger, fields),
  };
  const compute = () => tool.run(input, context);
  const result = tool.cache ? await throughCache(runtime, tool, caller, input, compute) : await compute();
  await session?.settle();
  const parsed = tool.output.safeParse(session ? { session_id: session.id, ...result } : result);
  if (!parsed.success)
    throw new TypeError(`${tool.name} returned what its output schema forbids: ${issueText(parsed.error)}`);
  return parsed.data;
}

async function throughCache(
  runtime: CallRuntime,
  tool: Tool,
  caller: Caller,
  input: Record<string, unknown>,
  compute: () => Promise<Record<string, unknown>>,
) {
  const {
    ttlSeconds = runtime.cacheTtlSeconds,
    staleSeconds = Math.ceil(ttlSeconds / 10),
    shared,
    version = "",
  } = tool.cache ?? {};
  const owner = shared ? SHARED_OWNER : principalPartition(caller.principal.id);
  const call = { owner, tool: tool.name, toolVersion: version, arguments: input, ttlSeconds, staleSeconds };
  const { result, cached } = await runtime.state.cache.get(call, compute);
  return { ...result, cached };
}

export function unknownTool(tools: ReadonlyMap<string, Tool>, name: string): AppError {
  const known = [...tools.keys()].join(", ");
  return new AppError("not_found", `There is no tool ${JSON.stringify(name.slice(0, 64))}. The tools are: ${known}.`);
}

function parseInput(tool: Tool, given: unknown): Record<string, unknown> {
  const parsed = tool.input.safeParse(given ?? {});
  if (parsed.success) return parsed.data;
  const allowed = Object.keys(tool.input.shape).join(", ");
  throw new AppError(
    "invalid_input",
    `${tool.name}: ${issueText(parsed.error)} Its arguments are: ${allowed || "none"}.`,
  );
}

/** One sentence per problem, at most three. */
function issueText(error: z.ZodError): string {
  const sentences = error.issues.slice(0, 3).map((issue) => {
    const where = issue.path.length > 0 ? `${issue.path.map(String).join(".")}: ` : "";
    return `${where}${issue.message}.`;
  });
  return sentences.join(" ").slice(0, 600);
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
