// Numbers about this process in Prometheus's text format: off until asked for. Labels have values that the app or the protocol defines,
// never ones that a caller can make up. Knows no logs, no store and no route.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { CallCounts } from "../call-counts.ts";
import {
  bucketOf,
  type CallRecord,
  DURATION_BOUNDS_SECONDS,
  type Happening,
  hasFailed,
  type Observer,
} from "../call-record.ts";
import { ATTRIBUTE as A, labelName, METRIC_ATTRIBUTE as M, METRIC, prometheusName } from "../telemetry-names.ts";

/** Statuses of requests that were turned away: shown before there was one. */
const REFUSALS = [401, 403, 413, 429] as const;

/** Those that are shown before anything has happened, too. */
const COUNTED = [
  ...[METRIC.cacheLookups, METRIC.replays, METRIC.rateLimited, METRIC.authFailures, METRIC.refused],
  ...[METRIC.tasksCreated, METRIC.taskRuns],
];

type Metric = (typeof METRIC)[keyof typeof METRIC];
type Labels = Readonly<Record<string, string>>;

/** Durations of a kind, between the bounds. */
interface Histogram {
  readonly labels: string;
  readonly buckets: number[];
  seconds: number;
}

/** Counts what this process does, from its start. */
export class Metrics implements Observer {
  readonly #calls = new CallCounts();
  readonly #counters = new Map<Metric, Map<string, number>>();
  readonly #sessions = new Map<string, Histogram>();
  readonly #delay = monitorEventLoopDelay({ resolution: 20 });
  #streams = 0;

  constructor() {
    this.#delay.enable();
    for (const metric of COUNTED) this.#counters.set(metric, new Map());
    for (const status of REFUSALS) this.#count(METRIC.refused, { [M.status]: String(status) }, 0);
    for (const result of ["hit", "miss"]) this.#count(METRIC.cacheLookups, { [M.result]: result }, 0);
    for (const one of [METRIC.replays, METRIC.rateLimited]) this.#count(one, {}, 0);
  }

  call(call: CallRecord): void {
    this.#calls.add(call);
    if (call.cached !== undefined) this.#count(METRIC.cacheLookups, { [M.result]: call.cached ? "hit" : "miss" });
    if (call.outcome === "replayed") this.#count(METRIC.replays, {});
    if (call.outcome === "rate_limited") this.#count(METRIC.rateLimited, {});
  }

  happened(happening: Happening): void {
    switch (happening.kind) {
      case "refused":
        this.#count(METRIC.refused, { [M.status]: String(happening.status) });
        return;
      case "auth_failure":
        this.#count(METRIC.authFailures, { [M.reason]: happening.reason });
        return;
      case "task_created":
        this.#count(METRIC.tasksCreated, { [A.tool]: happening.tool });
        return;
      case "task_run":
        this.#count(METRIC.taskRuns, { [A.tool]: happening.tool, [M.result]: happening.outcome });
        return;
      case "listen":
        this.#streams += happening.open;
        return;
      case "session_ended":
        addTo(this.#sessions, { [A.transport]: networkOf(happening.transport) }, bucketOf(happening.seconds * 1000), {
          count: 1,
          seconds: happening.seconds,
        });
        return;
    }
  }

  #count(metric: Metric, labels: Labels, by = 1): void {
    const all = this.#counters.get(metric) ?? new Map<string, number>();
    this.#counters.set(metric, all);
    const text = textOf(labels);
    all.set(text, (all.get(text) ?? 0) + by);
  }

  close(): void {
    this.#delay.disable();
  }

  /** All of it as text. The event loop's delay is that since the last time. */
  text(): string {
    const delay = this.#delay.percentile(99) / 1e9;
    this.#delay.reset();
    return [
      ...histogramLines(METRIC.duration, this.#durations().values()),
      ...[...this.#counters].flatMap(([metric, all]) => valueLines(metric, "counter", all)),
      ...histogramLines(METRIC.sessionDuration, this.#sessions.values()),
      ...valueLines(METRIC.listens, "gauge", [["", this.#streams]]),
      ...valueLines(METRIC.eventLoopDelay, "gauge", [["", Number.isFinite(delay) ? delay : 0]]),
      ...describe("process_resident_memory_bytes", "gauge", "Memory of the process."),
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
      ...describe("process_start_time_seconds", "gauge", "When the process began, in seconds since the epoch."),
      `process_start_time_seconds ${Math.round(performance.timeOrigin) / 1000}`,
      "",
    ].join("\n");
  }

  #durations(): Map<string, Histogram> {
    const all = new Map<string, Histogram>();
    for (const { method, tool, outcome, transport, era, buckets, milliseconds } of this.#calls.all) {
      const labels = {
        ...{ [A.method]: method, [A.tool]: tool, [A.errorType]: hasFailed(outcome) ? outcome : "" },
        ...{ [A.transport]: networkOf(transport), mcp_protocol_era: era },
      };
      for (const [at, count] of buckets.entries()) if (count > 0) addTo(all, labels, at, { count, seconds: 0 });
      addTo(all, labels, 0, { count: 0, seconds: milliseconds / 1000 });
    }
    return all;
  }
}

function addTo(all: Map<string, Histogram>, given: Labels, at: number, more: { count: number; seconds: number }): void {
  const labels = textOf(given);
  let one = all.get(labels);
  if (!one) {
    one = { labels, buckets: Array<number>(DURATION_BOUNDS_SECONDS.length + 1).fill(0), seconds: 0 };
    all.set(labels, one);
  }
  one.buckets[at]! += more.count;
  one.seconds += more.seconds;
}

const networkOf = (transport: string): string => ({ http: "tcp", rest: "tcp", stdio: "pipe" })[transport] ?? "";

const describe = (name: string, type: string, help: string): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
];

/** Values are names of tools, methods and codes; a tool's author may have put anything into a name. */
const textOf = (labels: Labels): string =>
  Object.entries(labels)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${labelName(name)}="${value.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`)
    .join(",");

function valueLines(metric: Metric, type: "counter" | "gauge", all: Iterable<readonly [labels: string, n: number]>) {
  const name = prometheusName(metric, type);
  const lines = [...all].map(([labels, n]) => `${name}${labels && `{${labels}}`} ${n}`);
  return [...describe(name, type, metric[2]), ...lines];
}

function histogramLines(metric: Metric, all: Iterable<Histogram>): string[] {
  const name = prometheusName(metric, "histogram");
  const lines = [...all].flatMap(({ labels, buckets, seconds }) => {
    const and = labels && `${labels},`;
    const of = labels && `{${labels}}`;
    let count = 0;
    const counted = buckets.map((n, at) => {
      count += n;
      return `${name}_bucket{${and}le="${DURATION_BOUNDS_SECONDS[at] ?? "+Inf"}"} ${count}`;
    });
    return [...counted, `${name}_sum${of} ${seconds}`, `${name}_count${of} ${count}`];
  });
  return [...describe(name, "histogram", metric[2]), ...lines];
}
