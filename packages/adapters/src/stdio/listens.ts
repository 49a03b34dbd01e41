// subscriptions/listen over stdio. The app is asked for the stream as over HTTP, and what the stream says goes to stdout. Knows
// how messages are carried, not what changes.
import type { App } from "@stateful-mcp/core/runtime";
import type { Line } from "./lines.ts";
import type { Message } from "./official.ts";

type ListenRequest = Extract<Message, { id: unknown; method: string }>;

export type ListeningApp = Pick<App, "fetch" | "drain" | "options">;

const VERSION_KEY = "io.modelcontextprotocol/protocolVersion";
const INTERNAL_ERROR = -32_603;

export class StdioListens {
  readonly #app: ListeningApp;
  readonly #send: (message: Message) => Promise<void>;
  readonly #open = new Map<unknown, { readonly leaving: AbortController; readonly ended: Promise<void> }>();

  constructor(app: ListeningApp, send: (message: Message) => Promise<void>) {
    this.#app = app;
    this.#send = send;
  }

  /** Whether a line may be for `take`, once it is known to be a message. */
  concerns({ method, id, params }: Line): boolean {
    if (this.#app.options.subscriptions === false) return false;
    const { requestId, _meta } = (params ?? {}) as { requestId?: unknown; _meta?: Record<string, unknown> };
    if (method === "notifications/cancelled") return this.#open.has(requestId);
    return method === "subscriptions/listen" && id !== undefined && typeof _meta?.[VERSION_KEY] === "string";
  }

  /** Takes a listen request, and the cancellation of one that is open; false for any other message. */
  take(message: Message): boolean {
    if (!("method" in message) || this.#app.options.subscriptions === false) return false;
    if (message.method === "notifications/cancelled") {
      const open = this.#open.get(message.params?.requestId);
      open?.leaving.abort();
      return open !== undefined;
    }
    const version = (message.params?._meta as Record<string, unknown> | undefined)?.[VERSION_KEY];
    // A listen request without a protocol version is invalid; the SDK's transport answers it.
    if (!("id" in message) || message.method !== "subscriptions/listen" || typeof version !== "string") return false;
    const { id } = message;
    const leaving = new AbortController();
    const ended = this.#listen(message, version, leaving.signal)
      .catch((error: Error) => {
        if (leaving.signal.aborted) return;
        return this.#send({ jsonrpc: "2.0", id, error: { code: INTERNAL_ERROR, message: error.message } });
      })
      .catch(() => {}) // The client has closed its end.
      .finally(() => this.#open.delete(id));
    this.#open.set(id, { leaving, ended });
    return true;
  }

  /** Ends every stream, each with its answer. */
  async end(): Promise<void> {
    if (this.#open.size === 0) return;
    this.#app.drain();
    await Promise.all([...this.#open.values()].map(({ ended }) => ended));
  }

  async #listen(message: ListenRequest, version: string, signal: AbortSignal): Promise<void> {
    const headers = {
      host: "localhost",
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": version,
      "mcp-method": message.method,
    };
    const init = { method: "POST", headers, body: JSON.stringify(message), signal };
    const response = await this.#app.fetch(new Request("http://localhost/mcp", init), { transport: "stdio" });
    if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream"))
      return this.#send({ ...((await response.json()) as Message), id: message.id });
    const { EventSourceParserStream } = await import("eventsource-parser/stream");
    const text = response.body.pipeThrough(new TextDecoderStream(), { signal });
    for await (const { data } of text.pipeThrough(new EventSourceParserStream()))
      if (data !== "") await this.#send(JSON.parse(data) as Message);
  }
}
