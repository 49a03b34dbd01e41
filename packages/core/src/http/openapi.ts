// The plain JSON routes of all tools as an OpenAPI 3.1 document, made from the same definitions that validate the calls.

import type { Tool } from "../define/tool.ts";
import { ERROR_CODES } from "../errors.ts";

type Schema = Record<string, unknown>;

/** What our documents hold of OpenAPI. */
export interface OpenApi {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, { readonly post: Operation }>>;
  readonly components: Schema;
  readonly security?: readonly Schema[];
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly Schema[];
  readonly requestBody: { readonly required: true; readonly content: JsonContent };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content: JsonContent } | { readonly $ref: string }>
  >;
}

interface JsonContent {
  readonly "application/json": { readonly schema: Schema };
}

const json = (schema: Schema): JsonContent => ({ "application/json": { schema } });

const ERROR_SCHEMA: Schema = {
  type: "object",
  properties: {
    success: { const: false },
    error: { type: "string", description: "What happened, what was given, what to do." },
    code: { enum: Object.keys(ERROR_CODES) },
  },
  required: ["success", "error", "code"],
};

/** A call that goes on as a task. */
const TASK_SCHEMA: Schema = {
  type: "object",
  properties: {
    success: { const: true },
    task_id: { type: "string", description: "For get_task." },
    status: { enum: ["working", "input_required"] },
    message: { type: "string" },
  },
  required: ["success", "task_id", "status", "message"],
};

export function openApi(
  tools: Iterable<Tool>,
  options: { readonly service: string; readonly version: string; readonly asksForToken: boolean },
): OpenApi {
  const paths = Object.fromEntries([...tools].map((tool) => [`/tools/${tool.name}`, { post: operation(tool) }]));
  return {
    openapi: "3.1.0",
    info: {
      title: options.service,
      version: options.version,
      description: "Every tool of this server as plain JSON over HTTP: the same calls, limits and answers as over MCP.",
    },
    paths,
    components: {
      responses: {
        Error: { description: "The call failed; the status and the code say why.", content: json(ERROR_SCHEMA) },
      },
      parameters: {
        IdempotencyKey: {
          name: "Idempotency-Key",
          in: "header",
          required: false,
          description:
            "A key of your choice for this one call. Sent again with the same key, the call has no second effect.",
          schema: { type: "string" },
        },
      },
      ...(options.asksForToken && { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } }),
    },
    ...(options.asksForToken && { security: [{ bearer: [] }] }),
  };
}

function operation(tool: Tool): Operation {
  return {
    operationId: tool.name,
    summary: tool.title,
    description: tool.description,
    ...(!tool.annotations.readOnlyHint && { parameters: [{ $ref: "#/components/parameters/IdempotencyKey" }] }),
    requestBody: { required: true, content: json(withoutConfirm(tool)) },
    responses: {
      "200": { description: "Done.", content: json(successSchema(tool)) },
      ...(tool.task && { "202": { description: "It goes on; ask get_task.", content: json(TASK_SCHEMA) } }),
      default: { $ref: "#/components/responses/Error" },
    },
  };
}

/** Over this way a program calls, which has no person to ask: the argument means nothing here. */
function withoutConfirm({ confirm, inputSchema }: Tool): Schema {
  if (!confirm) return inputSchema;
  const { confirm: _, ...properties } = inputSchema.properties as Schema;
  return { ...inputSchema, properties };
}

function successSchema({ outputSchema }: Tool): Schema {
  const output = outputSchema ?? {
    type: "object",
    properties: { content: { type: "array", items: { type: "object" } } },
    required: ["content"],
  };
  const { properties, required = [] } = output as { properties?: Schema; required?: string[] };
  return {
    ...output,
    properties: { success: { const: true }, ...properties },
    required: ["success", ...required],
  };
}
