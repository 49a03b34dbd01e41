// Read this first. `createApp` puts tools, state and routes together; adapters carry bytes to what it returns.
import type { McpServerFactory } from "@modelcontextprotocol/server";
import type { Access } from "./auth/access.ts";
import { confirmed, instructionsFor, withSessionTools, withTaskTools } from "./builtin/beside.ts";
import { builtinPrompts } from "./builtin/prompts/index.ts";
import { builtinResources } from "./builtin/resources/index.ts";
import type { MemoryView } from "./builtin/resources/view.ts";
import { builtinTools } from "./builtin/tools/index.ts";
import type { Observer } from "./call-record.ts";
import { callTool, type ToolCall, type ToolResult } from "./calls/call-tool.ts";
import { QueuedTasks, type TaskDelivery, type TaskMessage, type TaskQueue } from "./calls/queued-tasks.ts";
import type { Services } from "./calls/services.ts";
import { TaskRunner } from "./calls/task-runner.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { Prompt } from "./define/prompt.ts";
import { type Resource, ResourceTable } from "./define/resource.ts";
import type { Tool } from "./define/tool.ts";
import { AppError } from "./errors.ts";
import type { Carried } from "./http/caller-of-request.ts";
import { Metrics } from "./http/metrics.ts";
import { addressBehind } from "./http/network.ts";
import type { Router } from "./http/router.ts";
import type { ShortWayParts } from "./http/short-way.ts";
import type { ItemTables } from "./items/item-store.ts";
import {
  BODY_HEADROOM_BYTES,
  DEFAULT_CACHE_TTL_SECONDS,
  DEFAULT_IDEMPOTENCY_TTL_SECONDS,
  DEFAULT_LIMITS,
  DEFAULT_SESSION_MAX_SECONDS,
  DEFAULT_SESSION_TTL_SECONDS,
  DEFAULT_TASK_TTL_SECONDS,
  type Limits,
} from "./limits.ts";
import { type Logger, silentLogger } from "./logger.ts";
import { legacyMessages } from "./mcp/legacy/plain-messages.ts";
import { legacyState } from "./mcp/legacy/state.ts";
import type { PlainParts } from "./mcp/plain-connection.ts";
import { READY_SERVER } from "./names.ts";
import type { Principal } from "./principal.ts";
import type { CallerState } from "./state/caller-state.ts";
import { Journal, type JournalOptions } from "./state/journal.ts";
import { JournalReader } from "./state/journal-reader.ts";
import { couldBeSessionName } from "./state/sessions.ts";
import { State } from "./state/state.ts";
import { isEnded, type TaskHead } from "./state/task-head.ts";
import type { BlobStore } from "./stores/blob-store.ts";
import { MemoryStore } from "./stores/memory-store.ts";
import type { StateStore } from "./stores/state-store.ts";
import type { Telemetry } from "./telemetry.ts";
import { VERSION } from "./version.ts";

/** Everything has a default: `createApp()` is the ready server in memory. */
export interface AppOptions {
  /**
   * Server name on the wire. Default `stateful-mcp`. An app with a name of its own has a data directory and a session of this name on
   * this machine, so that two programs of one user leave each other's state alone.
   */
  name?: string;
  /** Server version on the wire. Default: that of this package. */
  version?: string;
  /** Default: the tools of the ready server. Give your own, or yours beside `builtinTools(…)`. */
  tools?: readonly Tool[];
  /** Default: a principal's own sessions, their notes and values; none when you give tools of your own. */
  resources?: readonly Resource[];
  /** Default: recall, save decisions, summarise a session; none when you give tools of your own. */
  prompts?: readonly Prompt[];
  /** What a model is told of the server when it connects. Default: made from the tools it has. */
  instructions?: string;
  /**
   * Whether `create_session`, `list_sessions`, `session_info` and `delete_session` stand beside tools of your own that use sessions, where
   * callers are not all the one local user: without them no caller could begin a session. Default true.
   */
  sessionTools?: boolean;
  /** Names of tools that are to be confirmed by their person before they run, besides those defined so. */
  confirm?: readonly string[];
  /** Whether clients may hold streams that tell of changes. False where a held stream costs money. Default true. */
  subscriptions?: boolean;
  /** Where state is kept. Default: this process's memory, which ends with it. */
  store?: StateStore;
  /** Where values and cached results over `limits.valueMaxBytes` are kept. Default: nowhere, they are refused. */
  blobs?: BlobStore;
  /** Tables of the user's own that the item tools reach. Default: none, and no such tools; none when you give tools of your own. */
  items?: ItemTables;
  /**
   * The page that `show_memory` opens in hosts that show MCP Apps. Default: none, and no such tool; none when you give tools of your own,
   * or serve everybody.
   */
  memoryView?: MemoryView;
  /** What session_info calls the store: `local`, `dynamodb` or `memory`. */
  backend?: string;
  /** The table's name, as `GET /health` shows it. */
  table?: string;
  /** Who may call. Default `{ mode: "local" }`: everybody who reaches the server is its one user. */
  access?: Access;
  sessions?: {
    /** Seconds without use after which a session ends; 0: never. Default 86,400. */
    ttlSeconds?: number;
    /** Seconds after creation at which it ends in any case. Default 7,776,000 (90 days). */
    maxSeconds?: number;
    /** The session that calls without `session_id` use. Default for the local user: the app's name, `default` without one. */
    defaultSession?: string | undefined;
  };
  /** `ttlSeconds`: how long cached results are kept. Default 900. */
  cache?: { ttlSeconds?: number };
  /** `ttlSeconds`: how long the answer of a call with an idempotency key is kept. Default 86,400. */
  idempotency?: { ttlSeconds?: number };
  /**
   * Whether calls of tools defined with `task` become tasks. False where no process lives on between requests to run them: they are
   * ordinary calls there. Default true.
   */
  runsTasks?: boolean;
  /** Through which a worker is sent for, where no process lives on between requests. Default: the process that makes a task runs it. */
  taskQueue?: TaskQueue;
  /** `ttlSeconds`: how long tasks and their results are kept, unless a tool says otherwise. Default 86,400. */
  tasks?: { ttlSeconds?: number };
  /** Host names besides localhost under which the server may be addressed. */
  allowedHosts?: readonly string[];
  /** Origins of web pages that may call, besides the server's own: scheme, host and port, such as `https://app.example`. */
  allowedOrigins?: readonly string[];
  /**
   * Addresses or networks (`10.0.0.0/8`) of proxies in front of this server: what they say in `X-Forwarded-For` of where a request comes
   * from is believed. Default: none.
   */
  trustedProxies?: readonly string[];
  /**
   * Whether the most common requests take a shorter way than the official SDK's. Answers are the same: false is for comparing them.
   * Default true.
   */
  plainPath?: boolean;
  /** Bounds that differ from `DEFAULT_LIMITS`. */
  limits?: Partial<Limits>;
  /** Whether there is `GET /metrics`, for the local user and tokens that name the scope `console:operate`. Default false. */
  metrics?: boolean;
  /** What this process leaves in the state table of what it did, for an operator. Default: nothing. */
  journal?: JournalOptions | undefined;
  /** Where the operator's log goes. Default: nowhere. */
  logger?: Logger;
  /** Where spans and metrics go. Default: there are none. */
  telemetry?: Telemetry;
  /** Default: the system's. */
  clock?: Clock;
}

/** An app: tools, state and routes, ready to be carried by an adapter. */
export interface App {
  /** As given to `createApp` and `with`. */
  readonly options: AppOptions;
  /** Those it serves, in the order given. */
  readonly tools: readonly Tool[];
  /** The same app with these options instead: how an adapter binds a store, access and a logger. */
  with(options: AppOptions): App;
  /** Answers any HTTP request to the app's routes. */
  fetch(request: Request, carried?: Carried): Promise<Response>;
  /**
   * Loads what speaks HTTP. Resolves to what a `ShortWay` of this app is made with, for a carrier that has no Request at hand; undefined:
   * all requests are for `fetch`.
   */
  shortWay(): Promise<ShortWayParts | undefined>;
  /**
   * Builds MCP servers for a connection without HTTP, such as stdio. They act for the local principal. Streams of changes
   * (subscriptions/listen) are not theirs to serve: the part that carries the connection asks `fetch` for them, as `serveStdio` does.
   */
  readonly mcp: McpServerFactory;
  /** What a `PlainConnection` of this app is made with, which answers plain messages without an MCP server. */
  readonly plain: PlainParts;
  /** Runs one tool call through the pipeline. @throws AppError */
  call(call: ToolCall): Promise<ToolResult>;
  /** What a principal keeps, for who works on it outside of a call: reading it out, putting it back. */
  memoryOf(principal: Principal): Pick<CallerState, "export" | "import" | "tasks">;
  /** Resolves when the state table answers. @throws AppError `unavailable` */
  ready(): Promise<void>;
  /**
   * From now on this process looks for tasks that no process runs, for as long as there are any. To be called once by what carries the
   * app where processes live on.
   */
  resumeTasks(): void;
  /**
   * Runs a task for which `taskQueue` brought a message, for at most so many milliseconds; a run that is cut short keeps its steps, and a
   * worker is sent for again. Resolves to what becomes of the message: `later`, it is to be delivered again.
   * @throws TypeError without `taskQueue`, AppError `unavailable`: the message is to be delivered again.
   */
  runTask(message: TaskMessage, options: { timeLimitMs: number }): Promise<TaskDelivery>;
  /** The tasks of all callers that have not ended, in no order: for an operator, who may see whose they are. */
  openTasks(): AsyncIterable<TaskHead>;
  /** What the processes of this deployment did, as far as they keep a journal: for an operator, who may see who has called. */
  readonly journal: JournalReader;
  /** Resolves when no call runs and background work has ended: a platform may then freeze the process. */
  settle(): Promise<void>;
  /** From now on health routes answer 503, so that a load balancer looks elsewhere, and streams of changes end. Calls are still answered. */
  drain(): void;
  /** Ends streams and waits for background work. The store is closed by the part that opened it. */
  close(): Promise<void>;
}

/** The revisions of MCP that an app speaks, newest first. */
export const PROTOCOL_REVISIONS = ["2026-07-28", "2025-11-25"] as const;

/** An app's name that could be no session's leaves its user in `default`. */
function localSessionOf(name = READY_SERVER): string {
  return name === READY_SERVER || !couldBeSessionName(name) ? "default" : name;
}

/**
 * Puts tools, state and routes together. Opens nothing and listens to nothing.
 * @throws TypeError when two tools, prompts or resources have one name, AppError `invalid_input` for a name in `confirm` that is none.
 */
export function createApp(options: AppOptions = {}): App {
  const {
    name = READY_SERVER,
    version = VERSION,
    clock = systemClock,
    logger = silentLogger,
    backend = "memory",
  } = options;
  const access = options.access ?? { mode: "local" };
  const store = options.store ?? new MemoryStore({ clock });
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const ttlSeconds = options.sessions?.ttlSeconds ?? DEFAULT_SESSION_TTL_SECONDS;
  const maxSeconds = options.sessions?.maxSeconds ?? DEFAULT_SESSION_MAX_SECONDS;
  const anonymous = access.mode === "anonymous";
  const { items } = options;
  if (items && anonymous)
    throw new AppError(
      "invalid_input",
      "Tables of yours (DYNAMODB_TABLE_NAME) cannot be served to everybody: ask for tokens (MCP_AUTH_TOKEN), or serve without these tables.",
    );
  const builtin = { anonymous, items, memoryView: anonymous ? undefined : options.memoryView };
  const ready = () => builtinTools({ backend, ttlSeconds, ...builtin });
  const runsTasks = options.runsTasks ?? true;
  const offersSessions = access.mode !== "local" && options.sessionTools !== false;
  const chosen = options.tools && offersSessions ? withSessionTools(options.tools, ready) : (options.tools ?? ready());
  const tools = confirmed(runsTasks ? withTaskTools(chosen, anonymous) : chosen, options.confirm ?? []);
  const resources = options.resources ?? (options.tools ? [] : builtinResources(builtin));
  const prompts = options.prompts ?? (options.tools ? [] : builtinPrompts());
  const subscriptions = options.subscriptions ?? true;
  const state = new State({
    store,
    blobStore: options.blobs,
    clock,
    limits,
    sessions: {
      ttlSeconds,
      maxSeconds,
      defaultSession: options.sessions?.defaultSession,
      localSession: localSessionOf(options.name),
    },
    idempotencyTtlSeconds: options.idempotency?.ttlSeconds ?? DEFAULT_IDEMPOTENCY_TTL_SECONDS,
  });
  const metrics = options.metrics ? new Metrics() : undefined;
  const parts = { store, clock, background: state.background, version };
  const journal = options.journal && new Journal(parts, options.journal);
  const journalReader = new JournalReader(store, clock);
  const services: Services = {
    tools: named("tools", tools),
    resources: new ResourceTable(resources),
    prompts: named("prompts", prompts),
    state,
    logger,
    telemetry: options.telemetry,
    observer: observing([metrics, journal], options.telemetry),
    cacheTtlSeconds: options.cache?.ttlSeconds ?? DEFAULT_CACHE_TTL_SECONDS,
    runsTasks,
    taskTtlSeconds: options.tasks?.ttlSeconds ?? DEFAULT_TASK_TTL_SECONDS,
  };
  const queued = options.taskQueue && new QueuedTasks(services, options.taskQueue);
  const runner = queued ? undefined : new TaskRunner(services, limits.tasksPerProcess);
  const legacy = legacyState(store, clock, (work) => state.background.run(work));
  const server = { name, version, instructions: options.instructions ?? instructionsFor(tools), subscriptions, legacy };
  // The official SDK, and what speaks HTTP, are not loaded before they are needed: a host over stdio waits for the first answer.
  let factory: McpServerFactory | undefined;
  const mcp: McpServerFactory = async (context) => {
    factory ??= (await import("./mcp/server.ts")).pooledFactory(services, server);
    return factory(context);
  };
  let draining = false;
  const findAddress = addressBehind(options.trustedProxies ?? []);
  let opened: Router | undefined;
  let router: Promise<Router> | undefined;
  const openRouter = async () => {
    const { createRouter } = await import("./http/router.ts");
    opened = createRouter({
      services,
      mcp,
      legacy,
      access,
      server,
      table: options.table ?? backend,
      // What may be stored must also get in.
      bodyMaxBytes: options.blobs
        ? Math.max(limits.bodyMaxBytes, limits.blobMaxBytes + BODY_HEADROOM_BYTES)
        : limits.bodyMaxBytes,
      subscriptions,
      allowedHosts: options.allowedHosts ?? [],
      allowedOrigins: options.allowedOrigins ?? [],
      findAddress,
      plainPath: options.plainPath,
      metrics,
      journal: { reader: journalReader, mode: options.journal?.mode ?? "off" },
      ready: () => store.ping(),
      draining: () => draining,
    });
    if (draining) await opened.endStreams();
    return opened;
  };
  const loadRouter = () => {
    router ??= openRouter();
    return router;
  };
  return {
    options,
    tools,
    with: (more) => createApp({ ...options, ...more }),
    fetch: async (request, carried) => (opened ?? (await loadRouter())).fetch(request, carried),
    shortWay: async () => (await loadRouter()).shortWay,
    mcp,
    plain: { ...server, services, legacyMessages, plainPath: options.plainPath ?? true },
    call: (call) => callTool(services, call),
    memoryOf: (principal) => state.forCaller({ principal, client: "" }),
    ready: () => store.ping(),
    resumeTasks: () => {
      if (runsTasks && tools.some(({ task }) => task)) runner?.lookNowAndThen();
    },
    runTask: async (message, limit) => {
      if (!queued) throw new TypeError("This app has no taskQueue, and runs its tasks itself.");
      return queued.deliver(message, limit);
    },
    openTasks: async function* () {
      for await (const { head } of state.tasks.eachOpen()) if (head && !isEnded(head)) yield head;
    },
    journal: journalReader,
    settle: async () => {
      await state.background.settle();
      await journal?.settle();
    },
    drain: () => {
      draining = true;
      journal?.drain();
      runner?.drain();
      // A stream without an end would hold the process until it is cut, and its client as long.
      router
        ?.then((one) => one.endStreams())
        .catch((error: unknown) => logger.warn({ err: error }, "a stream did not end"));
    },
    close: async () => {
      metrics?.close();
      await (await router)?.close();
      await runner?.close();
      await journal?.close();
      await state.background.close();
    },
  };
}

/** Tells all of them; undefined where there is none. */
function observing(given: readonly (Observer | undefined)[], telemetry: Telemetry | undefined): Observer | undefined {
  const all = given.filter((one) => one !== undefined);
  if (all.length === 0 && !telemetry) return undefined;
  return {
    call: (call) => {
      for (const one of all) one.call(call);
    },
    happened: (happening) => {
      for (const one of all) one.happened(happening);
      telemetry?.happened(happening);
    },
  };
}

function named<T extends { readonly name: string }>(what: string, all: readonly T[]): ReadonlyMap<string, T> {
  const map = new Map(all.map((one) => [one.name, one]));
  const twice = all.find((one) => map.get(one.name) !== one);
  if (twice) throw new TypeError(`Two ${what} are named ${twice.name}. Names must be unique.`);
  return map;
}
