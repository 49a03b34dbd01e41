// Tools from an OpenAPI 3 document. A tool is named after its operation, takes its parameters by their names and its JSON body as `body`, and
// answers with the text that the API answered. Knows no settings.
import { readFile } from "node:fs/promises";
import { $RefParser } from "@apidevtools/json-schema-ref-parser";
import { AppError, defineTool, type Tool } from "@stateful-mcp/core";
import * as z from "zod";

interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header" | "cookie";
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: object;
}

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly content?: Readonly<Record<string, { schema?: object }>>;
  };
}

interface Document {
  readonly openapi?: string;
  readonly servers?: readonly { readonly url: string }[];
  readonly paths?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface ApiOptions {
  /** Sent with each request. */
  readonly authorization?: string | undefined;
  /** Where the API is. Default: the document's first server. */
  readonly server?: string | undefined;
}

const METHODS = ["get", "put", "post", "patch", "delete"] as const;
const TIMEOUT_MS = 30_000;
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;
/** What the document says of them is not heeded (OpenAPI 3.1, "Parameter Object"): a caller must not send another's key. */
const OWN_HEADERS = new Set(["accept", "authorization", "content-type"]);
/** A model reads no more. */
const ANSWER_MAX_CHARACTERS = 50_000;

/** The tools of a document in JSON, given by its address or its file. @throws Error when it cannot be read or names no server. */
export async function toolsOf(source: string, { authorization, server }: ApiOptions = {}): Promise<Tool[]> {
  // References to other documents are not followed: what they name would be read with this server's rights.
  const document = (await $RefParser.dereference(await read(source), { resolve: { external: false } })) as Document;
  const base = URL.parse(server ?? document.servers?.[0]?.url ?? "", URL.canParse(source) ? source : undefined);
  if (!document.openapi?.startsWith("3.") || !base)
    throw new Error(`${source} is no OpenAPI 3 document with the address of a server; OPENAPI_SERVER can name one.`);
  const dialect = document.openapi.startsWith("3.0.") ? "openapi-3.0" : "draft-2020-12";
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    METHODS.filter((method) => method in item).map((method) => {
      const operation = item[method] as Operation;
      const shared = (item.parameters ?? []) as readonly Parameter[];
      return toolOf({ base, path, method, authorization, shared, dialect }, operation);
    }),
  );
}

async function read(source: string): Promise<object> {
  if (!URL.canParse(source)) return JSON.parse(await readFile(source, "utf8"));
  const response = await fetch(source, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${source} answered with status ${response.status}.`);
  return (await response.json()) as object;
}

interface Place {
  readonly base: URL;
  readonly path: string;
  readonly method: (typeof METHODS)[number];
  readonly authorization: string | undefined;
  /** Parameters of all operations of the path. */
  readonly shared: readonly Parameter[];
  /** That of its schemas. */
  readonly dialect: "openapi-3.0" | "draft-2020-12";
}

/** A schema that leads back to itself, such as that of a tree, leaves the check to the API: any JSON is taken. */
function withoutCircle(schema: object | undefined): object | undefined {
  try {
    JSON.stringify(schema);
    return schema;
  } catch {
    return {};
  }
}

function toolOf({ base, path, method, authorization, shared, dialect }: Place, operation: Operation): Tool {
  const own = operation.parameters ?? [];
  const inherited = shared.filter((one) => !own.some(({ name, in: place }) => name === one.name && place === one.in));
  const parameters = [...own, ...inherited].filter(
    (one) => one.in !== "cookie" && !(one.in === "header" && OWN_HEADERS.has(one.name.toLowerCase())),
  );
  const { required = false, content } = operation.requestBody ?? {};
  const body = withoutCircle(content?.["application/json"]?.schema);
  const schema = {
    type: "object",
    properties: {
      ...Object.fromEntries(
        parameters.map(({ name, description, schema = {} }) => [
          name,
          { ...withoutCircle(schema), ...(description && { description }) },
        ]),
      ),
      ...(body && { body }),
    },
    required: [
      ...parameters.filter((one) => one.required || one.in === "path").map(({ name }) => name),
      ...(body && required ? ["body"] : []),
    ],
    additionalProperties: false,
  };
  return defineTool({
    name: (operation.operationId ?? `${method}${path}`).replace(/[^A-Za-z0-9_.-]+/g, "_").slice(0, 64),
    description: [operation.summary, operation.description].filter(Boolean).join("\n\n") || `${method} ${path}`,
    annotations: { readOnlyHint: method === "get", destructiveHint: method === "delete", openWorldHint: true },
    session: "none",
    input: z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0], {
      defaultTarget: dialect,
    }) as z.ZodObject,
    run: async (input: Record<string, unknown>, { signal }) => {
      const headers = new Headers({
        Accept: "application/json, text/*",
        ...(authorization && { Authorization: authorization }),
        ...(input.body !== undefined && { "Content-Type": "application/json" }),
      });
      for (const [name, value] of valuesOf("header", parameters, input)) {
        if (!HEADER_VALUE.test(value))
          throw new AppError("invalid_input", `${name} goes into a header, which holds one line of ASCII text.`);
        headers.append(name, value);
      }
      const address = addressOf(base, path, parameters, input);
      const ask = async () => {
        const response = await fetch(address, {
          method: method.toUpperCase(),
          headers,
          ...(input.body !== undefined && { body: JSON.stringify(input.body) }),
          signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
          // An API that leads where a caller says would have this server ask in its own network.
          redirect: "manual",
        });
        return { response, text: await textOf(response) };
      };
      const { response, text } = await ask().catch((error: unknown) => {
        throw new AppError("unavailable", `${base.origin} did not answer. Try again later.`, { cause: error });
      });
      if (response.ok) return text || `Done (status ${response.status}).`;
      const code = response.status >= 500 || response.status === 429 ? "unavailable" : "invalid_input";
      throw new AppError(code, `${base.origin} answered with status ${response.status}: ${text.slice(0, 1_000)}`);
    },
  });
}

/** What is answered, as far as a model reads it: the rest is not taken into memory. */
async function textOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length >= ANSWER_MAX_CHARACTERS) break;
  }
  return text.slice(0, ANSWER_MAX_CHARACTERS);
}

/** The address that a call means. @throws AppError `invalid_input` for a part of the path that would lead to another one. */
function addressOf(base: URL, path: string, parameters: readonly Parameter[], input: Record<string, unknown>): URL {
  const filled = path.replace(/\{([^}]+)\}/g, (_, name: string) => {
    const part = encodeURIComponent(String(input[name]));
    if (/^\.{0,2}$/.test(part)) throw new AppError("invalid_input", `${name} must not be empty, "." or "..".`);
    return part;
  });
  const address = new URL(base.href.replace(/\/$/, "") + filled);
  for (const [name, value] of valuesOf("query", parameters, input)) address.searchParams.append(name, value);
  return address;
}

/** What a call gives for the parameters of one place; a list is several of one name. */
const valuesOf = (place: Parameter["in"], parameters: readonly Parameter[], input: Record<string, unknown>) =>
  parameters
    .filter((one) => one.in === place && input[one.name] !== undefined)
    .flatMap(({ name }) => [input[name]].flat().map((value): [string, string] => [name, String(value)]));
