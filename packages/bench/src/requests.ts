// The requests the load client sends, as a well-behaved client of each protocol era would. Knows nothing of connections.

export const modernVersion = "2026-07-28";
export const legacyVersion = "2025-11-25";

export type Era = "modern" | "legacy";

export interface WireRequest {
  readonly headers: Record<string, string>;
  readonly body: string;
}

const client = { name: "stateful-mcp-bench", version: "0.1.0" };
const plainHeaders = { "content-type": "application/json", accept: "application/json, text/event-stream" };

/** A `tools/call` that stands alone: version, client and capabilities travel with it. */
export function modernCall(id: number, tool: string, input: object): WireRequest {
  return {
    headers: { ...plainHeaders, "mcp-protocol-version": modernVersion, "mcp-method": "tools/call", "mcp-name": tool },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: {
        name: tool,
        arguments: input,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": modernVersion,
          "io.modelcontextprotocol/clientCapabilities": {},
          "io.modelcontextprotocol/clientInfo": client,
        },
      },
    }),
  };
}

/** The handshake that opens a 2025-era session; the server answers it with the session's id in a header. */
export function legacyInitialize(): WireRequest {
  return {
    headers: plainHeaders,
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: { protocolVersion: legacyVersion, capabilities: {}, clientInfo: client },
    }),
  };
}

/** What a 2025-era client says after the handshake. */
export function legacyInitialized(session: string): WireRequest {
  return {
    headers: legacyHeaders(session),
    body: JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }),
  };
}

export function legacyCall(id: number, session: string, tool: string, input: object): WireRequest {
  return {
    headers: legacyHeaders(session),
    body: JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name: tool, arguments: input } }),
  };
}

function legacyHeaders(session: string): Record<string, string> {
  return { ...plainHeaders, "mcp-protocol-version": legacyVersion, "mcp-session-id": session };
}

/** The JSON-RPC message of an answer, whether it came as JSON or as the last event of a stream. */
export function messageOf(body: string): unknown {
  if (body.startsWith("{")) return JSON.parse(body);
  const start = body.lastIndexOf("data: {");
  if (start < 0) throw new Error(`an answer without a JSON-RPC message: ${body.slice(0, 500)}`);
  const end = body.indexOf("\n", start);
  return JSON.parse(body.slice(start + "data: ".length, end < 0 ? undefined : end));
}
