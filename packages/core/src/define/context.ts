// What every function of an app is given: tools, resources and prompts alike. Knows no transport.
import type { ClientCapabilities, InputResponses, LoggingLevel } from "@modelcontextprotocol/server";
import type { Logger } from "../logger.ts";
import type { Principal } from "../principal.ts";
import type { CallerState } from "../state/caller-state.ts";
import type { SessionHandle } from "../state/session-handle.ts";
import type { TraceContext } from "../trace.ts";

/** What tools, resources and prompts are given alike. */
export interface CallContext {
  /** Sessions of the caller: find, create and list. */
  readonly state: CallerState;
  /** Who calls. */
  readonly principal: Principal;
  /** Aborted when the client cancels or goes away, or when the call has taken too long. */
  readonly signal: AbortSignal;
  /** The operator's log. */
  readonly log: Logger;
  /** The caller's trace, when the request named one. Send `trace.headers` along with requests of your own. */
  readonly trace: TraceContext | undefined;
}

/** For functions that may answer with `inputRequired({…})`. */
export interface Asking {
  /** What the client answered to the questions of the run before, by their names; read it with `acceptedContent`. Untrusted. */
  readonly answers: InputResponses | undefined;
  /**
   * The `requestState` that the run before gave to `inputRequired`. It is kept in the state table, and comes back once, within
   * ten minutes, to the same caller and the same arguments: what it says may be relied on.
   */
  readonly requestState: string | undefined;
  /** What the client can be asked. A question beyond it is refused before it is sent. */
  readonly capabilities: ClientCapabilities;
}

/** For functions that may speak while they run. Nothing is sent once the call has been answered. */
export interface Reporting {
  /** Tells the client how far the call is, when it asked to be told. `done` must grow from one report to the next. */
  progress(done: number, total?: number, message?: string): void;
  /** A line for the client's own log, which the protocol deprecates: prefer `log`. Sent only to clients that ask for it. */
  logToClient(level: LoggingLevel, data: unknown): void;
}

/** For functions whose call may run as a task, and be run again in another process after a crash. */
export interface Running {
  /**
   * Does a part of the work once, whichever process runs the task: a later run is given what the first came to. The name is unique
   * in a run, the result is what JSON can hold. A crash in between may let it happen twice; it is remembered once. In a call that is
   * no task it just runs.
   * @throws AppError `too_large` for a result over the limit of a value; TypeError for a name that is used twice.
   */
  step<T>(name: string, run: () => T | Promise<T>): Promise<T>;
  /** Of a call that runs as a task: its id, the same in every run, and the number of the run since the last progress. */
  readonly task: { readonly id: string; readonly attempt: number } | undefined;
}

/** What a tool's function is given besides its input. */
export interface ToolContext extends CallContext, Asking, Reporting, Running {
  /** The session the call means. Reading `session` of a tool defined with `session: "none"` is a bug and throws. */
  readonly session: SessionHandle;
}
