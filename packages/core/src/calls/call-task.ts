// A tool call that becomes a task: making it, and answering a client that cannot be given one. Knows not how the task is run.
import type { ClientCapabilities, MissingRequiredClientCapabilityError } from "@modelcontextprotocol/server";
import type { Tool } from "../define/tool.ts";
import { AppError, ERROR_CODES, type ErrorCode } from "../errors.ts";
import { countedAs } from "../principal.ts";
import { ownerOf } from "../state/caller.ts";
import type { DetailedTaskView } from "../state/caller-tasks.ts";
import { mintTaskId, type TaskOutcome } from "../state/task-head.ts";
import { type CallInProgress, callerOf, traceIn } from "./run-call.ts";
import type { CallSource, ClientChannel, Services } from "./services.ts";
import { loggedHandle, type ToolRun } from "./tool-io.ts";

/** How long a client that cannot take a task is kept waiting for its end: hosts give up after about 60 s. */
const WAIT_MAX_MS = 45_000;
/** What is left of a shorter limit, so that the answer comes before it. */
const WAIT_SHARE = 0.9;
/** A waiting client is told that its call goes on, this often. */
const TELL_EVERY_MS = 15_000;

/** Whether the tool insists on a task, and the client could take one and does not. */
export const lacksTasks = (tool: Tool, { channel }: CallSource): boolean =>
  tool.task?.required === true && channel?.declaresTasks === true && !channel.tasks;

/** The protocol's answer to a request that needs the extension and does not declare it. */
export const missingTasks = (): Promise<MissingRequiredClientCapabilityError> =>
  missing({ extensions: { "io.modelcontextprotocol/tasks": {} } });

/** The protocol's answer to a request that needs what its client does not declare. */
export async function missing(requiredCapabilities: ClientCapabilities): Promise<MissingRequiredClientCapabilityError> {
  const sdk = await import("../sdk.ts");
  return new sdk.MissingRequiredClientCapabilityError({ requiredCapabilities });
}

/** Makes the task of a call, and sees to it that it is run. Resolves to its id. */
export async function createTask(
  services: Services,
  tool: Tool,
  { source, caller, sessionName, inProgress }: ToolRun & { readonly source: { readonly arguments: unknown } },
  answers: ClientChannel["answers"],
): Promise<string> {
  const { tasks, crowd } = services.state;
  const { principal, channel } = source;
  crowd.admitTask(principal);
  const id = mintTaskId(await caller.keyed?.seed());
  inProgress.fields.task_id = loggedHandle(principal, id);
  const counted = countedAs(principal) ?? principal.id;
  const lease = tasks.runs.leaseForNew(counted);
  const call = {
    arguments: source.arguments ?? {},
    // Not the network that an anonymous caller came from: it is for bounds in this process, not to be kept.
    principal: { ...principal, network: undefined },
    session: sessionName,
    client: caller.client,
    capabilities: (channel?.capabilities ?? {}) as Record<string, unknown>,
    answers,
    trace: traceIn(services, source),
  };
  const ttlMs = (tool.task?.ttlSeconds ?? services.taskTtlSeconds) * 1000;
  const head = await tasks.create({ owner: ownerOf(principal, id), id }, { tool: tool.name, call, ttlMs, lease });
  // Made by an earlier attempt at the same call, it may be another process's to run.
  if (lease !== undefined && head.runner !== lease.runner) return id;
  try {
    await tasks.runs.created(head, call, counted);
    services.observer?.happened({ kind: "task_created", tool: tool.name });
  } catch (error) {
    // Made again, a call with a key finds this task. Another one would make a second task beside it.
    if (!caller.keyed) await tasks.cancel(head).catch(() => {});
    throw error;
  }
  return id;
}

/** What the call is answered with: the task itself for a client that takes one, else what it came to, if that is soon. */
export async function answerOfTask(
  services: Services,
  tool: Tool,
  source: CallSource,
  { signal }: CallInProgress,
  id: string,
): Promise<{ structured: Record<string, unknown>; task?: DetailedTaskView }> {
  const tasks = services.state.forCaller(callerOf(source)).tasks;
  const { channel } = source;
  if (channel?.tasks) {
    const task = await tasks.get(id);
    if (!task) throw new AppError("not_found", "The task that this call made has expired.");
    return { structured: {}, task };
  }
  const limitMs = Math.min(services.state.limits.callTimeoutMs, source.timeLimitMs ?? Number.POSITIVE_INFINITY);
  const ms = tool.task?.required ? 0 : Math.min(WAIT_MAX_MS, limitMs * WAIT_SHARE);
  const view = await tasks.wait(id, { ms, signal, tell: channel && tellNowAndThen(channel) });
  if (view?.status === "completed" || view?.status === "failed") return { structured: await resultOf(view.outcome) };
  throw notEnded(tool.name, id, view);
}

function tellNowAndThen({ progress }: ClientChannel) {
  const started = performance.now();
  let told = 0;
  return ({ message }: { message: string | undefined }) => {
    const ms = performance.now() - started;
    if (ms < (told + 1) * TELL_EVERY_MS) return;
    told += 1;
    progress(Math.round(ms / 1000), undefined, message);
  };
}

/** What a call that waited for its task is answered with. @throws AppError, or a ProtocolError, that it came to. */
export async function resultOf(outcome: TaskOutcome | undefined): Promise<Record<string, unknown>> {
  if (outcome && "result" in outcome) return outcome.result;
  if (outcome && "error" in outcome) {
    const { code, message, retryable, retryAfterSeconds, details } = outcome.error;
    const known = code in ERROR_CODES ? (code as ErrorCode) : "internal";
    throw new AppError(known, message, {
      retryable,
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
      ...(details && { details }),
    });
  }
  if (!outcome) throw new AppError("internal", "The task's result is gone.");
  const { code, message, data } = outcome.protocolError;
  const { ProtocolError } = await import("../sdk.ts");
  throw new ProtocolError(code, message, data);
}

/** An error rather than a result: clients check a result against the tool's output schema. */
function notEnded(tool: string, id: string, view: DetailedTaskView | undefined): AppError {
  const details = { task_id: id, status: view?.status ?? "expired" };
  if (view?.status === "cancelled") return new AppError("conflict", `The task ${id} was cancelled.`, { details });
  if (!view) return new AppError("not_found", `The task ${id} has expired.`, { details });
  const why = view.status === "input_required" ? "has a question" : "is still running";
  return new TaskGoesOn(
    `${tool} ${why}, as task ${id}. Call get_task with task_id ${JSON.stringify(id)} to go on; do not call ${tool} again for this.`,
    details,
  );
}

/** The call has been taken and goes on; what comes of it can be asked for. */
export class TaskGoesOn extends AppError {
  constructor(message: string, details: { task_id: string; status: string }) {
    super("in_progress", message, { details, retryable: false });
  }
}
