// What is for the operator alone, and GET /metrics, the first of it. Knows nothing of what is counted.
import type { Hono } from "hono";
import { AppError } from "../errors.ts";
import { OPERATE_SCOPE, type Principal } from "../principal.ts";
import { type Bindings, type CallerCheck, principalOf, type RequestContext, seenOf } from "./caller-of-request.ts";
import type { Metrics } from "./metrics.ts";
import { isLoopbackAddress } from "./network.ts";

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Serves the numbers to this machine's user, or to who has a token that names the scope. */
export function serveMetrics(app: Hono<Bindings>, metrics: Metrics, callers: CallerCheck): void {
  app.get("/metrics", async (c) => {
    if (!(await requireOperator(c, callers))) return c.notFound();
    return c.body(metrics.text(), 200, { "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store" });
  });
}

/**
 * Whether there is an operator at all: none where everybody may call.
 * @throws AppError `forbidden` when the caller is not the operator.
 */
export async function requireOperator(c: RequestContext, callers: CallerCheck): Promise<boolean> {
  const principal = await principalOf(c, callers);
  // A proxy on this machine would make every stranger look like its neighbour: an address alone opens nothing.
  if (principal.kind === "anonymous") return false;
  if (mayOperate(principal, c)) return true;
  callers.refusals.tell("scope", { ...seenOf(c), principal: principal.id, scope: OPERATE_SCOPE });
  throw new AppError(
    "forbidden",
    `What this server does is for its operator: your token would have to name the scope ${OPERATE_SCOPE}.`,
    { details: { scope: OPERATE_SCOPE } },
  );
}

/** Without scopes a token may use every tool, and still is not the operator's. */
function mayOperate({ kind, scopes }: Principal, c: RequestContext): boolean {
  if (kind === "local") return c.env.address === undefined || isLoopbackAddress(c.env.address);
  return scopes?.includes(OPERATE_SCOPE) === true;
}
