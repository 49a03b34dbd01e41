// The one pipeline every tool call takes, no matter what carried it: validate, run once, validate the answer.
import { isDeepStrictEqual } from "node:util";
import { confirmation } from "../define/confirm.ts";
import type { Tool } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import { jsonBytes } from "../json.ts";
import { ownerOf } from "../state/caller.ts";
import type { DetailedTaskView } from "../state/caller-tasks.ts";
import type { KeyedCall } from "../state/idempotency.ts";
import { principalPartition, SHARED_OWNER, sessionKey } from "../state/keys.ts";
import { cutText } from "../text.ts";
import { askingOf, unlessAsking } from "./asking.ts";
import { answerOfTask, createTask, lacksTasks, missingTasks } from "./call-task.ts";
import { type Admission, type CallInProgress, callerOf, reportingOf, runCall } from "./run-call.ts";
import type { CallSource, Services } from "./services.ts";
import { finishedResult, loggedHandle, parseInput, plainSteps, type ToolRun, toolContext } from "./tool-io.ts";

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
  /** Instead of an output: the call goes on as this task, and its client can fetch what comes of it. */
  readonly task?: DetailedTaskView;
}

/** Runs a call to its result. Everything it throws is an AppError that the caller may see; InputNeeded is a question. */
export function callTool(services: Services, call: ToolCall): Promise<ToolResult> {
  const { signal: _, ...unsignalled } = call;
  const tool = services.tools.get(call.name);
  return runCall(
    services,
    // A result that is kept is computed for others too: one caller who goes away does not end it.
    tool?.cache ? unsignalled : call,
    // Only names that exist: what strangers make up must not become a dimension of a metric.
    tool ? { tool: tool.name } : { unknown_tool: true },
    admissionTo(tool),
    (inProgress) => {
      if (!tool) throw unknownTool(services.tools, call.name);
      return run(services, tool, call, inProgress);
    },
    {
      outcome: ({ replayed, task }) => (replayed ? "replayed" : task ? "task" : "ok"),
      value: ({ structured }) => structured,
    },
  );
}

/** A call of a tool that does not exist needs no scope, but counts. */
const admissionTo = (tool: Tool | undefined): Admission => ({
  ...(tool && { scope: tool.scope, readOnly: tool.annotations.readOnlyHint }),
  ...(tool?.callsPerMinute && { limits: [[tool.name, tool.callsPerMinute]] }),
});

async function run(services: Services, tool: Tool, call: ToolCall, inProgress: CallInProgress): Promise<ToolResult> {
  const { session_id: sessionId, idempotency_key: givenKey, ...rest } = parseInput(tool, call.arguments);
  inProgress.fields.argument_bytes = jsonBytes(call.arguments);
  const { confirm, ...input } = tool.confirm ? rest : { ...rest, confirm: undefined };
  const key = typeof givenKey === "string" ? givenKey : call.idempotencyKey;
  const caller = callerOf(call);
  let sessionName = "";
  if (tool.session !== "none") {
    sessionName = services.state.sessionIdFor(caller, typeof sessionId === "string" ? sessionId : undefined);
    inProgress.fields.session = loggedHandle(call.principal, sessionName);
  }
  const confirmed = confirm === true;
  const attempt = (keyed?: KeyedCall) =>
    runOnce(services, tool, input, { source: call, caller: { ...caller, keyed }, sessionName, inProgress, confirmed });
  const once = () => runKeyed(services, tool, input, { call, key, sessionName }, attempt);
  if (!tool.task || !services.runsTasks) return once();
  if (lacksTasks(tool, call)) throw await missingTasks();
  // The answer that is recorded for the key is the task's id: made again, the call finds the same task.
  const { structured, replayed } = await once();
  return { ...(await answerOfTask(services, tool, call, inProgress, String(structured.task))), replayed };
}

interface KeyedBy {
  readonly call: ToolCall;
  readonly key: string | undefined;
  readonly sessionName: string;
}

/** Runs the call, once if it has an idempotency key. */
async function runKeyed(
  services: Services,
  tool: Tool,
  input: Record<string, unknown>,
  { call, key, sessionName }: KeyedBy,
  attempt: (keyed?: KeyedCall) => Promise<Record<string, unknown>>,
): Promise<ToolResult> {
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
  const claimFirst = tool.idempotent || (tool.task !== undefined && services.runsTasks);
  const { result, replayed } = await services.state.idempotency.run(request, { claimFirst }, attempt);
  return { structured: result, replayed };
}

interface Attempt extends ToolRun {
  readonly source: ToolCall;
  readonly confirmed: boolean;
}

async function runOnce(services: Services, tool: Tool, input: Record<string, unknown>, attempt: Attempt) {
  const { source: call, caller, sessionName, confirmed } = attempt;
  const asked = { target: `tools/call ${tool.name}`, arguments: [sessionName, input] };
  const asking = await askingOf(services, call, asked, caller.keyed);
  const context = toolContext(services, tool, attempt, { ...asking, ...reportingOf(call), ...plainSteps() });
  // Without a channel to a client a program calls, which has no person to ask.
  const shown = async () => {
    const session = tool.session === "none" ? undefined : context.session;
    const meant = Object.entries({ ...(session && { session: session.id }), ...(await tool.affects(input, context)) });
    // Beside what is meant, not in its place: an argument may have the same name and say something else.
    const given = Object.entries(input).filter(
      ([name, value]) => value !== undefined && !meant.some((one) => isDeepStrictEqual(one, [name, value])),
    );
    return [...meant, ...given];
  };
  const question = tool.confirm && call.channel ? await confirmation(tool, shown, confirmed, context) : undefined;
  if (tool.task) {
    const first = question ?? (await tool.task.askFirst(input, context));
    if (first) await unlessAsking(services, caller.principal, asked, first);
  }
  if (tool.task && services.runsTasks) {
    return { task: await createTask(services, tool, attempt, asking.answers) };
  }
  const compute = async () =>
    unlessAsking(services, caller.principal, asked, question ?? (await tool.run(input, context)));
  const result = tool.cache ? await throughCache(services, tool, attempt, input, compute) : await compute();
  return finishedResult(tool, context, result);
}

async function throughCache(
  services: Services,
  tool: Tool,
  { caller, inProgress }: Attempt,
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
  inProgress.fields.cached = cached;
  return { ...result, cached };
}

function unknownTool(tools: ReadonlyMap<string, Tool>, name: string): AppError {
  const known = [...tools.keys()].join(", ");
  return new AppError("not_found", `There is no tool ${JSON.stringify(cutText(name, 64))}. The tools are: ${known}.`);
}
