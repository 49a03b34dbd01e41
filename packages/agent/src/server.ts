// The MCP server as the agent uses it: connect with a bearer token, list tools, call one so that a repeat does no harm.
// Knows the wire only; nothing of models.
import { Client, type Progress, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import manifest from "../package.json" with { type: "json" };
import type { Answer as FormAnswer, Question } from "./form.ts";
import type { JsonObject, ToolSpec } from "./model.ts";

/** How often one call is sent at most, where the connection broke and sending it again is safe. */
const ATTEMPTS = 3;

export interface Answer {
  readonly text: string;
  readonly failed: boolean;
  readonly structured: JsonObject;
}

export interface ConnectOptions {
  readonly token: string | undefined;
  /** Puts a question of the server, asked in the middle of a call, to the person. */
  readonly ask: (question: Question) => Promise<FormAnswer>;
  /** Default: the runtime's own. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface CallOptions {
  /** The call's identity: every attempt with the same key has one effect together. */
  readonly key: string;
  /** Where the tool's state belongs, for tools that take a session and were given none. */
  readonly sessionId?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

interface KnownTool extends ToolSpec {
  readonly takes: ReadonlySet<string>;
  readonly harmlessToRepeat: boolean;
}

export class Server {
  readonly #client: Client;
  readonly #tools: ReadonlyMap<string, KnownTool>;

  private constructor(client: Client, tools: readonly KnownTool[]) {
    this.#client = client;
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
  }

  static async connect(url: URL, { token, ask, fetch }: ConnectOptions): Promise<Server> {
    const client = new Client(
      { name: "stateful-mcp-agent", version: manifest.version },
      { versionNegotiation: { mode: "auto" }, capabilities: { elicitation: { form: {} } } },
    );
    // Other kinds of questions are never asked: only forms have been announced.
    client.setRequestHandler("elicitation/create", async ({ params }) =>
      "requestedSchema" in params ? ask(params) : { action: "decline" },
    );
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers }, ...(fetch && { fetch }) }));
    const { tools } = await client.listTools();
    return new Server(
      client,
      tools.map(({ name, description, inputSchema, annotations }) => {
        const { idempotency_key, ...properties } = inputSchema.properties ?? {};
        return {
          name,
          description: description ?? name,
          // The key is the agent's business: a model would forget it, or use one twice.
          inputSchema: { ...inputSchema, properties },
          takes: new Set(Object.keys(inputSchema.properties ?? {})),
          harmlessToRepeat: idempotency_key !== undefined || annotations?.readOnlyHint === true,
        };
      }),
    );
  }

  get tools(): readonly ToolSpec[] {
    return [...this.#tools.values()].map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
  }

  /**
   * Calls a tool. What the tool refuses is an answer with `failed`, and so is a name that does not exist. When the
   * connection breaks, a call that is safe to repeat is sent again under the same key; throws when that did not help.
   */
  async call(name: string, input: JsonObject, { key, sessionId, signal, onProgress }: CallOptions): Promise<Answer> {
    const tool = this.#tools.get(name);
    if (tool === undefined) {
      return {
        text: `There is no tool ${name}; there are ${[...this.#tools.keys()].join(", ")}.`,
        failed: true,
        structured: {},
      };
    }
    const completed = {
      ...(sessionId !== undefined && tool.takes.has("session_id") && { session_id: sessionId }),
      ...input,
      ...(tool.takes.has("idempotency_key") && { idempotency_key: key }),
    };
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await this.#client.callTool(
          { name, arguments: completed },
          { ...(signal && { signal }), ...(onProgress && { onprogress: onProgress, resetTimeoutOnProgress: true }) },
        );
        const structured = (result.structuredContent ?? {}) as JsonObject;
        return {
          text: textOf(result.content) || JSON.stringify(structured),
          failed: result.isError === true,
          structured,
        };
      } catch (error) {
        if (signal?.aborted || !tool.harmlessToRepeat || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async close(): Promise<void> {
    await this.#client.close().catch(() => {});
  }
}

const textOf = (content: readonly { type: string; text?: unknown }[]): string =>
  content.map((part) => (part.type === "text" ? String(part.text) : `(${part.type})`)).join("\n");
