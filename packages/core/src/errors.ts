// The error class with its one subclass, and the one table of codes. Below `callTool`, code throws an AppError or has a bug.

/** Every code a caller can see: its HTTP status, whether the same call may succeed later, and its plain meaning. */
export const ERROR_CODES = {
  invalid_input: { status: 400, retryable: false, title: "The input is not valid" },
  unauthenticated: { status: 401, retryable: false, title: "Authentication is required" },
  forbidden: { status: 403, retryable: false, title: "This caller may not do that" },
  not_found: { status: 404, retryable: false, title: "There is no such thing" },
  session_not_found: { status: 404, retryable: false, title: "There is no such session" },
  conflict: { status: 409, retryable: false, title: "The state is not what the call expected" },
  in_progress: { status: 409, retryable: true, title: "The same call is still running" },
  key_reused: { status: 422, retryable: false, title: "The idempotency key was used with other arguments" },
  too_large: { status: 413, retryable: false, title: "Something is larger than its limit" },
  unsupported_media_type: { status: 415, retryable: false, title: "The body is not JSON" },
  rate_limited: { status: 429, retryable: true, title: "Too many calls" },
  unavailable: { status: 503, retryable: true, title: "The state table cannot be reached right now" },
  internal: { status: 500, retryable: false, title: "An internal error" },
} as const;

/** A code of `ERROR_CODES`. */
export type ErrorCode = keyof typeof ERROR_CODES;

export interface AppErrorOptions {
  /** Facts a program can use, for example `{ current_version: 4 }`. Never secrets. */
  details?: Record<string, unknown>;
  /** Seconds after which a retry makes sense. */
  retryAfterSeconds?: number;
  /** Instead of the code's own: `false` for what only the operator can mend. */
  retryable?: boolean;
  /** True for a refusal that came before the call had any effect: it is not kept as the answer of an idempotency key. */
  beforeEffect?: boolean;
  cause?: unknown;
}

/** An error a caller may see. The message says what happened, what was given, and what to do next. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly details: Record<string, unknown> | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly retryable: boolean;
  readonly beforeEffect: boolean;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    // Some message or other quotes a part of what a caller sent; half a character in it could be read by no model.
    super(message.toWellFormed(), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.retryable = options.retryable ?? ERROR_CODES[code].retryable;
    this.beforeEffect = options.beforeEffect ?? false;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** The state itself cannot be used right now. A tool's own refusal may have the same code; this one is none of its doing. */
export class StateUnavailable extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super("unavailable", message, options);
  }
}
