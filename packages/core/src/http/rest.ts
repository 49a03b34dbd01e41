// Tools as plain JSON over HTTP, for programs: two shapes that older servers of this kind had, and a description of them that is
// made from the tools themselves.
import type { Hono } from "hono";
import { TaskGoesOn } from "../calls/call-task.ts";
import { callTool, type ToolCall, type ToolResult } from "../calls/call-tool.ts";
import type { Services } from "../calls/services.ts";
import type { Unsent } from "../calls/unsent.ts";
import { AppError } from "../errors.ts";
import { wireTools } from "../mcp/offer.ts";
import { TOOL_ERROR } from "../mcp/spans.ts";
import type { Principal } from "../principal.ts";
import type { Bodies } from "./body.ts";
import {
  type Bindings,
  type CallerCheck,
  principalOf,
  type RequestContext,
  traceOfHeaders,
} from "./caller-of-request.ts";
import { docsPage } from "./docs-page.ts";
import { openApi } from "./openapi.ts";
import { asAppError, headersFor } from "./problem.ts";

export interface RestOptions {
  readonly services: Services;
  readonly callers: CallerCheck;
  readonly unsent: Unsent;
  readonly service: string;
  readonly version: string;
  readonly bodies: Bodies;
}

export function serveRest(app: Hono<Bindings>, options: RestOptions): void {
  const { services, callers } = options;
  const asksForToken = callers.access.mode !== "local" && callers.access.mode !== "anonymous";
  const description = () => openApi(services.tools.values(), { ...options, asksForToken });

  const call = async (c: RequestContext, principal: Principal, name: string, given: unknown) => {
    const { timeLimitMs, onSent } = c.env;
    const unsent = onSent && options.unsent.answerTo(principal, onSent);
    const idempotencyKey = c.req.header("idempotency-key");
    const request = {
      name,
      arguments: given,
      principal,
      signal: c.req.raw.signal,
      idempotencyKey,
      timeLimitMs,
      unsent,
      trace: traceOfHeaders((name) => c.req.header(name)),
      origin: { requestId: c.env.requestId, transport: "rest" as const, method: "tools/call" },
    };
    const { structured, replayed } = await traced(services, request, () => callTool(services, request));
    const headers: Record<string, string> = replayed ? { "Idempotency-Replayed": "true" } : {};
    return { structured, headers };
  };

  app.get("/mcp/list_tools", async (c) => {
    await principalOf(c, callers);
    return answer(c, { tools: wireTools(services.tools.values()) });
  });

  app.post("/mcp/call_tool", async (c) => {
    try {
      const principal = await principalOf(c, callers);
      const body = await options.bodies.readJson(c.req.raw, principal);
      const { name, arguments: given } = (body ?? {}) as { name?: unknown; arguments?: unknown };
      if (typeof name !== "string") throw new AppError("invalid_input", 'Send {"name": "<tool>", "arguments": {…}}.');
      const { structured, headers } = await call(c, principal, name, given);
      return answer(c, { result: structured }, 200, headers);
    } catch (thrown) {
      if (thrown instanceof TaskGoesOn)
        return answer(c, { result: { ...thrown.details, message: thrown.message } }, 202);
      const error = await asAppError(thrown, services.logger);
      const headers = headersFor(error, c, callers.access);
      return answer(c, { error: error.message, code: error.code, ...error.details }, error.status, headers);
    }
  });

  app.post("/tools/:name", async (c) => {
    try {
      const principal = await principalOf(c, callers);
      const given = await options.bodies.readJson(c.req.raw, principal);
      const { structured, headers } = await call(c, principal, c.req.param("name"), given);
      return answer(c, { success: true, ...structured }, 200, headers);
    } catch (thrown) {
      if (thrown instanceof TaskGoesOn)
        return answer(c, { success: true, ...thrown.details, message: thrown.message }, 202);
      const error = await asAppError(thrown, services.logger);
      const headers = headersFor(error, c, callers.access);
      const body = { success: false, error: error.message, code: error.code, ...error.details };
      return answer(c, body, error.status, headers);
    }
  });

  app.get("/openapi.json", async (c) => {
    await principalOf(c, callers);
    return c.json(description());
  });

  app.get("/docs", async (c) => {
    await principalOf(c, callers);
    // The page has no scripts; should a description ever smuggle one in, it does not run.
    c.header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    return c.html(docsPage(description()));
  });
}

/** Runs a call under a span of its own, where spans are made. */
async function traced(services: Services, call: ToolCall, run: () => Promise<ToolResult>): Promise<ToolResult> {
  const { name, trace } = call;
  const span = services.telemetry?.request({
    method: "tools/call",
    ...(services.tools.has(name) && { tool: name }),
    transport: "rest",
    fromHeaders: trace,
  });
  if (!span) return run();
  try {
    const result = await span.run(run);
    span.end(result.structured.isError === true ? TOOL_ERROR : undefined);
    return result;
  } catch (thrown) {
    span.end(
      thrown instanceof TaskGoesOn ? undefined : { type: thrown instanceof AppError ? thrown.code : "internal" },
    );
    throw thrown;
  }
}

/** With a line end, so that the prompt of a person who calls from a terminal stands on a line of its own. */
function answer(c: RequestContext, body: object, status = 200, headers: Record<string, string> = {}): Response {
  return c.body(`${JSON.stringify(body)}\n`, status as 200, { "Content-Type": "application/json", ...headers });
}
