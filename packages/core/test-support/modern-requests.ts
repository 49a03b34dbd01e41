// Requests of revision 2026-07-28 written by hand, for tests that must see the wire: envelope, headers, frames.
import type { App } from "../src/app.ts";

export interface ModernOptions {
  token?: string;
  /** What the client says that it can do. */
  capabilities?: Record<string, unknown>;
  /** More of `_meta`. */
  meta?: Record<string, unknown>;
  signal?: AbortSignal;
  /** Of the JSON-RPC request. Default: one that no other request has. */
  id?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: what came over the wire is looked at by assertions
export type Wire = any;

const REVISION = "2026-07-28";
const ENVELOPE = "io.modelcontextprotocol/";
let nextId = 0;

/** Sends one request and resolves to the response as it came. */
export function modernFetch(
  app: App,
  method: string,
  params: Record<string, unknown> = {},
  options: ModernOptions = {},
): Promise<Response> {
  const { token, capabilities = {}, meta, signal, id = ++nextId } = options;
  const envelope = {
    [`${ENVELOPE}protocolVersion`]: REVISION,
    [`${ENVELOPE}clientInfo`]: { name: "wire", version: "1.0.0" },
    [`${ENVELOPE}clientCapabilities`]: capabilities,
    ...meta,
  };
  const named = params.name ?? params.uri ?? params.taskId;
  const headers = {
    host: "localhost",
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": REVISION,
    "mcp-method": method,
    ...(typeof named === "string" && { "mcp-name": named }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta: envelope } });
  return app.fetch(new Request("http://localhost/mcp", { method: "POST", headers, body, ...(signal && { signal }) }));
}

/** Sends one request and resolves to its messages: notifications first, the answer last. */
export async function modernMessages(...given: Parameters<typeof modernFetch>): Promise<Wire[]> {
  const response = await modernFetch(...given);
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return [await response.json()];
  const messages: Wire[] = [];
  for await (const message of framesOf(response)) messages.push(message);
  return messages;
}

/** Sends one request and resolves to its answer. */
export async function modern(...given: Parameters<typeof modernFetch>): Promise<Wire> {
  return (await modernMessages(...given)).at(-1);
}

/** The messages of an event stream as they arrive. Leaving the loop ends the stream. */
export async function* framesOf(response: Response): AsyncGenerator<Wire, void, undefined> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data: ")) yield JSON.parse(line.slice("data: ".length));
  }
}
