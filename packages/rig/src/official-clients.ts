// The clients that most hosts run, one per era, behind one face: SDK 1.x for 2025-era sessions, client 2.x for 2026-07-28. Counts
// what they ask for on the wire; knows nothing of what tools mean.
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from "@modelcontextprotocol/client";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

export type Era = "legacy" | "modern";
export const ERAS: readonly Era[] = ["legacy", "modern"];

export interface OfficialOptions {
  /** Who is asked, such as `http://127.0.0.1:40001`; asked for each request. */
  readonly address: () => string;
  readonly token?: string;
}

export interface CallSettings {
  readonly key?: string;
  readonly timeoutMs?: number;
}

/** A tool's own error, with whether it is worth sending the call again. */
export class ToolError extends Error {
  readonly retryable: boolean;

  constructor(message: string, retryable: boolean) {
    super(message);
    this.retryable = retryable;
  }
}

interface Answer {
  readonly isError?: boolean | undefined;
  readonly content?: unknown;
  readonly structuredContent?: unknown;
  readonly _meta?: Record<string, unknown> | undefined;
}

const INFO = { name: "torture", version: "0.1.0" };
const MODERN = "2026-07-28";
const ERROR_KEY = "io.github.stateful-mcp/error";
const IDEMPOTENCY_KEY = "io.github.stateful-mcp/idempotency-key";
/** A stream that is cut is taken up again at once, and for as long as a server takes to start. */
const RECONNECTION = {
  initialReconnectionDelay: 200,
  maxReconnectionDelay: 2_000,
  reconnectionDelayGrowFactor: 1.5,
  maxRetries: 20,
};
const CALL_TIMEOUT_MS = 60_000;

export class OfficialClient {
  /** Requests sent: sessions begun, and streams taken up again after an event. */
  readonly sent = { initialize: 0, resumed: 0 };
  readonly era: Era;
  readonly #legacy = new LegacyClient(INFO);
  readonly #modern = new ModernClient(INFO, { versionNegotiation: { mode: { pin: MODERN } } });

  private constructor(era: Era) {
    this.era = era;
  }

  static async connect(era: Era, { address, token }: OfficialOptions): Promise<OfficialClient> {
    const client = new OfficialClient(era);
    const send: typeof fetch = (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      if (typeof init?.body === "string" && init.body.includes('"method":"initialize"')) client.sent.initialize++;
      if (new Headers(init?.headers).has("last-event-id")) client.sent.resumed++;
      return fetch(new URL(pathname, address()), init);
    };
    const requestInit = token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };
    const options = { fetch: send, requestInit, reconnectionOptions: RECONNECTION };
    const url = new URL("/mcp", address());
    // The older declarations predate exactOptionalPropertyTypes.
    if (era === "legacy") await client.#legacy.connect(new LegacyTransport(url, options) as Transport);
    else await client.#modern.connect(new ModernTransport(url, options));
    return client;
  }

  /** Resolves to the structured result. @throws ToolError for what the tool answered, others for what broke. */
  async call(
    name: string,
    input: Record<string, unknown>,
    settings: CallSettings = {},
  ): Promise<Record<string, unknown>> {
    const { key, timeoutMs: timeout = CALL_TIMEOUT_MS } = settings;
    const params = { name, arguments: input, ...(key !== undefined && { _meta: { [IDEMPOTENCY_KEY]: key } }) };
    const answer: Answer =
      this.era === "legacy"
        ? ((await this.#legacy.callTool(params, undefined, { timeout })) as Answer)
        : await this.#modern.callTool(params, { timeout });
    if (answer.isError !== true) return answer.structuredContent as Record<string, unknown>;
    const { retryable } = (answer._meta?.[ERROR_KEY] ?? {}) as { retryable?: boolean };
    throw new ToolError(`${name}: ${JSON.stringify(answer.content)}`, retryable === true);
  }

  /** Tells of changes to a resource. For the 2025 era only, whose client takes its stream up again by itself. */
  async subscribe(uri: string, told: () => void): Promise<void> {
    this.#legacy.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
      if (params.uri === uri) told();
    });
    await this.#legacy.subscribeResource({ uri });
  }

  async close(): Promise<void> {
    await (this.era === "legacy" ? this.#legacy : this.#modern).close();
  }
}
