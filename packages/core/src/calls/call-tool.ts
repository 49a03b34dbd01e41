// The one pipeline every tool call takes, no matter what carried it: validate, run once, validate the answer.
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type * as z from "zod";
import { confirmation } from "../define/confirm.ts";
import type { Tool, ToolContext } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import { findJsonFault, toWellFormedJson } from "../json.ts";
import { NESTING_MAX_LEVELS } from "../limits.ts";
import type { Principal } from "../principal.ts";
import { type Caller, ownerOf } from "../state/caller.ts";
import type { KeyedCall } from "../state/idempotency.ts";
import { principalPartition, SHARED_OWNER, sessionKey } from "../state/keys.ts";
import { cutText, nestsDeeperThan } from "../text.ts";
import { askingOf, unlessAsking } from "./asking.ts";
import { type Admission, type CallInProgress, callerOf, contextOf, reportingOf, runCall } from "./call.ts";
import type { CallSource, Services } from "./services.ts";

/** One call of a tool, however it arrived. */
export interface ToolCall extends CallSource {
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
export function callTool(services: Services, call: ToolCall): Promise<ToolResult> {
  const { signal: _, ...unsignalled } = call;
  const tool = services.tools.get(call.name);
  return runCall(
    services,
    // A result that is kept is computed for others too: one caller who goes away does not end it.
    tool?.cache ? unsignalled : call,
    { tool: cutText(call.name, 64) },
    admissionTo(tool),
    (inProgress) => {
      if (!tool) throw unknownTool(services.tools, call.name);
      return run(services, tool, call, inProgress);
    },
    ({ replayed }) => (replayed ? "replayed" : "ok"),
  );
}

/** A call of a tool that does not exist needs no scope, but counts. */
const admissionTo = (tool: Tool | undefined): Admission => ({
  ...(tool && { scope: tool.scope }),
  ...(tool?.callsPerMinute && { limits: [[tool.name, tool.callsPerMinute]] }),
});

async function run(services: Services, tool: Tool, call: ToolCall, inProgress: CallInProgress): Promise<ToolResult> {
  const { session_id: sessionId, idempotency_key: givenKey, ...rest } = parseInput(tool, call.arguments);
  const { confirm, ...input } = tool.confirm ? rest : { ...rest, confirm: undefined };
  const key = typeof givenKey === "string" ? givenKey : call.idempotencyKey;
  const caller = callerOf(call);
  let sessionName = "";
  if (tool.session !== "none") {
    sessionName = services.state.sessionIdFor(caller, typeof sessionId === "string" ? sessionId : undefined);
    inProgress.fields.session = loggedSession(call.principal, sessionName);
  }
  const confirmed = confirm === true;
  const attempt = (keyed?: KeyedCall) =>
    runOnce(services, tool, input, { call, caller: { ...caller, keyed }, sessionName, inProgress, confirmed });
  // A tool that only reads has no effect to protect: its key is accepted and means nothing.
  if (key === undefined || tool.annotations.readOnlyHint) return { structured: await attempt(), replayed: false };
  if (call.principal.kind === "anonymous" && !sessionName) {
    // Callers who share one identity would be answered with what others were given.
    const message = `${tool.name} takes no idempotency key on a server that is open to everybody.`;
    throw new AppError("invalid_input", message);
  }
  const owner = ownerOf(call.principal, sessionName);
  const first = sessionName === "" ? undefined : sessionKey(owner, sessionName);
  const request = { principal: owner, tool: tool.name, session: sessionName, key, arguments: input, first };
  const { result, replayed } = await services.state.idempotency.run(request, { claimFirst: tool.idempotent }, attempt);
  return { structured: result, replayed };
}

/** On a server that is open to everybody the handle is the key, and a log is no place for keys. */
const loggedSession = (principal: Principal, id: string): string =>
  principal.kind === "anonymous" ? `hash:${createHash("sha256").update(id).digest("base64url").slice(0, 16)}` : id;

interface Attempt {
  readonly call: ToolCall;
  readonly caller: Caller;
  readonly sessionName: string;
  readonly inProgress: CallInProgress;
  readonly confirmed: boolean;
}

async function runOnce(services: Services, tool: Tool, input: Record<string, unknown>, attempt: Attempt) {
  const { call, caller, sessionName, inProgress, confirmed } = attempt;
  const given = contextOf(services, call, inProgress, caller);
  const session = tool.session === "none" ? undefined : given.state.session(sessionName);
  const asked = { target: `tools/call ${tool.name}`, arguments: [sessionName, input] };
  const context: ToolContext = {
    get session() {
      if (!session) throw new TypeError(`The tool ${tool.name} is defined with session: "none" and asked for one.`);
      return session;
    },
    ...given,
    ...(await askingOf(services, call, asked, caller.keyed)),
    ...reportingOf(call),
  };
  // Without a channel to a client a program calls, which has no person to ask.
  const shown = async () => {
    const meant = Object.entries({ ...(session && { session: session.id }), ...(await tool.affects(input, context)) });
    // Beside what is meant, not in its place: an argument may have the same name and say something else.
    const given = Object.entries(input).filter(
      ([name, value]) => value !== undefined && !meant.some((one) => isDeepStrictEqual(one, [name, value])),
    );
    return [...meant, ...given];
  };
  const question = tool.confirm && call.channel ? await confirmation(tool, shown, confirmed, context) : undefined;
  const compute = async () =>
    unlessAsking(services, caller.principal, asked, question ?? (await tool.run(input, context)));
  const result = tool.cache ? await throughCache(services, tool, caller, input, compute) : await compute();
  await session?.touched();
  return checkedResult(tool, session ? { session_id: session.id, ...result } : result);
}

function checkedResult(tool: Tool, result: Record<string, unknown>): Record<string, unknown> {
  if (!tool.output) {
    if (!Array.isArray(result.content)) throw new TypeError(`${tool.name} has no output and returned no content.`);
    return toWellFormedJson({ content: result.content, ...(result.isError === true && { isError: true }) });
  }
  const parsed = tool.output.safeParse(result);
  if (parsed.success) return toWellFormedJson(parsed.data);
  throw new TypeError(`${tool.name} returned what its output schema forbids: ${issueText(parsed.error)}`);
}

async function throughCache(
  services: Services,
  tool: Tool,
  caller: Caller,
  input: Record<string, unknown>,
  compute: () => Promise<Record<string, unknown>>,
) {
  const {
    ttlSeconds = services.cacheTtlSeconds,
    staleSeconds = Math.ceil(ttlSeconds / 10),
    shared,
    version = "",
  } = tool.cache ?? {};
  const owner = shared ? SHARED_OWNER : principalPartition(caller.principal.id);
  const call = { owner, tool: tool.name, toolVersion: version, arguments: input, ttlSeconds, staleSeconds };
  const { result, cached } = await services.state.cache.get(call, compute);
  return { ...result, cached };
}

function unknownTool(tools: ReadonlyMap<string, Tool>, name: string): AppError {
  const known = [...tools.keys()].join(", ");
  return new AppError("not_found", `There is no tool ${JSON.stringify(cutText(name, 64))}. The tools are: ${known}.`);
}

function parseInput(tool: Tool, given: unknown): Record<string, unknown> {
  // Not every transport has looked: deep nesting would exhaust the stack of whoever walks it.
  if (nestsDeeperThan(given, NESTING_MAX_LEVELS))
    throw new AppError("invalid_input", `${tool.name}: arguments nest deeper than ${NESTING_MAX_LEVELS} levels.`);
  const fault = findJsonFault(given);
  if (fault) {
    const [field = "arguments"] = fault.path;
    const message = `${tool.name}: ${cutText(fault.path.join(".") || "arguments", 200)}: ${fault.why}.`;
    throw new AppError("invalid_input", message, { details: { field: String(field) } });
  }
  const parsed = tool.input.safeParse(withoutNullOptions(tool, given ?? {}));
  if (parsed.success) return parsed.data;
  const allowed = Object.keys(tool.input.shape).join(", ");
  throw new AppError(
    "invalid_input",
    `${tool.name}: ${issueText(parsed.error)} Its arguments are: ${allowed || "none"}.`,
  );
}

/** Null for an argument that may be left out, and may not be null, means that it was left out. */
function withoutNullOptions(tool: Tool, given: unknown): unknown {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return given;
  const entries = Object.entries(given);
  const meansAbsent = (name: string, value: unknown): boolean => {
    const argument = value === null && Object.hasOwn(tool.input.shape, name) ? tool.input.shape[name] : undefined;
    return argument?.safeParse(undefined).success === true && !argument.safeParse(null).success;
  };
  if (!entries.some(([name, value]) => meansAbsent(name, value))) return given;
  return Object.fromEntries(entries.filter(([name, value]) => !meansAbsent(name, value)));
}

/** One sentence per problem, at most three. */
function issueText(error: z.ZodError): string {
  const sentences = error.issues.slice(0, 3).map((issue) => {
    const where = issue.path.length > 0 ? `${issue.path.map(String).join(".")}: ` : "";
    return `${where}${issue.message}.`;
  });
  return cutText(sentences.join(" "), 600);
}
