// The extension io.modelcontextprotocol/tasks (SEP-2663) on the wire: tasks/get, tasks/update, tasks/cancel, and a tool's call that is
// answered with a task. The official SDK has no server side of it yet; when it has one, this file goes. Knows not how tasks are run.
import type { Server, ServerContext } from "@modelcontextprotocol/server";
import * as z from "zod";
import { missingTasks } from "../calls/call-task.ts";
import { callerOf, runCall } from "../calls/run-call.ts";
import type { Services } from "../calls/services.ts";
import { loggedHandle } from "../calls/tool-io.ts";
import { AppError, type ErrorCode } from "../errors.ts";
import { authorize, WRITE_SCOPE } from "../principal.ts";
import type { CallerTasks, DetailedTaskView, TaskView } from "../state/caller-tasks.ts";
import type { TaskOutcome } from "../state/task-head.ts";
import type { Admit } from "../state/tasks.ts";
import { cutText } from "../text.ts";
import { withSource } from "./call-source.ts";
import { callToolResult, errorResult } from "./call-tool-result.ts";
import { protocolError } from "./protocol-error.ts";
import type { Tracked } from "./reading.ts";

const params = z.looseObject({ taskId: z.string() });

/** Registers the three methods. `tracked` must count every handler that awaits anything. */
export function serveTasks(server: Server, services: Services, tracked: Tracked): void {
  const serve = (
    method: "tasks/get" | "tasks/update" | "tasks/cancel",
    countsAs: "call" | "look",
    work: (call: TaskRequest) => Promise<Record<string, unknown> | undefined>,
  ) =>
    server.setRequestHandler(method, { params }, ({ taskId }, context) =>
      tracked(async () => {
        try {
          const answer = await withSource(server, context, async (source) => {
            // Before the id is looked at: a client that does not speak the extension learns that first.
            if (!source.channel?.tasks) throw await missingTasks();
            const what = { method, task_id: loggedHandle(source.principal, cutText(taskId, 64)) };
            return runCall(services, source, what, { countsAs }, async () => {
              const { tasks } = services.state.forCaller(callerOf(source));
              const admit: Admit = ({ tool }) => authorize(source.principal, scopeOf(services, tool));
              const answered = await work({ tasks, id: taskId, admit, context });
              if (!answered) throw noTask(taskId);
              return answered;
            });
          });
          return answer as never;
        } catch (error) {
          throw protocolError(error);
        }
      }),
    );
  // A look costs little, and clients are told how often to look: of these a caller has more than of calls.
  serve("tasks/get", "look", async ({ tasks, id, admit }) => {
    const view = await tasks.get(id);
    if (view) admit(view);
    return view && detailedTask(view);
  });
  serve("tasks/update", "call", async ({ tasks, id, admit, context }) => {
    const { inputResponses = {}, droppedInputResponseKeys = [] } = context.mcpReq as InputOf;
    if (droppedInputResponseKeys.length > 0) {
      const open = (await tasks.get(id))?.questions ?? {};
      const malformed = droppedInputResponseKeys.find((key) => Object.hasOwn(open, key));
      if (malformed !== undefined)
        throw new AppError(
          "invalid_input",
          `The answer to ${JSON.stringify(cutText(malformed, 64))} has no valid form.`,
        );
    }
    return (await tasks.answer(id, inputResponses, admit)) && {};
  });
  serve("tasks/cancel", "call", async ({ tasks, id, admit }) => (await tasks.cancel(id, admit)) && {});
}

interface TaskRequest {
  readonly tasks: CallerTasks;
  readonly id: string;
  /** Throws when the caller's token does not allow the tool. */
  readonly admit: Admit;
  readonly context: ServerContext;
}

export const scopeOf = ({ tools }: Services, tool: string): string => tools.get(tool)?.scope ?? WRITE_SCOPE;

interface InputOf {
  readonly inputResponses?: Readonly<Record<string, unknown>>;
  /** Of answers that the SDK has left out, because they are none by their form. */
  readonly droppedInputResponseKeys?: readonly string[];
}

/** The same for one that never was, has expired, or is another caller's. */
const noTask = (id: string): AppError =>
  new AppError("not_found", `There is no task ${JSON.stringify(cutText(id, 64))}.`);

function wireTask({ id, status, message, createdMs, updatedMs, ttlMs, pollAfterMs }: TaskView) {
  return {
    taskId: id,
    status,
    ...(message !== undefined && { statusMessage: message }),
    createdAt: new Date(createdMs).toISOString(),
    lastUpdatedAt: new Date(updatedMs).toISOString(),
    ttlMs,
    pollIntervalMs: pollAfterMs,
  };
}

/** What a call is answered with that goes on as a task. The SDK's check of tools/call wants content. */
export const createdTask = (view: TaskView) => ({ resultType: "task", ...wireTask(view), content: [] });

/** What tasks/get answers, and what a notification of a change carries. */
export function detailedTask(view: DetailedTaskView): Record<string, unknown> {
  const task = wireTask(view);
  if (view.questions) return { ...task, inputRequests: view.questions };
  if (!view.outcome) return task;
  if ("protocolError" in view.outcome) return { ...task, error: view.outcome.protocolError };
  // A result in a result: clients of the extension check the inner one too.
  return { ...task, result: { resultType: "complete", ...resultOf(view.outcome) } };
}

function resultOf(outcome: Exclude<TaskOutcome, { protocolError: unknown }>) {
  if ("result" in outcome) return callToolResult(outcome.result, outcome.blocks);
  return errorResult({ ...outcome.error, code: outcome.error.code as ErrorCode });
}
