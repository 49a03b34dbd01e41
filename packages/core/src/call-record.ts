// What one finished request leaves for those who count calls or keep a record of them, and the bounds that durations are counted by.
// Knows neither who counts nor where a record is kept. Holds no argument, no result and no name that a caller made up.

import type { TableUse } from "./stores/state-store.ts";

/** One finished request of the protocol, or a call over REST. */
export interface CallRecord {
  /** When it ended: milliseconds since the epoch. */
  readonly at: number;
  readonly durationMs: number;
  /** The protocol's method; empty for a call that a program made in this process. */
  readonly method: string;
  /** Only the name of a tool that exists; empty otherwise. */
  readonly tool: string;
  /** As the log has it: `ok`, `replayed`, `task`, `input_required`, `protocol_error`, `cancelled` or an error's code. */
  readonly outcome: string;
  readonly transport: string;
  readonly era: string;
  /** For cached tools: whether the result was there already. */
  readonly cached: boolean | undefined;
  readonly requestId: string;
  readonly principal: string;
  readonly principalName: string;
  readonly client: string;
  /** The session's name, or its hash where the name is a key. Empty: none. */
  readonly session: string;
  /** 32 hexadecimal digits; empty without a trace. */
  readonly traceId: string;
  /** What it asked of the table, where that is counted. */
  readonly table: TableUse | undefined;
  /** Bytes of a tool's arguments as JSON; 0: no tool was called, with none, or with some that its schema forbids. */
  readonly argumentBytes: number;
  /** Bytes of the result as JSON, without the message around it; 0: an error, or no call of the pipeline. */
  readonly resultBytes: number;
}

/** What else is counted. Names in it exist in the app or in the protocol. */
export type Happening =
  /** A request was turned away at the door, for a reason as the log has it. */
  | { readonly kind: "auth_failure"; readonly reason: "token" | "scope" | "host" | "origin" }
  /** An HTTP request was answered with a status that turns it away. */
  | { readonly kind: "refused"; readonly status: number }
  /** A stream of changes was opened, or has ended. */
  | { readonly kind: "listen"; readonly open: 1 | -1 }
  /** A 2025-era session has ended, so many seconds after it began. */
  | { readonly kind: "session_ended"; readonly seconds: number; readonly transport: "http" | "stdio" }
  /** A call became a task. */
  | { readonly kind: "task_created"; readonly tool: string }
  /** One run of a task has ended, as the log has it. */
  | { readonly kind: "task_run"; readonly tool: string; readonly outcome: string };

/** Is told what a process does. Must be quick and must not throw. */
export interface Observer {
  call(call: CallRecord): void;
  happened(happening: Happening): void;
}

const GOOD_ENDS = new Set(["ok", "replayed", "task", "input_required"]);

/** Whether the call ended in an error. */
export const hasFailed = (outcome: string): boolean => !GOOD_ENDS.has(outcome);

/**
 * Upper bounds in seconds: those of the semantic conventions for `mcp.server.operation.duration`, and three below their first, because
 * most calls end before it.
 */
export const DURATION_BOUNDS_SECONDS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300,
] as const;

/** The place of a duration among the bounds; their number for one above all of them. */
export function bucketOf(durationMs: number): number {
  const at = DURATION_BOUNDS_SECONDS.findIndex((bound) => durationMs <= bound * 1000);
  return at < 0 ? DURATION_BOUNDS_SECONDS.length : at;
}
