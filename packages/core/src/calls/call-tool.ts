// The one pipeline every tool call takes, whatever carried it: validate, run once, validate the answer.
import type * as z from "zod";
import { confirmation } from "../define/confirm.ts";
import type { Tool, ToolContext } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import { NESTING_MAX_LEVELS, nestsDeeperThan } from "../limits.ts";
import type { KeyedCall } from "../state/idempotency.ts";
import { principalPartition, SHARED_OWNER } from "../state/keys.ts";
import { ownerOf } from "../state/session-handle.ts";
import type { Caller } from "../state/state.ts";
import {
  admit,
  askingOf,
  type CallOrigin,
  type CallRuntime,
  callerOf,
  reportingOf,
  runCall,
  type Scope,
  unlessAsking,
} from "./call.ts";

/** One call of a tool, however it arrived. */
export interface ToolCall extends CallOrigin {
  readonly name: string;
  /** As the client sent them: anything. */
  readonly arguments: unknown;
  /** The caller's own identity for this call, when it did not come as the argument `idempotency_key`. */
  readonly idempotencyKey?: string | undefined;
}

/** What a call that succeeded resolves to. */
export interface ToolResult {
  /** The output; for a tool without one, its `content` blocks. */
  readonly structured: Record<string, unknown>;
  /** True when this is the recorded answer of an earlier call with the same idempotency key. */
  readonly replayed: boolean;
}

/** Runs a call to its result. Everything it throws is an AppError that the caller may see; InputNeeded is a question. */
export function callTool(runtime: CallRuntime, call: ToolCall): Promise<ToolResult> {
  const { signal: _, ...unsignalled } = call;
  return runCall(
    runtime,
    // A result that is kept is computed for others too: one caller who goes away does not end it.
    runtime.tools.get(call.name)?.cache ? unsignalled : call,
    { tool: call.name.slice(0, 64) },
    (scope) => run(runtime, call, scope),
    ({ replayed }) => (replayed ? "replayed" : "ok"),
  );
}

async function run(runtime: CallRuntime, call: ToolCall, scope: Scope): Promise<ToolResult> {
  const tool = runtime.tools.get(call.name);
  if (!tool) throw unknownTool(runtime.tools, call.name);
  await admit(runtime, call.principal, tool.scope);
  if (tool.callsPerMinute) await runtime.state.rateLimits.admit(call.principal.id, tool.name, tool.callsPerMinute);
  const { session_id: sessionId, idempotency_key: givenKey, ...rest } = parseInput(tool, call.arguments);
  const { confirm, ...input } = tool.confirm ? rest : { ...rest, confirm: undefined };
  const key = typeof givenKey === "string" ? givenKey : call.idempotencyKey;
  const caller = callerOf(call);
  let sessionName = "";
  if (tool.session !== "none") {
    sessionName = scope.context.state.session(typeof sessionId === "string" ? sessionId : undefined).id;
    scope.fields.session = sessionName;
  }
  const attempt = (keyed?: KeyedCall) =>
    runOnce(runtime, tool, input, {
      call,
      caller: { ...caller, keyed },
      sessionName,
      scope,
      confirmed: confirm === true,
    });
  // A tool that only reads has no effect to protect: its key is accepted and means nothing.
  if (key === undefined || tool.annotations.readOnlyHint) return { structured: await attempt(), replayed: false };
  if (call.principal.kind === "anonymous" && !sessionName) {
    // Callers who share one identity would be answered with what others were given.
    const message = `${tool.name} takes no idempotency key on a server that is open to everybody.`;
    throw new AppError("invalid_input", message);
  }
  const owner = ownerOf(call.principal, sessionName);
  const request = { principal: owner, tool: tool.name, session: sessionName, key, arguments: input };
  const { result, replayed } = await runtime.state.idempotency.run(request, { claimFirst: tool.idempotent }, attempt);
  return { structured: result, replayed };
}

interface Attempt {
  readonly call: ToolCall;
  readonly caller: Caller;
  readonly sessionName: string;
  readonly scope: Scope;
  readonly confirmed: boolean;
}

async function runOnce(runtime: CallRuntime, tool: Tool, input: Record<string, unknown>, attempt: Attempt) {
  const { call, caller, sessionName, scope, confirmed } = attempt;
  const state = runtime.state.forCaller(caller);
  const session = tool.session === "none" ? undefined : state.session(sessionName);
  const asked = { target: `tools/call ${tool.name}`, arguments: [sessionName, input] };
  const { progress, logToClient } = reportingOf(call);
  const context: ToolContext = {
    get session() {
      if (!session) throw new TypeError(`The tool ${tool.name} is defined with session: "none" and asked for one.`);
      return session;
    },
    ...scope.context,
    state,
    ...(await askingOf(runtime, call, asked, caller.keyed)),
    progress,
    logToClient,
  };
  // Without an exchange a program calls, which has nobody to ask.
  const question = tool.confirm && call.exchange ? confirmation(tool, input, confirmed, context) : undefined;
  const compute = async () =>
    unlessAsking(runtime, caller.principal, asked, question ?? (await tool.run(input, context)));
  const result = tool.cache ? await throughCache(runtime, tool, caller, input, compute) : await compute();
  await session?.settle();
  return checkedResult(tool, session ? { session_id: session.id, ...result } : result);
}

function checkedResult(tool: Tool, result: Record<string, unknown>): Record<string, unknown> {
  if (!tool.output) {
    if (!Array.isArray(result.content)) throw new TypeError(`${tool.name} has no output and returned no content.`);
    return { content: result.content, ...(result.isError === true && { isError: true }) };
  }
  const parsed = tool.output.safeParse(result);
  if (parsed.success) return parsed.data;
  throw new TypeError(`${tool.name} returned what its output schema forbids: ${issueText(parsed.error)}`);
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
  // Not every transport has looked: deep nesting would exhaust the stack of whoever walks it.
  if (nestsDeeperThan(given, NESTING_MAX_LEVELS))
    throw new AppError("invalid_input", `${tool.name}: arguments nest deeper than ${NESTING_MAX_LEVELS} levels.`);
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
