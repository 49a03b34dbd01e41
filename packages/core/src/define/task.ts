// How a tool's call may become a task: what its author says, checked. Knows nothing of how tasks are kept or run.
import type { InputRequiredResult } from "@modelcontextprotocol/server";
import type * as z from "zod";
import { DEFAULT_TASK_TIMEOUT_SECONDS } from "../limits.ts";
import type { ToolContext } from "./context.ts";

/** As a tool's author writes it, where `allowed` or `required` alone is not enough. */
export interface TaskDefinition<I extends z.ZodObject = z.ZodObject> {
  /** Default `allowed`. */
  support?: "allowed" | "required";
  /** How long the task and its result are kept after its creation, in seconds, from 60 to 604,800 (7 days). Default: the server's (86,400). */
  ttlSeconds?: number;
  /** How long one run may take, in seconds, from 1 to 86,400. Default 3,600. On AWS Lambda a run is handed on after 15 minutes at most. */
  timeoutSeconds?: number;
  /**
   * Runs before the task is made, while the client still waits: resolves to `inputRequired({…})` when something must be asked first. What
   * was answered is then in `context.answers` of the task's first run. It may run again, so it must change nothing.
   */
  askFirst?(
    input: z.output<I>,
    context: ToolContext,
  ): InputRequiredResult | undefined | Promise<InputRequiredResult | undefined>;
}

/** The same, with what was left out. */
export interface TaskSupport {
  readonly required: boolean;
  readonly ttlSeconds: number | undefined;
  readonly timeoutSeconds: number;
  askFirst(input: Record<string, unknown>, context: ToolContext): Promise<InputRequiredResult | undefined>;
}

export function taskSupport(given: "allowed" | "required" | TaskDefinition): TaskSupport {
  const { support, ttlSeconds, timeoutSeconds, askFirst } = typeof given === "string" ? { support: given } : given;
  return {
    required: support === "required",
    ttlSeconds,
    timeoutSeconds: timeoutSeconds ?? DEFAULT_TASK_TIMEOUT_SECONDS,
    askFirst: async (input, context) => askFirst?.(input, context),
  };
}

const TTL_MIN_SECONDS = 60;
const TTL_MAX_SECONDS = 604_800;
const TIMEOUT_MAX_SECONDS = 86_400;

/** What is wrong with it, in words that complete a sentence. */
export function faultOfTask(given: unknown, cached: boolean): string | undefined {
  if (cached) return "it is cached, so it cannot run as a task.";
  const {
    support = "allowed",
    ttlSeconds,
    timeoutSeconds,
  } = (typeof given === "string" ? { support: given } : given) as {
    support?: unknown;
    ttlSeconds?: unknown;
    timeoutSeconds?: unknown;
  };
  if (support !== "allowed" && support !== "required")
    return `its task must be "allowed" or "required", and is ${JSON.stringify(support)}.`;
  return (
    outside("task.ttlSeconds", ttlSeconds, TTL_MIN_SECONDS, TTL_MAX_SECONDS) ??
    outside("task.timeoutSeconds", timeoutSeconds, 1, TIMEOUT_MAX_SECONDS)
  );
}

function outside(name: string, value: unknown, min: number, max: number): string | undefined {
  if (value === undefined || (Number.isInteger(value) && Number(value) >= min && Number(value) <= max))
    return undefined;
  return `its ${name} must be a whole number from ${min} to ${max}, and is ${JSON.stringify(value)}.`;
}
