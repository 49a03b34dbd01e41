// One MCP channel as core sees it: who calls, what the transport offers, and how an error goes back. The caller and the client
// come with each request and are never read from the server instance, which has served others before.
import type {
  ClientCapabilities,
  InputRequiredResult,
  RequestId,
  Server,
  ServerContext,
} from "@modelcontextprotocol/server";
import { InputNeeded } from "../calls/asking.ts";
import type { ToolResult } from "../calls/call-tool.ts";
import type { CallSource, ClientChannel } from "../calls/services.ts";
import { answerBytes, type UnsentAnswer } from "../calls/unsent.ts";
import { jsonBytes } from "../json.ts";
import { LOCAL_PRINCIPAL, type Principal } from "../principal.ts";
import { CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY } from "../protocol.ts";
import { type TraceContext, traceOf } from "../trace.ts";

/** Our own key in `_meta`: an idempotency key a client sends beside the arguments. */
export const IDEMPOTENCY_META_KEY = "io.github.stateful-mcp/idempotency-key";

/** The principal travels with the request's authInfo; only stdio, where the caller is the one who started the process, has none. */
export const PRINCIPAL_KEY = "principal";
const principalOf = (context: ServerContext): Principal =>
  (context.http?.authInfo?.extra?.[PRINCIPAL_KEY] as Principal | undefined) ?? LOCAL_PRINCIPAL;

/** What the carrier of the request allows, where it has a limit of its own. */
export const TIME_LIMIT_KEY = "timeLimitMs";
const timeLimitOf = (context: ServerContext): number | undefined =>
  context.http?.authInfo?.extra?.[TIME_LIMIT_KEY] as number | undefined;

/** What the request brought along as HTTP: the id it is logged and answered under, and the trace that its headers name. */
export const HTTP_KEY = "http";
export interface OverHttp {
  readonly requestId: string;
  readonly trace: TraceContext | undefined;
  /** Where the request came over stdio, and its stream is asked for as over HTTP. */
  readonly transport?: "stdio" | undefined;
  /** Set where a request of it is answered and logged. */
  taken?: boolean;
}

/** A request that a server was sent and that is not answered yet. */
export interface UnderWay {
  readonly requestId: string;
  /** It has its line in the log, or gets one from the pipeline. */
  lined: boolean;
  /** What its tool has come to already, until that is said. */
  ran: Promise<ToolResult> | undefined;
}
/** By server, as each is connected. */
export const underWay = new WeakMap<Server, ReadonlyMap<RequestId, UnderWay>>();

const overHttp = (context: ServerContext): OverHttp | undefined =>
  context.http?.authInfo?.extra?.[HTTP_KEY] as OverHttp | undefined;

/** The request's answer, where it may have to wait until its caller reads it. */
export const UNSENT_KEY = "unsent";
const unsentOf = (context: ServerContext): UnsentAnswer | undefined =>
  context.http?.authInfo?.extra?.[UNSENT_KEY] as UnsentAnswer | undefined;

/**
 * Runs a handler's work with the request's source. Nothing that the work reports is sent after its answer: work that its
 * caller has given up must not speak into what the instance serves next.
 */
export async function withSource<T>(
  server: Server,
  context: ServerContext,
  work: (source: CallSource) => Promise<T>,
): Promise<T | InputRequiredResult> {
  let open = true;
  const send = (message: () => Promise<void>) => {
    // No client waits for a message that cannot be sent.
    if (open) message().catch(() => {});
  };
  try {
    return await work(sourceOf(server, context, send));
  } catch (error) {
    if (error instanceof InputNeeded) return error.request;
    throw error;
  } finally {
    open = false;
  }
}

function sourceOf(server: Server, context: ServerContext, send: (message: () => Promise<void>) => void): CallSource {
  const { mcpReq } = context;
  const envelope: Record<string, unknown> | undefined = mcpReq.envelope;
  // A modern request says what its client is; asking the instance would answer with the client that used it before.
  const info = envelope ? envelope[CLIENT_INFO_META_KEY] : server.getClientVersion();
  const capabilities = envelope ? envelope[CLIENT_CAPABILITIES_META_KEY] : server.getClientCapabilities();
  const { name, version } = (info ?? {}) as { name?: unknown; version?: unknown };
  const progressToken = mcpReq._meta?.progressToken;
  const unsent = unsentOf(context);
  const http = overHttp(context);
  const open = underWay.get(server)?.get(mcpReq.id);
  const tell = (told: unknown, message: () => Promise<void>) => {
    if (!unsent || unsent.tell(answerBytes(jsonBytes(told)))) send(message);
  };
  const channel: ClientChannel = {
    answers: mcpReq.inputResponses as ClientChannel["answers"],
    requestState: mcpReq.requestState<string>(),
    capabilities: (capabilities ?? {}) as ClientCapabilities,
    tasks: envelope !== undefined && declaresTasks(capabilities),
    declaresTasks: envelope !== undefined,
    progress: (progress, total, message) => {
      if (progressToken === undefined) return;
      const params = progressParams(progressToken, progress, total, message);
      tell(params, () => mcpReq.notify({ method: "notifications/progress", params }));
    },
    logToClient: (level, data) => tell(data, () => mcpReq.log(level, data)),
  };
  return {
    principal: principalOf(context),
    client: typeof name === "string" && typeof version === "string" ? `${name} ${version}` : "",
    transportSession: context.sessionId,
    signal: mcpReq.signal,
    timeLimitMs: timeLimitOf(context),
    // The message's own word comes first: a proxy may have written the header.
    trace: traceOf(mcpReq._meta) ?? http?.trace,
    origin: {
      requestId: open?.requestId,
      transport: http?.transport ?? (context.http ? "http" : "stdio"),
      era: envelope ? "modern" : "legacy",
      method: mcpReq.method,
    },
    unsent,
    onLine: () => {
      if (open) open.lined = true;
    },
    channel,
  };
}

/** The extension for tasks (SEP-2663), as capabilities name it. */
export const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";

/** Whether a modern client says, with this request, that it can be answered with a task. */
export function declaresTasks(capabilities: unknown): boolean {
  const { extensions } = (capabilities ?? {}) as { extensions?: Record<string, unknown> };
  return typeof extensions?.[TASKS_EXTENSION] === "object" && extensions[TASKS_EXTENSION] !== null;
}

/** What `notifications/progress` says. */
export const progressParams = (
  progressToken: string | number,
  progress: number,
  total: number | undefined,
  message: string | undefined,
) => ({
  progressToken,
  progress,
  ...(total !== undefined && { total }),
  ...(message !== undefined && { message }),
});
