// Streams of both eras by hand, opened on any instance and cut at any event: official clients hide where a stream was cut and what
// came twice.
import { EventSourceParserStream } from "eventsource-parser/stream";
import { messageOf } from "./client.ts";

const REVISION = "2025-11-25";
const MODERN = "2026-07-28";
const CLIENT_INFO = { name: "torture", version: "0.1.0" };

export interface WireMessage {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: { readonly data?: unknown; readonly uri?: string };
  readonly result?: { readonly structuredContent?: unknown };
  readonly error?: { readonly message: string };
}

export interface WireEvent {
  /** Empty when the event bears none. */
  readonly id: string;
  /** Undefined for an event that only says where to go on from. */
  readonly message: WireMessage | undefined;
}

/** A stream under way. Leaving its loop cuts the connection. */
export interface WireStream {
  readonly events: AsyncIterableIterator<WireEvent>;
  cut(): void;
}

/** A stream, or why there is none. */
export type Opened = WireStream | { readonly refused: { readonly status: number; readonly body: string } };

const ACCEPT = { accept: "application/json, text/event-stream", "content-type": "application/json" };

/** Reads a response's events; a connection that breaks ends them like one that is closed. */
export async function openStream(address: string, init: RequestInit): Promise<Opened> {
  const leaving = new AbortController();
  const response = await fetch(new URL("/mcp", address), { ...init, signal: leaving.signal });
  if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream"))
    return { refused: { status: response.status, body: await response.text() } };
  const parsed = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  async function* events(): AsyncGenerator<WireEvent> {
    try {
      for await (const { id = "", data } of parsed)
        yield { id, message: data === "" ? undefined : (JSON.parse(data) as WireMessage) };
    } catch (error) {
      if (!isBreak(error)) throw error;
    } finally {
      leaving.abort();
    }
  }
  return { events: events(), cut: () => leaving.abort() };
}

const isBreak = (error: unknown): boolean =>
  error instanceof Error && (error.name === "AbortError" || error.message === "terminated");

/** A request of revision 2026-07-28 that is answered with a stream. */
export function openModern(
  address: string,
  method: string,
  params: { readonly name?: string; readonly [key: string]: unknown },
): Promise<Opened> {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": CLIENT_INFO,
  };
  const named = params.name === undefined ? {} : { "mcp-name": params.name };
  const headers = { ...ACCEPT, "mcp-protocol-version": MODERN, "mcp-method": method, ...named };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta } });
  return openStream(address, { method: "POST", headers, body });
}

/** A 2025-era session, whose requests go wherever they are sent. */
export class LegacySession {
  readonly #headers: Record<string, string>;

  private constructor(id: string) {
    this.#headers = { ...ACCEPT, "mcp-protocol-version": REVISION, "mcp-session-id": id };
  }

  static async begin(address: string): Promise<LegacySession> {
    const params = { protocolVersion: REVISION, capabilities: {}, clientInfo: CLIENT_INFO };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
    const response = await fetch(new URL("/mcp", address), { method: "POST", headers: ACCEPT, body });
    await response.body?.cancel();
    const id = response.headers.get("mcp-session-id");
    if (id === null) throw new Error(`initialize was answered with ${response.status} and no session.`);
    return new LegacySession(id);
  }

  /** A request whose result does not matter. Throws when it has none. */
  async ask(address: string, method: string, params: object): Promise<void> {
    const response = await fetch(new URL("/mcp", address), this.#post(method, params));
    const text = await response.text();
    if (!messageOf(text).result) throw new Error(`${method} was answered with ${response.status} ${text}`);
  }

  /** A call that is answered with a stream. */
  call(address: string, name: string, input: object): Promise<Opened> {
    return openStream(address, this.#post("tools/call", { name, arguments: input }));
  }

  /** The session's own stream, or any stream from after an event of it. */
  listen(address: string, lastEventId?: string): Promise<Opened> {
    const headers = { ...this.#headers, ...(lastEventId !== undefined && { "last-event-id": lastEventId }) };
    return openStream(address, { headers });
  }

  #post(method: string, params: object): RequestInit {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    return { method: "POST", headers: this.#headers, body };
  }
}

/** The stream. Throws when it was refused. */
export function streamOf(opened: Opened, what: string): WireStream {
  if ("refused" in opened) throw new Error(`${what} was refused: ${opened.refused.status} ${opened.refused.body}`);
  return opened;
}
