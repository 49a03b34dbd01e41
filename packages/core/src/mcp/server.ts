// MCP over any transport: the server factory both eras share, and the pool that spares building a server per request.
import {
  type McpServerFactory,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { callTool, type ToolResult } from "../calls/call-tool.ts";
import type { Services } from "../calls/services.ts";
import { AppError } from "../errors.ts";
import { InvalidRequestState } from "../state/request-state.ts";
import { cutText } from "../text.ts";
import { IDEMPOTENCY_META_KEY, underWay, withSource } from "./call-source.ts";
import { callToolResult, errorResult } from "./call-tool-result.ts";
import type { LegacyState } from "./legacy/state.ts";
import { serveSubscriptions } from "./legacy/subscribe.ts";
import { capabilitiesOf, hasTasks, type OfferTo, PUBLIC_LIST, wireTools } from "./offer.ts";
import { protocolError } from "./protocol-error.ts";
import { serveCompletion, servePrompts, serveResources, type Tracked } from "./reading.ts";
import { watchRequests } from "./requests.ts";
import { createdTask, serveTasks } from "./tasks.ts";

export interface McpOptions {
  name: string;
  version: string;
  instructions: string | undefined;
  /** Whether clients may hold streams that tell of changes. */
  subscriptions: boolean;
  /** Where subscriptions of 2025-era clients are kept. */
  legacy: LegacyState;
}

/** Our own key in an answer's `_meta`: the result had been recorded. */
const REPLAYED_META_KEY = "io.github.stateful-mcp/replayed";

/** What one server is built for. */
interface ServerKind extends OfferTo {
  readonly overHttp: boolean;
}

/** Depends on who asks and may change at any time. */
const PRIVATE_STATE = { ttlMs: 0, cacheScope: "private" } as const;

/**
 * Builds a server. Nothing of a principal may be closed over here: an instance serves one request after the other, and who
 * asks comes with the request. `tracked` must count every handler that awaits anything.
 */
function buildServer(services: Services, options: McpOptions, kind: ServerKind, tracked: Tracked): Server {
  const capabilities = capabilitiesOf(services, kind);
  const dynamic = services.resources.all.some((one) => one.list);
  const server = new Server(
    { name: options.name, version: options.version },
    {
      capabilities,
      ...(options.instructions !== undefined && { instructions: options.instructions }),
      cacheHints: {
        "tools/list": PUBLIC_LIST,
        "prompts/list": PUBLIC_LIST,
        "resources/templates/list": PUBLIC_LIST,
        "resources/list": dynamic ? PRIVATE_STATE : PUBLIC_LIST,
        "resources/read": PRIVATE_STATE,
        "server/discover": PUBLIC_LIST,
      },
    },
  );
  watchRequests(server, services, kind.overHttp);
  let tools: ReturnType<typeof wireTools> | undefined;
  server.setRequestHandler("tools/list", () => {
    tools ??= wireTools(services.tools.values());
    return { tools } as never;
  });
  server.setRequestHandler("tools/call", ({ params }, context) =>
    tracked(() => toolCall(server, services, params, context)),
  );
  if (capabilities.resources) serveResources(server, services, tracked);
  if (kind.era === "legacy" && capabilities.resources?.subscribe) serveSubscriptions(server, services, options.legacy);
  if (capabilities.prompts) servePrompts(server, services, tracked);
  if (capabilities.completions) serveCompletion(server, services, tracked);
  if (kind.era === "modern" && hasTasks(services)) serveTasks(server, services, tracked);
  return server;
}

async function toolCall(
  server: Server,
  services: Services,
  params: { name: string; arguments?: unknown },
  context: ServerContext,
) {
  const { name, arguments: given } = params;
  const tool = services.tools.get(name);
  if (!tool)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `There is no tool ${JSON.stringify(cutText(name, 64))}.`);
  try {
    return await withSource(server, context, async (source) => {
      const idempotencyKey = metaText(context, IDEMPOTENCY_META_KEY);
      const call = { ...source, name, arguments: given, idempotencyKey };
      const { structured, replayed, task } = await (ranBefore(server, context) ?? callTool(services, call));
      const answer = task ? createdTask(task) : callToolResult(structured, !tool.output);
      return { ...answer, ...(replayed && { _meta: { [REPLAYED_META_KEY]: true } }) } as ReturnType<
        typeof callToolResult
      >;
    });
  } catch (error) {
    if (error instanceof InvalidRequestState) throw protocolError(error);
    if (error instanceof AppError) return errorResult(error);
    throw error;
  }
}

/** What the call has come to already. It counts once: after a question the call is made again. */
function ranBefore(server: Server, { mcpReq }: ServerContext): Promise<ToolResult> | undefined {
  const open = underWay.get(server)?.get(mcpReq.id);
  const ran = open?.ran;
  if (open) open.ran = undefined;
  return ran;
}

function metaText(context: ServerContext, key: string): string | undefined {
  const value: unknown = context.mcpReq._meta?.[key];
  return typeof value === "string" ? value : undefined;
}

const IDLE_MAX = 64;

/**
 * A factory that hands closed instances out again for modern requests. An instance comes back only when its channel is over
 * and no handler of it still runs: one left behind by a cancelled call could speak into the next caller's stream.
 */
export function pooledFactory(services: Services, options: McpOptions): McpServerFactory {
  const idle: Server[] = [];
  const lease = (): Server => {
    const reused = idle.pop();
    if (reused) return reused;
    let handlers = 0;
    const kind = { era: "modern", subscriptions: options.subscriptions, overHttp: true } as const;
    const server = buildServer(services, options, kind, async (work) => {
      handlers += 1;
      try {
        return await work();
      } finally {
        handlers -= 1;
      }
    });
    server.onclose = () => {
      if (handlers === 0 && idle.length < IDLE_MAX) idle.push(server);
    };
    return server;
  };
  // A 2025-era instance keeps what its handshake negotiated, so it is never handed out twice. Without HTTP its subscriptions have
  // no session to be kept with; modern ones are no matter of the instance.
  return ({ era, requestInfo }) => {
    if (era === "modern" && requestInfo) return lease();
    const overHttp = requestInfo !== undefined;
    const subscriptions = options.subscriptions && (era === "modern" || overHttp);
    return buildServer(services, options, { era, subscriptions, overHttp }, (work) => work());
  };
}
