// Core's telemetry on the OpenTelemetry API: whichever SDK is registered in this process gets the spans and metrics. Loaded only where
// there is one. Knows no exporter and no environment.
import { monitorEventLoopDelay } from "node:perf_hooks";
import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  metrics,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import {
  ATTRIBUTE as A,
  type BegunRun,
  type CallFacts,
  DURATION_BOUNDS_SECONDS,
  type Happening,
  type IncomingRequest,
  METRIC,
  METRIC_ATTRIBUTE,
  type RequestFailure,
  type RequestSpan,
  type Telemetry,
  type TraceContext,
  VERSION,
} from "@stateful-mcp/core/runtime";

const NAME = "stateful-mcp";
const REQUEST = createContextKey("stateful-mcp request");
/** Outcomes that are no code of an error: those of calls, and how runs of tasks end. */
const NO_CODES = new Set([
  ...["ok", "replayed", "task", "input_required"],
  ...["completed", "failed", "given_up", "parked", "released", "cancelled", "expired", "overtaken"],
]);

/** `propagation` makes no spans: those of the process nest under the caller's. */
export const openSpans = (mode: "native" | "propagation"): Telemetry =>
  mode === "native" ? new NativeTelemetry() : PROPAGATION;

const current = () => context.active().getValue(REQUEST) as RequestSpan | undefined;

const under = (parent: Context): RequestSpan => ({
  trace: undefined,
  run: (work) => context.with(parent, work),
  tell: () => {},
  end: () => {},
});

const PROPAGATION: Telemetry = {
  request: (request) => {
    const { parent } = parentOf(request);
    return under(parent);
  },
  taskRun: ({ call }) => under(extract(ROOT_CONTEXT, call)),
  current: () => undefined,
  tableRequest: () => () => {},
  happened: () => {},
};

class NativeTelemetry implements Telemetry {
  readonly #tracer = trace.getTracer(NAME, VERSION);
  readonly #instruments = instruments();

  readonly current = current;

  request(request: IncomingRequest): RequestSpan {
    const { parent, links } = parentOf(request);
    const target = request.tool ?? request.prompt;
    const attributes = attributesOf(request);
    const span = this.#tracer.startSpan(
      target === undefined ? request.method : `${request.method} ${target}`,
      { kind: SpanKind.SERVER, attributes, links },
      parent,
    );
    return new NativeSpan(span, parent, (facts, failure, seconds) => this.#record(request, facts, failure, seconds));
  }

  taskRun({ tool, task, attempt, call }: BegunRun): RequestSpan {
    const made = extract(ROOT_CONTEXT, call);
    const maker = trace.getSpanContext(made);
    // A trace of its own, because a task may last for days; unless that of its call is not kept.
    const isKept = !maker || (maker.traceFlags & TraceFlags.SAMPLED) !== 0;
    const parent = isKept ? trace.deleteSpan(made) : made;
    const attributes = {
      ...(tool !== undefined && { [A.tool]: tool }),
      ...{ [A.operation]: "execute_tool", [A.task]: task, [A.attempt]: attempt },
    };
    const span = this.#tracer.startSpan(
      tool === undefined ? "task" : `task ${tool}`,
      { kind: SpanKind.CONSUMER, attributes, links: maker ? [{ context: maker }] : [] },
      parent,
    );
    return new NativeSpan(span, parent, () => {});
  }

  tableRequest(operation: string, table: string) {
    const started = performance.now();
    const attributes = { [A.dbSystem]: "aws.dynamodb", [A.dbOperation]: operation, [A.dbTable]: table.split(",") };
    // What a process asks for by itself, such as whether the table is there, would be a trace of its own each time.
    const span =
      trace.getActiveSpan() && this.#tracer.startSpan(`${operation} ${table}`, { kind: SpanKind.CLIENT, attributes });
    return ({ attempts, units, error }: { attempts: number; units: number; error?: string | undefined }) => {
      span?.setAttributes({ [A.attempts]: attempts, [A.units]: units, ...(error && { [A.errorType]: error }) });
      // A condition that does not hold is an answer.
      const failed = error !== undefined && error !== "ConditionalCheckFailedException";
      if (failed) span?.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span?.end();
      const seconds = (performance.now() - started) / 1000;
      const told = { [A.dbOperation]: operation };
      this.#instruments.storeDuration.record(seconds, { ...told, ...(failed && { [A.errorType]: error }) });
      if (attempts > 1) this.#instruments.storeRetries.add(attempts - 1, told);
      if (units > 0) this.#instruments.storeUnits.add(units, told);
    };
  }

  happened(happening: Happening): void {
    const { refused, authFailures, listens, sessionDuration, tasksCreated, taskRuns } = this.#instruments;
    switch (happening.kind) {
      case "refused":
        refused.add(1, { [METRIC_ATTRIBUTE.status]: happening.status });
        return;
      case "auth_failure":
        authFailures.add(1, { [METRIC_ATTRIBUTE.reason]: happening.reason });
        return;
      case "listen":
        listens.add(happening.open);
        return;
      case "session_ended":
        sessionDuration.record(happening.seconds, { [A.transport]: transportOf(happening) });
        return;
      case "task_created":
        tasksCreated.add(1, { [A.tool]: happening.tool });
        return;
      case "task_run":
        taskRuns.add(1, {
          [METRIC_ATTRIBUTE.result]: happening.outcome,
          ...(happening.tool && { [A.tool]: happening.tool }),
        });
        return;
    }
  }

  #record(
    request: IncomingRequest,
    facts: CallFacts | undefined,
    failure: RequestFailure | undefined,
    seconds: number,
  ) {
    const { method, tool, prompt, revision } = request;
    this.#instruments.duration.record(seconds, {
      [A.method]: method,
      [A.transport]: transportOf(request),
      ...(tool !== undefined && { [A.tool]: tool }),
      ...(prompt !== undefined && { [A.prompt]: prompt }),
      ...(revision !== undefined && { [A.revision]: revision }),
      ...(failure && { [A.errorType]: failure.type }),
    });
    if (facts?.cached !== undefined)
      this.#instruments.cacheLookups.add(1, { [METRIC_ATTRIBUTE.result]: facts.cached ? "hit" : "miss" });
    if (facts?.outcome === "replayed") this.#instruments.replays.add(1);
    if (facts?.outcome === "rate_limited") this.#instruments.rateLimited.add(1);
  }
}

type Ended = (facts: CallFacts | undefined, failure: RequestFailure | undefined, seconds: number) => void;

class NativeSpan implements RequestSpan {
  readonly trace: TraceContext | undefined;
  readonly #span: Span;
  readonly #context: Context;
  readonly #ended: Ended;
  readonly #started = performance.now();
  #facts: CallFacts | undefined;
  #open = true;

  constructor(span: Span, parent: Context, ended: Ended) {
    this.#span = span;
    this.#ended = ended;
    this.#context = trace.setSpan(parent, span).setValue(REQUEST, this);
    this.trace = traceFrom(this.#context, span);
  }

  run<T>(work: () => T): T {
    return context.with(this.#context, work);
  }

  tell(facts: CallFacts): void {
    this.#facts = facts;
    const { outcome, cached } = facts;
    this.#span.setAttributes({
      [A.outcome]: outcome,
      ...(outcome === "replayed" && { [A.replayed]: true }),
      ...(cached !== undefined && { [A.cache]: cached ? "hit" : "miss" }),
      ...(!NO_CODES.has(outcome) && { [A.errorCode]: outcome }),
    });
  }

  end(failure?: RequestFailure): void {
    if (!this.#open) return;
    this.#open = false;
    if (failure) {
      const { type, code } = failure;
      this.#span.setAttributes({ [A.errorType]: type, ...(code !== undefined && { [A.statusCode]: String(code) }) });
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
    this.#ended(this.#facts, failure, (performance.now() - this.#started) / 1000);
  }
}

/**
 * The message's own word is the parent, since a proxy may have written the header, which is then linked. Where something else in this
 * process has begun a span for the HTTP request, that stands for the header.
 */
function parentOf({ fromMessage, fromHeaders }: IncomingRequest) {
  const active = context.active();
  const around = trace.getSpan(active) ? active : extract(active, fromHeaders);
  if (!fromMessage) return { parent: around, links: [] };
  const linked = trace.getSpanContext(around);
  return { parent: extract(active, fromMessage), links: linked ? [{ context: linked }] : [] };
}

const extract = (base: Context, found: TraceContext | undefined): Context =>
  found ? propagation.extract(trace.deleteSpan(base), found.headers) : base;

function traceFrom(own: Context, span: Span): TraceContext {
  const headers: Record<string, string> = {};
  propagation.inject(own, headers);
  const { traceId, spanId } = span.spanContext();
  return { traceId, spanId, headers };
}

const transportOf = ({ transport }: Pick<IncomingRequest, "transport">): string =>
  transport === "stdio" ? "pipe" : "tcp";

const attributesOf = (request: IncomingRequest): Attributes => ({
  [A.method]: request.method,
  [A.transport]: transportOf(request),
  ...(request.transport !== "stdio" && { [A.protocol]: "http" }),
  ...(request.id !== undefined && { [A.requestId]: String(request.id) }),
  ...(request.tool !== undefined && { [A.tool]: request.tool, [A.operation]: "execute_tool" }),
  ...(request.prompt !== undefined && { [A.prompt]: request.prompt }),
  ...(request.uri !== undefined && { [A.uri]: request.uri }),
  ...(request.revision !== undefined && { [A.revision]: request.revision }),
  ...(request.session !== undefined && { [A.session]: request.session }),
});

function instruments() {
  const meter = metrics.getMeter(NAME, VERSION);
  const counter = ([name, unit]: readonly [string, string, string]) => meter.createCounter(name, { unit });
  const histogram = ([name, unit]: readonly [string, string, string]) =>
    meter.createHistogram(name, { unit, advice: { explicitBucketBoundaries: [...DURATION_BOUNDS_SECONDS] } });
  const [delayName, delayUnit] = METRIC.eventLoopDelay;
  const delay = monitorEventLoopDelay();
  delay.enable();
  meter.createObservableGauge(delayName, { unit: delayUnit }).addCallback((result) => {
    if (delay.count > 0) result.observe(delay.percentile(99) / 1e9);
    delay.reset();
  });
  return {
    duration: histogram(METRIC.duration),
    cacheLookups: counter(METRIC.cacheLookups),
    replays: counter(METRIC.replays),
    rateLimited: counter(METRIC.rateLimited),
    refused: counter(METRIC.refused),
    authFailures: counter(METRIC.authFailures),
    listens: meter.createUpDownCounter(METRIC.listens[0], { unit: METRIC.listens[1] }),
    sessionDuration: histogram(METRIC.sessionDuration),
    tasksCreated: counter(METRIC.tasksCreated),
    taskRuns: counter(METRIC.taskRuns),
    storeDuration: histogram(METRIC.storeDuration),
    storeRetries: counter(METRIC.storeRetries),
    storeUnits: counter(METRIC.storeUnits),
  };
}
