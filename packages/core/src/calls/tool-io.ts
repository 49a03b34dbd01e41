// What goes into a tool's function and what comes out of it, checked against its schemas. Knows not how it is run.
import { createHash } from "node:crypto";
import type * as z from "zod";
import type { Asking, Reporting, Running, ToolContext } from "../define/context.ts";
import type { Tool } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import { findJsonFault, toWellFormedJson } from "../json.ts";
import { NESTING_MAX_LEVELS } from "../limits.ts";
import { ANONYMOUS_PRINCIPAL, LOCAL_PRINCIPAL, type Principal } from "../principal.ts";
import { checkJson } from "../schema-check.ts";
import { type Caller, ownerOf } from "../state/caller.ts";
import type { TaskRef } from "../state/task-head.ts";
import { cutText, nestsDeeperThan } from "../text.ts";
import { type CallInProgress, contextOf } from "./run-call.ts";
import type { CallSource, Services } from "./services.ts";

/** One run of a tool's function, on the session of this name; empty for a tool that uses none. */
export interface ToolRun {
  readonly source: CallSource;
  readonly caller: Caller;
  readonly sessionName: string;
  readonly inProgress: CallInProgress;
}

/** What a tool's function is given beside its input. */
export function toolContext(
  services: Services,
  tool: Tool,
  { source, caller, sessionName, inProgress }: ToolRun,
  more: Asking & Reporting & Running,
): ToolContext {
  const given = contextOf(services, source, inProgress, caller);
  const session = tool.session === "none" ? undefined : given.state.session(sessionName);
  return {
    get session() {
      if (!session) throw new TypeError(`The tool ${tool.name} is defined with session: "none" and asked for one.`);
      return session;
    },
    ...given,
    ...more,
  };
}

/** What a run came to, as the tool's schema has it. */
export async function finishedResult(
  tool: Tool,
  context: ToolContext,
  result: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  if (tool.session === "none") return checkedResult(tool, result);
  await context.session.touched();
  return checkedResult(tool, { session_id: context.session.id, ...result });
}

/** For calls that are no task: each part runs. */
export function plainSteps(): Running {
  const names = new Set<string>();
  return {
    task: undefined,
    step: async (name, run) => {
      checkStepName(names, name);
      return run();
    },
  };
}

const STEPS_MAX = 1_000;
const STEP_NAME_MAX_LENGTH = 100;

/** @throws TypeError for a name that cannot be, or that this run has used. */
export function checkStepName(names: Set<string>, name: string): void {
  if (typeof name !== "string" || name === "" || name.length > STEP_NAME_MAX_LENGTH || !name.isWellFormed())
    throw new TypeError(
      `A step's name must be 1 to ${STEP_NAME_MAX_LENGTH} characters; ${JSON.stringify(name)} is not.`,
    );
  if (names.has(name)) throw new TypeError(`Two steps of one run are named ${JSON.stringify(name)}.`);
  if (names.size === STEPS_MAX) throw new TypeError(`A run can have ${STEPS_MAX} steps.`);
  names.add(name);
}

/** On a server that is open to everybody the handle is the key, and a log is no place for keys. */
export const loggedHandle = (principal: Principal, id: string): string =>
  principal.kind === "anonymous" ? `hash:${createHash("sha256").update(id).digest("base64url").slice(0, 16)}` : id;

/** The same of a task, whose owner tells whether it has a caller besides its id. */
export const loggedTask = ({ owner, id }: TaskRef): string =>
  loggedHandle(owner === ownerOf(ANONYMOUS_PRINCIPAL, id) ? ANONYMOUS_PRINCIPAL : LOCAL_PRINCIPAL, id);

function checkedResult(tool: Tool, result: Record<string, unknown>): Record<string, unknown> {
  if (!tool.output) {
    if (!Array.isArray(result.content)) throw new TypeError(`${tool.name} has no output and returned no content.`);
    return toWellFormedJson({ content: result.content, ...(result.isError === true && { isError: true }) });
  }
  const parsed = tool.output.safeParse(result);
  if (parsed.success) return toWellFormedJson(parsed.data);
  throw new TypeError(`${tool.name} returned what its output schema forbids: ${issueText(parsed.error)}`);
}

/** What a client sent, as the tool's schema has it. @throws AppError `invalid_input`. */
export function parseInput(tool: Tool, given: unknown): Record<string, unknown> {
  // Not every transport has looked: deep nesting would exhaust the stack of the code that walks it.
  if (nestsDeeperThan(given, NESTING_MAX_LEVELS))
    throw new AppError("invalid_input", `${tool.name}: arguments nest deeper than ${NESTING_MAX_LEVELS} levels.`);
  const fault = findJsonFault(given);
  if (fault) {
    const [field = "arguments"] = fault.path;
    const message = `${tool.name}: ${cutText(fault.path.join(".") || "arguments", 200)}: ${fault.why}.`;
    throw new AppError("invalid_input", message, { details: { field: String(field) } });
  }
  const parsed = checkJson(tool.input, withoutNullOptions(tool, given ?? {}));
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
