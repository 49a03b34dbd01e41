// What core needs of telemetry: a span for each request and for each of the table's, beside the logger. Which library makes them, and
// where they go, is decided where the process is composed. Knows no OpenTelemetry.
import type { Happening } from "./call-record.ts";
import type { TraceContext } from "./trace.ts";

/** A request as it arrives. Every name in it is one that exists here, so that strangers add no series to a metric. */
export interface IncomingRequest {
  /** The protocol's method; `_OTHER` for one that does not exist. */
  readonly method: string;
  /** JSON-RPC id. */
  readonly id?: string | number;
  /** The tool that is called. */
  readonly tool?: string;
  /** The prompt that is asked for. */
  readonly prompt?: string;
  /** The resource that is read or watched, as the client names it; at most 200 characters. */
  readonly uri?: string;
  readonly transport: "http" | "stdio" | "rest";
  /** The protocol's revision, one of those that this server speaks. */
  readonly revision?: string;
  /** A hash of the 2025-era session. */
  readonly session?: string;
  /** The caller's trace as the message names it. */
  readonly fromMessage?: TraceContext | undefined;
  /** The caller's trace as the HTTP headers name it. */
  readonly fromHeaders?: TraceContext | undefined;
}

/** What a call turned out to be. */
export interface CallFacts {
  /** As in the log line: `ok`, `replayed`, `task`, `input_required`, `protocol_error` or the code of the error; how a task's run ended. */
  readonly outcome: string;
  /** For cached tools: whether the result was there already. */
  readonly cached?: boolean | undefined;
}

/** How a request failed. */
export interface RequestFailure {
  /** `tool_error`, a JSON-RPC code, `cancelled`, or the code of an error over REST. */
  readonly type: string;
  /** JSON-RPC code. */
  readonly code?: number;
}

/** One request under way. */
export interface RequestSpan {
  /** Its own span, in place of the caller's; undefined where no spans are made here. */
  readonly trace: TraceContext | undefined;
  /** Runs work under which other spans of this process nest. */
  run<T>(work: () => T): T;
  tell(facts: CallFacts): void;
  /** Once; later ends are of no effect. */
  end(failure?: RequestFailure): void;
}

/** A run of a task as it begins, in whichever process. */
export interface BegunRun {
  /** Undefined for one that this process does not have. */
  readonly tool: string | undefined;
  /** As the log names it. */
  readonly task: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** Of the call that made the task. */
  readonly call: TraceContext | undefined;
}

/** What became of one request of the table. */
export interface TableOutcome {
  readonly attempts: number;
  /** Consumed capacity of all attempts that told it. */
  readonly units: number;
  /** Name of the error. */
  readonly error?: string | undefined;
}

/** Spans and metrics of this process. */
export interface Telemetry {
  request(request: IncomingRequest): RequestSpan;
  /** Under no request, since it may outlive the one that made the task: that one is linked. */
  taskRun(run: BegunRun): RequestSpan;
  /** The request in whose work this is asked. */
  current(): RequestSpan | undefined;
  /** Begins a request of a table, under the current request; what it returns ends it. */
  tableRequest(operation: string, table: string): (outcome: TableOutcome) => void;
  happened(happening: Happening): void;
}
