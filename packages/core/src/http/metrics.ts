// Numbers about this process in Prometheus's text format, at GET /metrics: off until asked for, and only for its operator. Labels have
// values that the app or the protocol defines, never ones that a caller can make up. Knows no logs and no store.
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Hono } from "hono";
import { bucketOf, type CallRecord, DURATION_BOUNDS_SECONDS, hasFailed } from "../call-record.ts";
import { AppError } from "../errors.ts";
import { OPERATE_SCOPE, type Principal } from "../principal.ts";
import { type Bindings, type CallerCheck, principalOf, type RequestContext, seenOf } from "./caller-of-request.ts";
import { isLoopbackAddress } from "./network.ts";

interface Series {
  readonly labels: string;
  readonly buckets: number[];
  seconds: number;
}

/** Statuses of requests that were turned away. */
const REFUSALS = [401, 403, 413, 429] as const;
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Counts what this process does, from its start. */
export class Metrics {
  readonly #calls = new Map<string, Series>();
  readonly #cache = { hit: 0, miss: 0 };
  readonly #refused = new Map<number, number>(REFUSALS.map((status) => [status, 0]));
  readonly #delay = monitorEventLoopDelay({ resolution: 20 });
  #replays = 0;

  constructor() {
    this.#delay.enable();
  }

  call({ method, tool, outcome, transport, era, durationMs, cached }: CallRecord): void {
    const error = hasFailed(outcome) ? outcome : "";
    const key = `${method} ${tool} ${error} ${transport} ${era}`;
    let series = this.#calls.get(key);
    if (!series) {
      const labels = labelsOf({
        mcp_method_name: method,
        gen_ai_tool_name: tool,
        error_type: error,
        network_transport: { http: "tcp", rest: "tcp", stdio: "pipe" }[transport] ?? "",
        mcp_protocol_era: era,
      });
      series = { labels, buckets: Array<number>(DURATION_BOUNDS_SECONDS.length + 1).fill(0), seconds: 0 };
      this.#calls.set(key, series);
    }
    series.buckets[bucketOf(durationMs)]! += 1;
    series.seconds += durationMs / 1000;
    if (cached !== undefined) this.#cache[cached ? "hit" : "miss"] += 1;
    if (outcome === "replayed") this.#replays += 1;
  }

  /** Counts an answer by which a request was turned away; others are none of its business. */
  answered(status: number): void {
    const count = this.#refused.get(status);
    if (count !== undefined) this.#refused.set(status, count + 1);
  }

  close(): void {
    this.#delay.disable();
  }

  /** All of it as text. The event loop's delay is that since the last time. */
  text(): string {
    const delay = this.#delay.percentile(99) / 1e9;
    this.#delay.reset();
    return [
      ...describe("mcp_server_operation_duration_seconds", "histogram", "Duration of MCP calls as the server sees it."),
      ...[...this.#calls.values()].flatMap(linesOf),
      ...describe(
        "stateful_mcp_cache_lookups_total",
        "counter",
        "Calls of cached tools, by whether a result was there.",
      ),
      ...Object.entries(this.#cache).map(([result, n]) => `stateful_mcp_cache_lookups_total{result="${result}"} ${n}`),
      ...describe("stateful_mcp_idempotency_replays_total", "counter", "Calls answered with a recorded answer."),
      `stateful_mcp_idempotency_replays_total ${this.#replays}`,
      ...describe("stateful_mcp_requests_refused_total", "counter", "HTTP requests turned away, by status."),
      ...[...this.#refused].map(([status, n]) => `stateful_mcp_requests_refused_total{status="${status}"} ${n}`),
      ...describe(
        "nodejs_eventloop_delay_p99_seconds",
        "gauge",
        "99th percentile of the event loop's delay since the last scrape.",
      ),
      `nodejs_eventloop_delay_p99_seconds ${Number.isFinite(delay) ? delay : 0}`,
      ...describe("process_resident_memory_bytes", "gauge", "Memory of the process."),
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
      ...describe("process_start_time_seconds", "gauge", "When the process began, in seconds since the epoch."),
      `process_start_time_seconds ${Math.round(performance.timeOrigin) / 1000}`,
      "",
    ].join("\n");
  }
}

const describe = (name: string, type: string, help: string): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
];

/** Values are names of tools, methods and codes; a tool's author may have put anything into a name. */
const labelsOf = (labels: Record<string, string>): string =>
  Object.entries(labels)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}="${value.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`)
    .join(",");

function linesOf({ labels, buckets, seconds }: Series): string[] {
  const name = "mcp_server_operation_duration_seconds";
  const and = labels === "" ? "" : `${labels},`;
  let count = 0;
  const counted = buckets.map((n, at) => {
    count += n;
    return `${name}_bucket{${and}le="${DURATION_BOUNDS_SECONDS[at] ?? "+Inf"}"} ${count}`;
  });
  return [...counted, `${name}_sum{${labels}} ${seconds}`, `${name}_count{${labels}} ${count}`];
}

/** Serves the numbers to this machine's user, or to who has a token that names the scope. */
export function serveMetrics(app: Hono<Bindings>, metrics: Metrics, callers: CallerCheck): void {
  app.get("/metrics", async (c) => {
    const principal = await principalOf(c, callers);
    // A proxy on this machine would make every stranger look like its neighbour: an address alone opens nothing.
    if (principal.kind === "anonymous") return c.notFound();
    if (!mayOperate(principal, c)) {
      callers.refusals.tell("scope", { ...seenOf(c), principal: principal.id, scope: OPERATE_SCOPE });
      throw new AppError(
        "forbidden",
        `Numbers about this server are for its operator: your token would have to name the scope ${OPERATE_SCOPE}.`,
        { details: { scope: OPERATE_SCOPE } },
      );
    }
    return c.body(metrics.text(), 200, { "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store" });
  });
}

/** Without scopes a token may use every tool, and still is not the operator's. */
function mayOperate({ kind, scopes }: Principal, c: RequestContext): boolean {
  if (kind === "local") return c.env.address === undefined || isLoopbackAddress(c.env.address);
  return scopes?.includes(OPERATE_SCOPE) === true;
}
