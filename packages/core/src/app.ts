// Read this first. `createApp` puts tools, state and routes together; adapters carry bytes to what it returns.
import type { McpServerFactory } from "@modelcontextprotocol/server";
import { type CallRuntime, callTool, type ToolCall, type ToolResult } from "./call-tool.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { Access } from "./http/auth.ts";
import { pooledFactory } from "./http/mcp.ts";
import { type Carried, createRouter } from "./http/router.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { type Logger, silentLogger } from "./logger.ts";
import { State } from "./state/state.ts";
import { MemoryStore } from "./stores/memory.ts";
import type { StateStore } from "./stores/state-store.ts";
import type { Tool } from "./tool.ts";
import { builtinTools } from "./tools/index.ts";

export interface AppOptions {
  /** Server name on the wire. Default `stateful-mcp`. */
  name?: string;
  version?: string;
  /** Default: the tools of the ready server. Give your own, or yours beside `builtinTools(…)`. */
  tools?: readonly Tool[];
  /** Where state is kept. Default: this process's memory, which ends with it. */
  store?: StateStore;
  /** What session_info calls the store: `local`, `dynamodb` or `memory`. */
  backend?: string;
  /** The table's name, as `GET /health` shows it. */
  table?: string;
  /** Who may call. Default `{ mode: "local" }`: whoever reaches the server is its one user. */
  access?: Access;
  sessions?: {
    /** Seconds without use after which a session ends; 0: never. Default 86,400. */
    ttlSeconds?: number;
    /** Seconds after creation at which it ends in any case. Default 7,776,000 (90 days). */
    maxSeconds?: number;
    /** The session that calls without `session_id` use. */
    defaultSession?: string | undefined;
  };
  /** `ttlSeconds`: how long cached results are kept. Default 900. */
  cache?: { ttlSeconds?: number };
  /** `ttlSeconds`: how long the answer of a call with an idempotency key is kept. Default 86,400. */
  idempotency?: { ttlSeconds?: number };
  /** Host names besides localhost under which the server may be addressed. */
  allowedHosts?: readonly string[];
  /** Host names of web pages, besides localhost ones, that may call. */
  allowedOrigins?: readonly string[];
  /**
   * Whether streams are served that stay open without a call: `GET /mcp` and `subscriptions/listen`. Default true; false for
   * platforms that bill an open stream. A broken call can be resumed in any case.
   */
  standingStreams?: boolean;
  limits?: Partial<Limits>;
  logger?: Logger;
  clock?: Clock;
}

export interface App {
  /** As given to `createApp` and `with`. */
  readonly options: AppOptions;
  readonly tools: readonly Tool[];
  /** The same app with these options instead: how an adapter binds a store, access and a logger. */
  with(options: AppOptions): App;
  /** Answers any HTTP request to the app's routes. */
  fetch(request: Request, carried?: Carried): Promise<Response>;
  /** Builds MCP servers for a connection without HTTP, such as stdio. They act for the local principal. */
  readonly mcp: McpServerFactory;
  /** Runs one tool call through the pipeline. @throws AppError */
  call(call: ToolCall): Promise<ToolResult>;
  /** Resolves when the state table answers. @throws AppError `unavailable` */
  ready(): Promise<void>;
  /** Resolves when no call runs and background work has ended: a platform may then freeze the process. */
  settle(): Promise<void>;
  /** From now on health routes answer 503, so that a load balancer looks elsewhere. Calls are still answered. */
  drain(): void;
  /** Ends streams and waits for background work. The store is closed by whoever opened it. */
  close(): Promise<void>;
}

export const PROTOCOL_REVISIONS = ["2026-07-28", "2025-11-25"] as const;
export const DEFAULT_SESSION_TTL_SECONDS = 86_400;
export const DEFAULT_SESSION_MAX_SECONDS = 7_776_000;
export const DEFAULT_CACHE_TTL_SECONDS = 900;
export const DEFAULT_IDEMPOTENCY_TTL_SECONDS = 86_400;

const INSTRUCTIONS =
  "This server remembers. Notes and values are kept per session, across calls, restarts and clients. " +
  "Call get_notes at the start of a conversation to recall what is known, and add_note to save decisions and facts worth keeping. " +
  "Every result names its session_id; pass it on to stay in the same session.";

export function createApp(options: AppOptions = {}): App {
  const {
    name = "stateful-mcp",
    version = "0.1.0",
    clock = systemClock,
    logger = silentLogger,
    backend = "memory",
  } = options;
  const access = options.access ?? { mode: "local" };
  const store = options.store ?? new MemoryStore({ clock });
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const ttlSeconds = options.sessions?.ttlSeconds ?? DEFAULT_SESSION_TTL_SECONDS;
  const maxSeconds = options.sessions?.maxSeconds ?? DEFAULT_SESSION_MAX_SECONDS;
  const tools = options.tools ?? builtinTools({ backend, anonymous: access.mode === "anonymous", ttlSeconds });
  const state = new State({
    store,
    clock,
    limits,
    sessions: { ttlSeconds, maxSeconds, defaultSession: options.sessions?.defaultSession },
    idempotencyTtlSeconds: options.idempotency?.ttlSeconds ?? DEFAULT_IDEMPOTENCY_TTL_SECONDS,
  });
  const runtime: CallRuntime = {
    tools: toolMap(tools),
    state,
    logger,
    cacheTtlSeconds: options.cache?.ttlSeconds ?? DEFAULT_CACHE_TTL_SECONDS,
  };
  const mcp = pooledFactory(runtime, { name, version, instructions: INSTRUCTIONS });
  let draining = false;
  const router = createRouter({
    runtime,
    mcp,
    access,
    service: name,
    table: options.table ?? backend,
    bodyMaxBytes: limits.bodyMaxBytes,
    allowedHosts: options.allowedHosts ?? [],
    allowedOrigins: options.allowedOrigins ?? [],
    standingStreams: options.standingStreams ?? true,
    ready: () => store.ping(),
    draining: () => draining,
  });
  return {
    options,
    tools,
    with: (more) => createApp({ ...options, ...more }),
    fetch: router.fetch,
    mcp,
    call: (call) => callTool(runtime, call),
    ready: () => store.ping(),
    settle: () => state.settle(),
    drain: () => {
      draining = true;
    },
    close: async () => {
      await router.close();
      await state.close();
    },
  };
}

function toolMap(tools: readonly Tool[]): ReadonlyMap<string, Tool> {
  const map = new Map(tools.map((tool) => [tool.name, tool]));
  if (map.size === tools.length) return map;
  const twice = tools.find((tool, i) => tools.findIndex((other) => other.name === tool.name) !== i);
  throw new TypeError(`Two tools are named ${twice?.name}. Names must be unique.`);
}
