// Tools as plain JSON over HTTP, for programs: two shapes that older servers of this kind had, and a description of them that is
// made from the tools themselves. Finds out nothing about who calls; the router does.
import type { Context, Hono } from "hono";
import type { CallRuntime } from "../calls/call.ts";
import { callTool } from "../calls/call-tool.ts";
import { AppError } from "../errors.ts";
import { wireTools } from "../mcp/server.ts";
import type { Principal } from "../principal.ts";
import { readJson } from "./body.ts";
import { docsPage } from "./docs-page.ts";
import { openApi } from "./openapi.ts";
import type { Bindings } from "./router.ts";

type RequestContext = Context<Bindings>;

export interface RestOptions {
  readonly runtime: CallRuntime;
  readonly service: string;
  readonly version: string;
  readonly bodyMaxBytes: number;
  /** Whether callers have to show a token. */
  readonly asksForToken: boolean;
  principalOf(c: RequestContext): Promise<Principal>;
  /** What is thrown, as an error that a caller may see, with the headers that belong to it. */
  failure(thrown: unknown, c: RequestContext): { error: AppError; headers: Record<string, string> };
}

export function serveRest(app: Hono<Bindings>, options: RestOptions): void {
  const { runtime } = options;
  const description = () => openApi(runtime.tools.values(), options);

  const call = async (c: RequestContext, principal: Principal, name: string, given: unknown) => {
    const { timeLimitMs } = c.env;
    const idempotencyKey = c.req.header("idempotency-key");
    const request = { name, arguments: given, principal, signal: c.req.raw.signal, idempotencyKey, timeLimitMs };
    const { structured, replayed } = await callTool(runtime, request);
    const headers: Record<string, string> = replayed ? { "Idempotency-Replayed": "true" } : {};
    return { structured, headers };
  };

  app.get("/mcp/list_tools", async (c) => {
    await options.principalOf(c);
    return c.json({ tools: wireTools(runtime.tools.values()) });
  });

  app.post("/mcp/call_tool", async (c) => {
    try {
      const principal = await options.principalOf(c);
      const body = await readJson(c.req.raw, options.bodyMaxBytes);
      const { name, arguments: given } = (body ?? {}) as { name?: unknown; arguments?: unknown };
      if (typeof name !== "string") throw new AppError("invalid_input", 'Send {"name": "<tool>", "arguments": {…}}.');
      const { structured, headers } = await call(c, principal, name, given);
      return c.json({ result: structured }, 200, headers);
    } catch (thrown) {
      const { error, headers } = options.failure(thrown, c);
      return c.json({ error: error.message, code: error.code, ...error.details }, error.status as 400, headers);
    }
  });

  app.post("/tools/:name", async (c) => {
    try {
      const principal = await options.principalOf(c);
      const given = await readJson(c.req.raw, options.bodyMaxBytes);
      const { structured, headers } = await call(c, principal, c.req.param("name"), given);
      return c.json({ success: true, ...structured }, 200, headers);
    } catch (thrown) {
      const { error, headers } = options.failure(thrown, c);
      const body = { success: false, error: error.message, code: error.code, ...error.details };
      return c.json(body, error.status as 400, headers);
    }
  });

  app.get("/openapi.json", async (c) => {
    await options.principalOf(c);
    return c.json(description());
  });

  app.get("/docs", async (c) => {
    await options.principalOf(c);
    // The page has no scripts; should a description ever smuggle one in, it does not run.
    c.header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    return c.html(docsPage(description()));
  });
}
