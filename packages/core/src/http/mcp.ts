// MCP over whatever carries it: the server factory both eras share, and the pool that spares building a server per request.
import {
  CLIENT_INFO_META_KEY,
  type McpServerFactory,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { type CallRuntime, callTool } from "../call-tool.ts";
import { AppError } from "../errors.ts";
import { LOCAL_PRINCIPAL, type Principal } from "../principal.ts";
import type { Tool } from "../tool.ts";

export interface McpOptions {
  name: string;
  version: string;
  instructions: string;
}

/** Our own keys in `_meta`: an idempotency key a client sends beside the arguments, and what a result says about itself. */
export const IDEMPOTENCY_META_KEY = "io.github.stateful-mcp/idempotency-key";
const REPLAYED_META_KEY = "io.github.stateful-mcp/replayed";
const ERROR_META_KEY = "io.github.stateful-mcp/error";

/** What tools/list answers: the same for everybody, in a fixed order. */
export function wireTools(tools: Iterable<Tool>): Record<string, unknown>[] {
  return [...tools].map(({ name, title, description, inputSchema, outputSchema, annotations }) => ({
    name,
    title,
    description,
    inputSchema,
    outputSchema,
    annotations: { title, ...annotations },
  }));
}

/** A tool error as the model reads it: what happened and what to do, with the code for programs. */
export function errorResult(error: AppError) {
  const { code, message, retryable, retryAfterSeconds, details } = error;
  const facts = {
    code,
    retryable,
    ...(retryAfterSeconds !== undefined && { retry_after_seconds: retryAfterSeconds }),
    ...details,
  };
  return {
    content: [{ type: "text" as const, text: message }],
    isError: true,
    _meta: { [ERROR_META_KEY]: facts },
  };
}

/**
 * Builds a server. Nothing of a principal may be closed over here: an instance serves one request after the other, and who
 * asks comes with the request.
 */
function buildServer(runtime: CallRuntime, options: McpOptions, running: (delta: 1 | -1) => void): Server {
  const server = new Server(
    { name: options.name, version: options.version },
    {
      capabilities: { tools: {} },
      instructions: options.instructions,
      cacheHints: {
        "tools/list": { ttlMs: 300_000, cacheScope: "public" },
        "server/discover": { ttlMs: 300_000, cacheScope: "public" },
      },
    },
  );
  const tools = wireTools(runtime.tools.values());
  server.setRequestHandler("tools/list", () => ({ tools }) as never);
  server.setRequestHandler("tools/call", async (request, context) => {
    running(1);
    try {
      const { name, arguments: given } = request.params;
      if (!runtime.tools.has(name))
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `There is no tool ${JSON.stringify(name.slice(0, 64))}.`,
        );
      const { structured, replayed } = await callTool(runtime, {
        name,
        arguments: given,
        principal: principalOf(context),
        client: clientOf(server, context),
        signal: context.mcpReq.signal,
        transportSession: context.sessionId,
        idempotencyKey: metaText(context, IDEMPOTENCY_META_KEY),
        timeLimitMs: timeLimitOf(context),
      });
      return {
        content: [{ type: "text", text: JSON.stringify(structured) }],
        structuredContent: structured,
        ...(replayed && { _meta: { [REPLAYED_META_KEY]: true } }),
      };
    } catch (error) {
      if (error instanceof AppError) return errorResult(error);
      throw error;
    } finally {
      running(-1);
    }
  });
  return server;
}

/** The principal travels with the request's authInfo; only stdio, where the caller is whoever started the process, has none. */
export const PRINCIPAL_KEY = "principal";
function principalOf(context: ServerContext): Principal {
  const given = context.http?.authInfo?.extra?.[PRINCIPAL_KEY];
  return (given as Principal | undefined) ?? LOCAL_PRINCIPAL;
}

/** What the carrier of the request allows, where it has a limit of its own. */
export const TIME_LIMIT_KEY = "timeLimitMs";
const timeLimitOf = (context: ServerContext): number | undefined =>
  context.http?.authInfo?.extra?.[TIME_LIMIT_KEY] as number | undefined;

function metaText(context: ServerContext, key: string): string | undefined {
  const value: unknown = context.mcpReq._meta?.[key];
  return typeof value === "string" ? value : undefined;
}

function clientOf(server: Server, context: ServerContext): string {
  // A modern request says who it is; asking the instance would answer with whoever used it before.
  const envelope: Record<string, unknown> | undefined = context.mcpReq.envelope;
  const info = envelope ? envelope[CLIENT_INFO_META_KEY] : server.getClientVersion();
  const { name, version } = (info ?? {}) as { name?: unknown; version?: unknown };
  return typeof name === "string" && typeof version === "string" ? `${name} ${version}` : "";
}

const IDLE_MAX = 64;

/**
 * A factory that hands closed instances out again for modern requests. An instance comes back only when its exchange is over
 * and no handler of it still runs: one left behind by a cancelled call could speak into the next caller's stream.
 */
export function pooledFactory(runtime: CallRuntime, options: McpOptions): McpServerFactory {
  const idle: Server[] = [];
  const lease = (): Server => {
    const reused = idle.pop();
    if (reused) return reused;
    let handlers = 0;
    const server = buildServer(runtime, options, (delta) => {
      handlers += delta;
    });
    server.onclose = () => {
      if (handlers === 0 && idle.length < IDLE_MAX) idle.push(server);
    };
    return server;
  };
  // A 2025-era instance keeps what its handshake negotiated, so it is never handed out twice.
  return ({ era }) => (era === "modern" ? lease() : buildServer(runtime, options, () => {}));
}
