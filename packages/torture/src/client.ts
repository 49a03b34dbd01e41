// A lean client of the servers under test: one HTTP request per tool call, spread over the members without affinity. Knows the
// wire of both protocol eras and of the REST route, nothing of what tools mean; it never re-sends by itself unless told to.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export type Reply =
  | { readonly outcome: "ok"; readonly result: Record<string, unknown>; readonly replayed: boolean }
  | { readonly outcome: "error"; readonly code: string; readonly message: string; readonly retryable: boolean }
  /** No answer: whether the call took effect is not known. */
  | { readonly outcome: "unknown"; readonly reason: string };

export type FinalReply = Exclude<Reply, { outcome: "unknown" }>;

/** Sending the call again would not change this answer. */
export const isFinal = (reply: Reply): reply is FinalReply =>
  reply.outcome === "ok" || (reply.outcome === "error" && !reply.retryable);

export interface CallOptions {
  readonly key?: string;
  readonly token?: string;
  /** Where to send it, such as `http://127.0.0.1:40001`. Default: the next member. */
  readonly address?: string;
  /** `legacy` needs the id that `initialize` gave. Default: `modern`. */
  readonly wire?: "modern" | "rest" | { readonly legacy: string };
  /** The JSON-RPC id. */
  readonly id?: number | string;
  readonly signal?: AbortSignal;
}

export interface RawReply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

const GIVE_UP_MILLISECONDS = 15_000;
const SETTLE_MILLISECONDS = 90_000;
const RESEND_MILLISECONDS = 100;
const MODERN = "2026-07-28";
const LEGACY = "2025-11-25";
const CLIENT_INFO = { name: "torture", version: "0.1.0" };
const ERROR_KEY = "io.github.stateful-mcp/error";
const IDEMPOTENCY_KEY = "io.github.stateful-mcp/idempotency-key";
const REPLAYED_KEY = "io.github.stateful-mcp/replayed";

export class Client implements Disposable {
  /** Calls that are over, and those of them that were answered with something other than "later". */
  sent = 0;
  answered = 0;
  readonly #addresses: () => readonly string[];
  readonly #agent = new http.Agent({ keepAlive: true });
  #turn = 0;

  /** `addresses` is asked for each call: who is live right now. */
  constructor(addresses: () => readonly string[]) {
    this.#addresses = addresses;
  }

  get successRatio(): number {
    return this.sent === 0 ? 1 : this.answered / this.sent;
  }

  /** The next member's address. Throws when none is live. */
  next(): string {
    const live = this.#addresses();
    const address = live[this.#turn++ % live.length];
    if (address === undefined) throw new Error("No server process is running.");
    return address;
  }

  async call(tool: string, input: object, options: CallOptions = {}): Promise<Reply> {
    let reply: Reply;
    try {
      reply = read(await this.raw(tool, input, options));
    } catch (error) {
      reply = { outcome: "unknown", reason: error instanceof Error ? error.message : String(error) };
    }
    this.sent++;
    if (isFinal(reply)) this.answered++;
    return reply;
  }

  /** The result of a call that has to succeed. Throws otherwise. */
  async must(tool: string, input: object, options: CallOptions = {}): Promise<Record<string, unknown>> {
    const reply = await this.call(tool, input, options);
    if (reply.outcome === "ok") return reply.result;
    throw new Error(`${tool} ${JSON.stringify(input).slice(0, 200)}: ${JSON.stringify(reply)}`);
  }

  /** Sends a keyed call to one member after the other until it is answered for good. Throws when that takes over 90 s. */
  async settle(tool: string, input: object, options: CallOptions & { key: string }): Promise<FinalReply> {
    const deadline = performance.now() + SETTLE_MILLISECONDS;
    for (;;) {
      const reply = await this.call(tool, input, options);
      if (isFinal(reply)) return reply;
      if (performance.now() > deadline) throw new Error(`${tool} stays without an answer: ${JSON.stringify(reply)}`);
      await sleep(RESEND_MILLISECONDS);
    }
  }

  /** Begins a 2025-era session. Resolves to its id. */
  async initialize(token: string): Promise<string> {
    const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT_INFO };
    const { headers } = await this.send(new URL("/mcp", this.next()), {
      method: "POST",
      headers: { ...headersFor(token), "mcp-protocol-version": LEGACY },
      body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }),
    });
    return String(headers["mcp-session-id"]);
  }

  /** The answer as it came. Rejects when there is none within 15 s, or the signal says so. */
  raw(tool: string, input: object, options: CallOptions = {}): Promise<RawReply> {
    const { path, headers, body } = wireRequest(tool, input, options);
    return this.send(new URL(path, options.address ?? this.next()), { method: "POST", headers, body, ...options });
  }

  send(
    url: URL,
    options: { method?: string; headers?: http.OutgoingHttpHeaders; body?: string; signal?: AbortSignal } = {},
  ): Promise<RawReply> {
    const { method = "GET", headers = {}, body, signal } = options;
    return new Promise((resolve, reject) => {
      const request = http.request(url, { method, agent: this.#agent, headers, ...(signal && { signal }) });
      const timer = setTimeout(() => request.destroy(new Error("no answer in time")), GIVE_UP_MILLISECONDS);
      request.on("close", () => clearTimeout(timer));
      request.on("error", reject);
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      });
      request.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

const headersFor = (token: string | undefined): http.OutgoingHttpHeaders => ({
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
  ...(token !== undefined && { authorization: `Bearer ${token}` }),
});

function wireRequest(tool: string, input: object, { wire = "modern", key, token, id = 1 }: CallOptions) {
  const headers = headersFor(token);
  if (wire === "rest") {
    if (key !== undefined) headers["idempotency-key"] = key;
    return { path: "/mcp/call_tool", headers, body: JSON.stringify({ name: tool, arguments: input }) };
  }
  const keyed = key === undefined ? {} : { [IDEMPOTENCY_KEY]: key };
  const envelope = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": CLIENT_INFO,
  };
  const meta = wire === "modern" ? { ...envelope, ...keyed } : keyed;
  const own =
    wire === "modern"
      ? { "mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": tool }
      : { "mcp-protocol-version": LEGACY, "mcp-session-id": wire.legacy };
  const params = { name: tool, arguments: input, _meta: meta };
  const body = JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params });
  return { path: "/mcp", headers: { ...headers, ...own }, body };
}

interface Message {
  readonly id?: unknown;
  readonly result?: {
    readonly structuredContent?: Record<string, unknown>;
    readonly isError?: boolean;
    readonly content?: readonly { readonly text?: string }[];
    readonly _meta?: Record<string, unknown>;
  };
  readonly error?: { readonly code: number; readonly message: string };
}

/** The JSON-RPC message of an answer, whether it came as JSON or as the last event of a stream. Throws when there is none. */
export function messageOf(body: string): Message {
  const event = body.startsWith("{")
    ? body
    : body
        .split("\n")
        .findLast((line) => line.startsWith("data: {"))
        ?.slice(6);
  if (event === undefined) throw new Error(`an answer without a JSON-RPC message: ${body.slice(0, 200)}`);
  return JSON.parse(event) as Message;
}

/** What an answer of the modern or legacy wire says. Throws on anything that is no such answer. */
export function read({ status, body }: Pick<RawReply, "status" | "body">): Reply {
  const { result, error } = messageOf(body);
  if (result === undefined)
    return { outcome: "error", code: String(error?.code ?? status), message: body.slice(0, 500), retryable: false };
  if (result.isError !== true)
    return {
      outcome: "ok",
      result: result.structuredContent ?? {},
      replayed: result._meta?.[REPLAYED_KEY] === true,
    };
  const facts = (result._meta?.[ERROR_KEY] ?? {}) as { code?: string; retryable?: boolean };
  const message = result.content?.[0]?.text ?? "";
  return { outcome: "error", code: facts.code ?? "none", message, retryable: facts.retryable === true };
}
