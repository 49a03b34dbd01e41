// What every call is made with: what the app offers, and where the call came from. Types only.

import type { Observer } from "../call-record.ts";
import type { Asking, Reporting } from "../define/context.ts";
import type { Prompt } from "../define/prompt.ts";
import type { ResourceTable } from "../define/resource.ts";
import type { Tool } from "../define/tool.ts";
import type { Logger } from "../logger.ts";
import type { Principal } from "../principal.ts";
import type { State } from "../state/state.ts";
import type { Telemetry } from "../telemetry.ts";
import type { TraceContext } from "../trace.ts";
import type { UnsentAnswer } from "./unsent.ts";

export interface Services {
  readonly tools: ReadonlyMap<string, Tool>;
  readonly resources: ResourceTable;
  readonly prompts: ReadonlyMap<string, Prompt>;
  readonly state: State;
  readonly logger: Logger;
  /** Absent where it was not asked for. */
  readonly telemetry?: Telemetry | undefined;
  /** Told what this process does; absent where nothing counts. */
  readonly observer?: Observer | undefined;
  /** How long results of cached tools are kept, unless a tool says otherwise. */
  readonly cacheTtlSeconds: number;
  /** Whether calls can become tasks here. */
  readonly runsTasks: boolean;
  /** How long tasks are kept, unless a tool says otherwise. */
  readonly taskTtlSeconds: number;
}

/** What the log says of where a request came from. */
export interface Origin {
  /** Goes into the log, into an error that quotes it and, over HTTP, into the answer's `X-Request-Id`. */
  readonly requestId?: string | undefined;
  readonly transport?: "http" | "stdio" | "rest";
  /** Which protocol its client speaks: that of 2026, or the one of 2025 with its handshake. */
  readonly era?: "modern" | "legacy";
  /** The protocol's method. */
  readonly method?: string;
}

/** Who makes a request, and over what. */
export interface CallSource {
  readonly origin?: Origin;
  readonly principal: Principal;
  /** The client program's name and version, as it gave them. */
  readonly client?: string;
  /** The 2025-era transport session it came in, if it came in one. */
  readonly transportSession?: string | undefined;
  readonly signal?: AbortSignal;
  /** Milliseconds it may take, where that is less than the server's own limit. */
  readonly timeLimitMs?: number | undefined;
  readonly trace?: TraceContext | undefined;
  /** Where answers may have to wait until their caller reads them: this request's. */
  readonly unsent?: UnsentAnswer | undefined;
  /** Called when it is certain that the request gets its line in the log from the pipeline. */
  readonly onLine?: () => void;
  /** What the transport offers beside the answer. Without it nothing can be asked or reported. */
  readonly channel?: ClientChannel;
}

export interface ClientChannel extends Reporting, Pick<Asking, "answers" | "capabilities"> {
  /** As it came from the client: the name of a kept state, or anything. */
  readonly requestState: string | undefined;
  /** Whether the client takes a task for an answer (extension io.modelcontextprotocol/tasks). */
  readonly tasks: boolean;
  /** Whether it could say so: clients of the 2025 era cannot. */
  readonly declaresTasks: boolean;
}
