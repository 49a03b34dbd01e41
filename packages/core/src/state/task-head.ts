// The head of a task: the one entry that decides about it. What its attributes mean, and what a caller is shown of it. Knows no store.

import type { Principal } from "../principal.ts";
import type { Entry } from "../stores/state-store.ts";
import type { TraceContext } from "../trace.ts";
import { isMinted, mintId } from "./ids.ts";

/** As on the wire (SEP-2663). The last three are final. */
export type TaskStatus = "working" | "input_required" | "completed" | "failed" | "cancelled";

/** Whose task, and which. */
export interface TaskRef {
  /** The principal in whose partition it lies. */
  readonly owner: string;
  readonly id: string;
}

/** Who runs a task: every change that a run makes is made under both. */
export interface TaskLease {
  readonly runner: string;
  readonly fence: number;
}

/** The entry that decides about a task, as it was read. */
export interface TaskHead extends TaskRef, TaskLease {
  /** The entry's version: what an answer or a cancellation is measured against. */
  readonly version: number;
  readonly tool: string;
  readonly status: TaskStatus;
  /** Epoch milliseconds until which the runner is believed to be alive; 0: no process runs it. */
  readonly untilMs: number;
  /** Runs begun since the last progress: a finished step, or answers. */
  readonly attempts: number;
  /** The fence of the last run of whose finished step this was told. */
  readonly progressBy: number;
  readonly createdMs: number;
  readonly updatedMs: number;
  /** From creation. */
  readonly ttlMs: number;
  readonly message: string | undefined;
  /** How often it has asked. */
  readonly round: number;
  /** The questions that have no answer yet, as named on the wire. */
  readonly open: readonly string[];
  /** The fence under which the questions of this round were asked. */
  readonly askedBy: number;
  /** JSON text; undefined while there is none, and when it stands beside the head. */
  readonly outcome: string | undefined;
  readonly outcomeBeside: boolean;
  readonly expiresAt: number;
}

/** Begins the name of an attribute that stands for an open question. */
export const ASK = "ask.";

export function headOf(ref: TaskRef, { attributes, version, expiresAt = 0 }: Entry): TaskHead {
  const number = (name: string) => Number(attributes[name] ?? 0);
  const text = (name: string) => (attributes[name] === undefined ? undefined : String(attributes[name]));
  return {
    owner: ref.owner,
    id: ref.id,
    version,
    tool: text("tool") ?? "",
    status: (text("status") ?? "failed") as TaskStatus,
    runner: text("runner") ?? "",
    fence: number("fence"),
    untilMs: number("until"),
    attempts: number("attempts"),
    progressBy: number("progressBy"),
    createdMs: number("created"),
    updatedMs: number("updated"),
    ttlMs: number("ttl"),
    message: text("message"),
    round: number("round"),
    open: Object.keys(attributes).flatMap((name) => (name.startsWith(ASK) ? [name.slice(ASK.length)] : [])),
    askedBy: number("askedBy"),
    outcome: text("outcome"),
    outcomeBeside: attributes.outcomeBeside === true,
    expiresAt,
  };
}

export const isEnded = ({ status }: Pick<TaskHead, "status">): boolean =>
  status === "completed" || status === "failed" || status === "cancelled";

/** Whether it is to be run and no process is believed to run it. */
export const isFree = ({ status, untilMs }: Pick<TaskHead, "status" | "untilMs">, nowMs: number): boolean =>
  status === "working" && untilMs <= nowMs;

const POLL_MIN_MS = 500;
const POLL_MAX_MS = 5_000;

/** How long a client may wait before it asks again: the longer nothing has changed, the longer. */
export const pollAfterMs = ({ updatedMs }: Pick<TaskHead, "updatedMs">, nowMs: number): number =>
  Math.round(Math.min(POLL_MAX_MS, Math.max(POLL_MIN_MS, (nowMs - updatedMs) / 10)));

const PREFIX = "tsk_";
/** Random, or derived from a secret seed. A seed may mint a session's handle as well, and neither is to be known from the other. */
export const mintTaskId = (seed?: string): string => mintId(PREFIX, seed === undefined ? undefined : `task:${seed}`);
export const isTaskId = (id: string): boolean => isMinted(PREFIX, id);

export type ToolErrorFacts = {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterSeconds?: number;
  readonly details?: Record<string, unknown>;
};

/** What a task was called with; never a token or a header. */
export interface TaskCall {
  /** As the client sent them. */
  readonly arguments: unknown;
  readonly principal: Principal;
  /** The session that was meant; empty for a tool that uses none. */
  readonly session: string;
  readonly client: string;
  readonly capabilities: Record<string, unknown>;
  /** What was asked and answered before the task began. */
  readonly answers?: Record<string, unknown> | undefined;
  readonly trace?: TraceContext | undefined;
}

/** How a task has ended. */
export type TaskOutcome =
  /** What the tool returned; `blocks` for a tool without an output schema, whose result is its content. */
  | { readonly result: Record<string, unknown>; readonly blocks: boolean }
  /** What the tool refused: a result that says so, as over MCP in general. */
  | { readonly error: ToolErrorFacts }
  /** There is no result at all: an error of the protocol. */
  | { readonly protocolError: { readonly code: number; readonly message: string; readonly data?: unknown } };
