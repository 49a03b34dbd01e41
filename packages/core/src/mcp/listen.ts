// subscriptions/listen across instances: the one that holds a stream asks the state table, under the listener's principal, what
// has changed, and only while a client listens. Nothing is published, so one caller's changes cannot reach another's stream.
import {
  type AuthInfo,
  CLIENT_CAPABILITIES_META_KEY,
  createMcpHandler,
  type McpServerFactory,
  type ServerEvent,
  type ServerEventBus,
} from "@modelcontextprotocol/server";
import { versionOf } from "../calls/call-resource.ts";
import { missingTasks } from "../calls/call-task.ts";
import type { CallSource, Services } from "../calls/services.ts";
import { authorize, countedAs, type Principal, READ_SCOPE } from "../principal.ts";
import type { WatchingStream } from "../state/watched.ts";
import { declaresTasks } from "./call-source.ts";
import { TaskWatch } from "./listen-tasks.ts";
import { hasTasks } from "./offer.ts";
import { beginTold, takenBy } from "./requests.ts";
import { scopeOf } from "./tasks.ts";

const POLL_FIRST_MS = 250;
const POLL_MAX_MS = 2_000;
/** Resources and tasks that one stream may watch: each costs a small read or two per poll. */
const WATCHED_MAX = 32;

export interface Listens {
  /** Answers a subscriptions/listen request with its stream, or with an error of the protocol. */
  fetch(request: Request, body: ListenBody, principal: Principal, authInfo: AuthInfo): Promise<Response>;
  readonly open: number;
  /** Ends every stream as the protocol has it, so that clients listen again elsewhere, and refuses new ones. */
  close(): Promise<void>;
}

export interface ListenBody {
  readonly id: string | number;
  readonly method: "subscriptions/listen";
  readonly params: {
    readonly notifications: {
      readonly resourceSubscriptions?: readonly string[];
      readonly resourcesListChanged?: boolean;
      readonly taskIds?: readonly string[];
    };
    readonly _meta?: Readonly<Record<string, unknown>>;
  };
}

/** Whether a parsed body is a listen request that names what it wants; anything less is the SDK's to refuse. */
export function isListen(body: unknown): body is ListenBody {
  const { id, method, params } = (body ?? {}) as {
    id?: unknown;
    method?: unknown;
    params?: { notifications?: unknown };
  };
  if (method !== "subscriptions/listen" || (typeof id !== "string" && typeof id !== "number")) return false;
  const wanted = params?.notifications as { resourceSubscriptions?: unknown; taskIds?: unknown } | null | undefined;
  if (typeof wanted !== "object" || wanted === null) return false;
  return [wanted.resourceSubscriptions, wanted.taskIds].every(
    (names) => names === undefined || (Array.isArray(names) && names.every((name) => typeof name === "string")),
  );
}

export interface ListensOptions {
  services: Services;
  mcp: McpServerFactory;
}

export function createListens({ services, mcp }: ListensOptions): Listens {
  const open = new Set<{ principal: Principal; close(): Promise<void> }>();
  const { listensPerProcess, listensPerPrincipal } = services.state.limits;
  let closed = false;

  /** Why one more cannot be held; undefined when it can. */
  function refusal(principal: Principal, watched: number): string | undefined {
    if (closed) return "This server is about to end. Listen again: another one will answer.";
    if (watched > WATCHED_MAX)
      return `A stream can watch ${WATCHED_MAX} resources and tasks; this one names ${watched}. Use several.`;
    if (open.size >= listensPerProcess)
      return `This server holds its limit of ${listensPerProcess} streams. Try again later.`;
    const counted = countedAs(principal);
    if (counted === undefined) return undefined;
    const own = [...open].filter((one) => countedAs(one.principal) === counted).length;
    if (own < listensPerPrincipal) return undefined;
    return `You have ${own} streams open, which is the limit. Close one first.`;
  }

  return {
    async fetch(request, body, principal, authInfo) {
      const { notifications } = body.params;
      const uris = [...new Set(notifications.resourceSubscriptions ?? [])];
      const taskIds = hasTasks(services) ? [...new Set(notifications.taskIds ?? [])] : [];
      if (taskIds.length > 0 && !declaresTasks(body.params._meta?.[CLIENT_CAPABILITIES_META_KEY])) {
        const { code, message, data } = await missingTasks();
        return Response.json({ jsonrpc: "2.0", id: body.id, error: { code, message, data } }, { status: 400 });
      }
      authorize(principal, READ_SCOPE);
      const refused = refusal(principal, uris.length + taskIds.length);
      if (refused !== undefined) {
        const error = { code: -32_603, message: refused };
        return Response.json({ jsonrpc: "2.0", id: body.id, error });
      }
      // Only what can be watched is acknowledged: the client must not wait for what will never come.
      const watchable = uris.filter((uri) => services.resources.find(uri)?.resource.watch);
      const watch = new Watch(services, { principal }, [
        ...watchable.map((uri) => ({ uri })),
        ...(notifications.resourcesListChanged ? (["list"] as const) : []),
      ]);
      const handler = createMcpHandler(mcp, { legacy: "reject", bus: watch });
      const tasks =
        taskIds.length > 0
          ? new TaskWatch(
              services.state.forCaller({ principal, client: "" }).tasks,
              services.state.watched.open(principal),
              body.id,
            )
          : undefined;
      const close = () => {
        tasks?.end();
        return handler.close();
      };
      const entry = { principal, close };
      open.add(entry);
      services.observer?.happened({ kind: "listen", open: 1 });
      const leave = () => {
        if (open.delete(entry)) services.observer?.happened({ kind: "listen", open: -1 });
      };
      const tellEnd = beginTold(services, body, authInfo);
      (tasks ?? watch).onend = () => {
        leave();
        if (held) tellEnd();
      };
      let held = false;
      try {
        // What is there before the acknowledgement is what changes are measured against.
        await watch.begin();
        await tasks?.begin(taskIds, ({ tool }) => authorize(principal, scopeOf(services, tool)));
        const narrowed = { ...notifications, resourceSubscriptions: watchable };
        const parsedBody = { ...body, params: { ...body.params, notifications: narrowed } };
        const response = await handler.fetch(request, { parsedBody, authInfo });
        held = tasks ? response.ok : watch.running;
        if (held) takenBy(authInfo);
        return tasks && held ? tasks.join(response) : response;
      } finally {
        // Refused, or nothing to hold open: the SDK has not subscribed.
        if (!held) leave();
      }
    },
    get open() {
      return open.size;
    },
    close: async () => {
      closed = true;
      await Promise.all([...open].map((one) => one.close()));
    },
  };
}

type Watched = { readonly uri: string } | "list";

/** One stream's source of events. The SDK subscribes when the stream is acknowledged and unsubscribes when it has ended. */
class Watch implements ServerEventBus {
  onend: () => void = () => {};
  readonly #services: Services;
  readonly #source: CallSource;
  readonly #seen: Map<Watched, string>;
  readonly #ended = new AbortController();
  readonly #stream: WatchingStream;
  #timer: NodeJS.Timeout | undefined;
  #running = false;

  constructor(services: Services, source: CallSource, watched: readonly Watched[]) {
    this.#services = services;
    this.#source = source;
    this.#seen = new Map(watched.map((one) => [one, ""]));
    this.#stream = services.state.watched.open(source.principal);
  }

  get running(): boolean {
    return this.#running;
  }

  /** @throws AppError `unavailable` */
  async begin(): Promise<void> {
    for (const watched of this.#seen.keys()) this.#seen.set(watched, await this.#version(watched));
  }

  publish(): void {
    throw new TypeError("Changes are found in the table, not published.");
  }

  subscribe(listener: (event: ServerEvent) => void): () => void {
    this.#running = true;
    this.#stream.watches(this.#seen.size);
    this.#pollAfter(POLL_FIRST_MS, listener);
    return () => {
      this.#running = false;
      this.#stream.end();
      clearTimeout(this.#timer);
      this.#ended.abort();
      this.onend();
    };
  }

  #pollAfter(delayMs: number, listener: (event: ServerEvent) => void): void {
    this.#timer = setTimeout(async () => {
      const changed = await this.#look(listener);
      if (!this.#running) return;
      this.#pollAfter(changed ? POLL_FIRST_MS : Math.min(delayMs * 2, POLL_MAX_MS), listener);
    }, this.#stream.pauseMs(delayMs));
    this.#timer.unref();
  }

  async #look(listener: (event: ServerEvent) => void): Promise<boolean> {
    let changed = false;
    for (const [watched, seen] of this.#seen) {
      // A table that does not answer has not changed: the next look finds what this one missed.
      const version = await this.#version(watched).catch(() => seen);
      if (!this.#running) return false;
      if (version === seen) continue;
      this.#seen.set(watched, version);
      changed = true;
      listener(
        watched === "list" ? { kind: "resources_list_changed" } : { kind: "resource_updated", uri: watched.uri },
      );
    }
    return changed;
  }

  #version(watched: Watched): Promise<string> {
    return versionOf(this.#services, this.#source, watched, this.#ended.signal);
  }
}
