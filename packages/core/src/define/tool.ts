// What a tool is. Data first, one function; the same definition serves every transport. Names go on the wire as written.
import type { ContentBlock, InputRequiredResult } from "@modelcontextprotocol/server";
import * as z from "zod";
import { READ_SCOPE, WRITE_SCOPE } from "../principal.ts";
import { CONFIRM_ARGUMENT } from "./confirm.ts";
import type { ToolContext } from "./context.ts";
import { faultOfTask, type TaskDefinition, type TaskSupport, taskSupport } from "./task.ts";

/** What a tool without `output` may resolve to in place of a text: blocks a model reads, such as text, images, audio or embedded resources. */
export interface ToolContent {
  content: ContentBlock[];
  /** The blocks say what went wrong. */
  isError?: boolean;
}

type NoInput = z.ZodObject<Record<never, never>>;
type ToolOutput<O extends z.ZodObject | undefined> = O extends z.ZodObject ? z.input<O> : string | ToolContent;
type Awaitable<T> = T | Promise<T>;

/** The four hints of the protocol, all of them always sent. */
export interface ToolAnnotations {
  /** Changes nothing. Default false. */
  readOnlyHint?: boolean;
  /** May destroy something. Default false. */
  destructiveHint?: boolean;
  /** Calling it again with the same arguments changes nothing more. Default: as `readOnlyHint`. */
  idempotentHint?: boolean;
  /** Reaches beyond this server's own state. Default false. */
  openWorldHint?: boolean;
}

/** How results are kept, for tools whose answer depends on their arguments alone. */
export interface ToolCache {
  /** How long a result is fresh, in seconds. Default: the server's (900). */
  ttlSeconds?: number;
  /** Seconds after that in which the old result is still served while one caller computes a new one. Default: a tenth of `ttlSeconds`. */
  staleSeconds?: number;
  /** One result for everybody instead of one per principal. Only for answers that do not depend on who asks. Default false. */
  shared?: boolean;
  /** Change it when the tool's answers change, so that a new deployment does not serve results of the old one. */
  version?: string;
}

/** A tool as its author writes it; `defineTool` checks it. */
export interface ToolDefinition<
  I extends z.ZodObject = z.ZodObject,
  O extends z.ZodObject | undefined = z.ZodObject | undefined,
> {
  /** 1 to 64 letters, digits, `_`, `-`, `.`: exactly what clients see. */
  name: string;
  /** What a person sees; default: the name. */
  title?: string;
  /** What the model reads to decide whether to call it. */
  description: string;
  /** A flat object schema. `session_id` is added by the server for tools that use a session. Default: no arguments. */
  input?: I;
  /** What `run` resolves to. `session_id` is added by the server. A tool without it resolves to a text, or to `{ content: […] }`. */
  output?: O;
  /** Hints for hosts; what is left out claims nothing. */
  annotations?: ToolAnnotations;
  /** What a caller's token must allow. Default: `read` for a tool with `readOnlyHint`, else `write`. */
  scope?: string;
  /**
   * The tool does what cannot be undone: over MCP its person is asked first, once per call; where the client cannot ask, the model
   * must pass `confirm: true`, which the server adds to the input. REST calls come from programs and are not asked. Default false.
   */
  confirm?: boolean;
  /**
   * What a person who confirms is shown before the arguments, by name: what the call will change, such as `{ table: "orders" }`. The
   * session is shown without it. Runs before the question, so it must change nothing.
   */
  affects?(input: z.output<I>, context: ToolContext): Awaitable<Record<string, unknown>>;
  /** Calls of this tool per minute and principal, over the whole fleet. Default: only the server's limit for all tools. */
  callsPerMinute?: number;
  /** Whether the tool works on a session: `optional` (default) takes one when given, `required` insists, `none` has nothing to do with any. */
  session?: "optional" | "required" | "none";
  /** Keeps results and answers equal calls from them; `cached` is added to the output. Only for tools with `session: "none"`. */
  cache?: ToolCache;
  /**
   * The tool has effects outside this server's state. A call with an idempotency key is then claimed before it runs, so that
   * a re-send does not run beside it; after a crash it may still run again (at least once). Default false.
   */
  idempotent?: boolean;
  /**
   * Whether the call may go on by itself, as a task, when its client can fetch the answer later. `allowed`: clients that cannot are
   * answered when it is done, or told how to ask for it. `required`: only clients that can get it; others are told the task's id at
   * once. A task's run is made again, in any process, when the one that ran it has gone: what it does outside of this server's state
   * may then happen twice, unless it stands in a `step`. Default: an ordinary call.
   */
  task?: "allowed" | "required" | TaskDefinition<I>;
  /**
   * Resolves to the output, or to `inputRequired({…})` when the tool must ask first: it is then run again from the start, with
   * what the client answered in `context.answers`.
   */
  run(input: z.output<I>, context: ToolContext): Awaitable<ToolOutput<O> | InputRequiredResult>;
}

/** A checked definition with its schemas as they go on the wire. */
export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly annotations: Required<ToolAnnotations>;
  readonly scope: string;
  readonly confirm: boolean;
  affects(input: Record<string, unknown>, context: ToolContext): Promise<Record<string, unknown>>;
  readonly callsPerMinute: number | undefined;
  readonly session: "optional" | "required" | "none";
  readonly cache: ToolCache | undefined;
  readonly idempotent: boolean;
  readonly task: TaskSupport | undefined;
  /** The URI of the page that hosts which show MCP Apps open with its result; undefined: there is none. */
  readonly view: string | undefined;
  /** Accepts what a client sends, `session_id` included; unknown arguments are refused. */
  readonly input: z.ZodObject;
  /** Undefined for a tool that answers with content blocks. */
  readonly output: z.ZodObject | undefined;
  readonly inputSchema: Record<string, unknown>;
  readonly outputSchema: Record<string, unknown> | undefined;
  run(input: Record<string, unknown>, context: ToolContext): Promise<Record<string, unknown>>;
}

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const SCOPE = /^[A-Za-z0-9_.:-]{1,64}$/;
const RESERVED_ARGUMENTS = ["session_id", "idempotency_key"] as const;

const SESSION_ARGUMENT = z
  .string()
  .describe("The session to use: a handle from create_session, or a name of your own such as 'team-plan'.");
const IDEMPOTENCY_ARGUMENT = z
  .string()
  .optional()
  .describe("A key of your choice for this one call. Sent again with the same key, the call has no second effect.");
const CACHED_RESULT = z.boolean().describe("Whether an earlier call had computed this result.");
const SESSION_RESULT = z.string().describe("The session that was used. Pass it to later calls.");

/**
 * Checks a definition and prepares its schemas.
 * @throws TypeError with one sentence when the definition cannot work, so that it fails at start and not at the first call.
 */
export function defineTool<I extends z.ZodObject = NoInput, O extends z.ZodObject | undefined = undefined>(
  definition: ToolDefinition<I, O>,
): Tool {
  const tool = builtinTool(definition);
  // What cannot be written as JSON Schema is told here.
  void [tool.inputSchema, tool.outputSchema];
  return tool;
}

/**
 * The same for the tools of this package: how they go on the wire is worked out when a client first asks for it. A host waits for the
 * start, and a test reads all of them. `view` is the URI of a page that the package has for it.
 */
export function builtinTool<I extends z.ZodObject = NoInput, O extends z.ZodObject | undefined = undefined>(
  definition: ToolDefinition<I, O> & { view?: string },
): Tool {
  const { name, description, annotations = {}, session = "optional" } = definition;
  const wrong = (why: string) => new TypeError(`The tool ${JSON.stringify(name)} cannot be defined: ${why}`);
  const fault = faultOf(definition as unknown as ToolDefinition);
  if (fault !== undefined) throw wrong(fault);
  const sessionShape =
    session === "none" ? {} : { session_id: session === "required" ? SESSION_ARGUMENT : SESSION_ARGUMENT.optional() };
  const readOnlyHint = annotations.readOnlyHint ?? false;
  const keyShape = readOnlyHint ? {} : { idempotency_key: IDEMPOTENCY_ARGUMENT };
  const input = z.strictObject({ ...definition.input?.shape, ...sessionShape, ...keyShape });
  const output =
    definition.output &&
    z.object({
      ...(session !== "none" && { session_id: SESSION_RESULT }),
      ...definition.output.shape,
      ...(definition.cache && { cached: CACHED_RESULT }),
    });
  const schemaOf = (schema: z.ZodObject, io: "input" | "output") => {
    try {
      return wireSchema(schema, io);
    } catch (error) {
      const why = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
      throw wrong(`its ${io} cannot be written as JSON Schema, ${JSON.stringify(why)}.`);
    }
  };
  let inputSchema: Record<string, unknown> | undefined;
  let outputSchema: Record<string, unknown> | undefined;
  const inputOnWire = () => {
    const json = schemaOf(input, "input");
    for (const keyword of ["$ref", "anyOf", "oneOf", "allOf"])
      if (keyword in json) throw wrong(`its input has ${keyword} at the top, which several hosts reject.`);
    return json;
  };
  const tool: Tool = {
    name,
    title: definition.title ?? name,
    description,
    annotations: {
      readOnlyHint,
      destructiveHint: annotations.destructiveHint ?? false,
      idempotentHint: annotations.idempotentHint ?? readOnlyHint,
      openWorldHint: annotations.openWorldHint ?? false,
    },
    scope: definition.scope ?? (readOnlyHint ? READ_SCOPE : WRITE_SCOPE),
    confirm: false,
    affects: async (args, context) => (await definition.affects?.(args as z.output<I>, context)) ?? {},
    callsPerMinute: definition.callsPerMinute,
    session,
    cache: definition.cache,
    idempotent: definition.idempotent ?? false,
    task: definition.task && taskSupport(definition.task as TaskDefinition | "allowed" | "required"),
    view: definition.view,
    input,
    output,
    get inputSchema() {
      inputSchema ??= inputOnWire();
      return inputSchema;
    },
    get outputSchema() {
      outputSchema ??= output && schemaOf(output, "output");
      return outputSchema;
    },
    // The pipeline parses with `input` before and `output` after, so the types hold where the casts stand.
    run: async (args, context) => {
      const result: unknown = await definition.run(args as z.output<I>, context);
      const said = typeof result === "string" && !output;
      return (said ? { content: [{ type: "text", text: result }] } : result) as Record<string, unknown>;
    },
  };
  return definition.confirm ? withConfirmation(tool) : tool;
}

/** The first thing that is wrong with a definition, in words that complete a sentence. */
function faultOf(definition: ToolDefinition): string | undefined {
  const { name, description, scope, input, output, session = "optional", cache, callsPerMinute } = definition;
  if (!NAME.test(name)) return "its name must be 1 to 64 letters, digits, '_', '-' or '.'.";
  if (description.trim() === "") return "it needs a description, which is what a model decides by.";
  if (scope !== undefined && !SCOPE.test(scope))
    return "its scope must be 1 to 64 letters, digits, '_', '-', '.' or ':'.";
  if (input !== undefined && !(input instanceof z.ZodObject)) return "its input must be a z.object({…}) or absent.";
  if (output !== undefined && !(output instanceof z.ZodObject)) return "its output must be a z.object({…}) or absent.";
  for (const reserved of RESERVED_ARGUMENTS)
    if (input && reserved in input.shape) return `its input must not define ${reserved}, which the server adds.`;
  const added = [...(session === "none" ? [] : ["session_id"]), ...(cache ? ["cached"] : [])];
  for (const reserved of added)
    if (output && reserved in output.shape) return `its output must not define ${reserved}, which the server adds.`;
  if (callsPerMinute !== undefined && !(Number.isInteger(callsPerMinute) && callsPerMinute >= 1))
    return `its callsPerMinute must be a whole number from 1, and is ${callsPerMinute}.`;
  const taskFault = definition.task && faultOfTask(definition.task, cache !== undefined);
  if (taskFault) return taskFault;
  if (!cache) return undefined;
  if (session !== "none") return 'it is cached, so it must be defined with session: "none".';
  if (!output) return "it is cached, so it needs an output.";
  const { ttlSeconds = 1, staleSeconds = 0 } = cache;
  if (!(Number.isFinite(ttlSeconds) && ttlSeconds > 0))
    return `its cache.ttlSeconds must be over 0, and is ${ttlSeconds}.`;
  if (!(Number.isFinite(staleSeconds) && staleSeconds >= 0))
    return `its cache.staleSeconds must be 0 or more, and is ${staleSeconds}.`;
  return undefined;
}

/** The same tool, confirmed by its person before it runs. @throws TypeError when it has an argument named `confirm` already. */
export function withConfirmation(tool: Tool): Tool {
  if (tool.confirm) return tool;
  if ("confirm" in tool.input.shape)
    throw new TypeError(`The tool ${tool.name} has an argument confirm of its own, so it cannot be confirmed.`);
  const input = z.strictObject({ ...tool.input.shape, confirm: CONFIRM_ARGUMENT });
  return { ...tool, confirm: true, input, inputSchema: wireSchema(input, "input") };
}

function wireSchema(schema: z.ZodObject, io: "input" | "output"): Record<string, unknown> {
  // Inlined rather than $ref'd: hosts that reject references are many.
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, reused: "inline" });
  return json;
}
