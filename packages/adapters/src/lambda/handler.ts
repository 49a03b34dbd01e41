// Carries HTTP between AWS Lambda and an App: events in, streamed or whole answers out, and an end before the function's time is
// over. Knows nothing of routes. One App serves every invocation of an environment, one at a time.
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type App, AppError, type Logger, silentLogger } from "@stateful-mcp/core/runtime";
import {
  addressOf,
  authorizedCaller,
  type LambdaEvent,
  type LambdaResult,
  toPrelude,
  toRequest,
  toResult,
} from "./events.ts";

export type { HttpEvent, LambdaEvent, LambdaResult, RestEvent } from "./events.ts";

/** What the adapter asks of the invocation's context. */
export interface LambdaContext {
  getRemainingTimeInMillis(): number;
}

/** A Lambda function whose answer is streamed. */
export type StreamingHandler = (event: LambdaEvent, output: Writable, context: LambdaContext) => Promise<void>;
/** A Lambda function whose answer is returned whole. */
export type BufferedHandler = (event: LambdaEvent, context: LambdaContext) => Promise<LambdaResult>;

type Carrier = Pick<App, "fetch" | "settle" | "options">;

/** What the managed runtime puts in the global scope. */
declare const awslambda: {
  streamifyResponse(handler: StreamingHandler): StreamingHandler;
  HttpResponseStream: { from(output: Writable, prelude: unknown): Writable };
};

/** Milliseconds before the end of the function's time: calls are answered, then streams are ended, then background work is left. */
const CALLS_END_MS = 5_000;
const STREAMS_END_MS = 4_000;
const WORK_ENDS_MS = 500;
/** What a function may return, as AWS counts it: the text that its runtime sends. */
const RESULT_MAX_BYTES = 6_291_556;
/** A body of fewer characters is within it, however much of it is escaped. */
const RESULT_SURE_LENGTH = 1_000_000;
/** A function with a short time limit gives up at most this part of it. */
const LARGEST_PART = 1 / 3;

/**
 * A handler for front doors that stream: a REST API with response streaming, or a function URL. Only inside the Lambda runtime,
 * which brings `awslambda`. Answers end cleanly about 5 s before the function's time is over;
 * a call that runs then is answered with a retryable error. Returns when background work is done, because the environment
 * is frozen from then on.
 *
 * An app with `access: { mode: "carrier" }` trusts the Lambda authorizer of a REST API to say who calls.
 */
export function lambdaHandler(app: Carrier): StreamingHandler {
  return awslambda.streamifyResponse(async (event, output, context) => {
    const invocation = new Invocation(app, event, context);
    // Where the runtime learns of it. AWS does not tell a function that a client has gone: a stream runs to its own end, or to the
    // function's, and is billed until then.
    output.once("close", invocation.abandon);
    output.on("error", invocation.abandon);
    const response = await invocation.answer();
    const stream = awslambda.HttpResponseStream.from(output, toPrelude(response));
    try {
      await pipeline(chunksOf(response, invocation.end), stream);
    } catch (error) {
      invocation.abandon();
      // Where reading had begun, this does nothing: then the reader has cancelled.
      response.body?.cancel().catch(() => {});
      invocation.logger.debug({ err: error }, "An answer ended early");
    }
    await invocation.settle();
  });
}

/** The same for front doors that take an answer whole: an HTTP API, an invocation by hand, or a front door that does not stream. */
export function bufferedLambdaHandler(app: Carrier): BufferedHandler {
  return async (event, context) => {
    const invocation = new Invocation(app, event, context);
    const response = await invocation.answer();
    const chunks: Uint8Array[] = [];
    for await (const chunk of chunksOf(response, invocation.end)) chunks.push(chunk);
    await invocation.settle();
    const result = toResult(event, response, Buffer.concat(chunks));
    if (result.body.length < RESULT_SURE_LENGTH) return result;
    // The runtime sends it as JSON, in which the quotes of a JSON body are escaped once more.
    const bytes = Buffer.byteLength(JSON.stringify(result));
    if (bytes <= RESULT_MAX_BYTES) return result;
    const tooLarge = problem(
      new AppError(
        "too_large",
        `The answer has ${bytes} bytes; a Lambda function returns at most ${RESULT_MAX_BYTES}. What the call did has been done. Ask for less at once, for example with a smaller limit, or use a front door that streams.`,
      ),
    );
    return toResult(event, tooLarge, Buffer.from(await tooLarge.arrayBuffer()));
  };
}

/** One event on its way through the app, and the times at which its parts have to end. */
class Invocation {
  readonly logger: Logger;
  /** Aborts when the answer's stream has to end: cleanly at the time limit, or because the client has gone. */
  readonly end: AbortSignal;
  readonly #app: Carrier;
  readonly #event: LambdaEvent;
  readonly #context: LambdaContext;
  readonly #client = new AbortController();
  readonly #end = new AbortController();
  readonly #noAnswer = Promise.withResolvers<never>();
  #answered = false;
  readonly #part: number;
  readonly #timer: NodeJS.Timeout;

  constructor(app: Carrier, event: LambdaEvent, context: LambdaContext) {
    this.#app = app;
    this.#event = event;
    this.#context = context;
    this.logger = app.options.logger ?? silentLogger;
    this.#part = Math.min(1, (context.getRemainingTimeInMillis() * LARGEST_PART) / CALLS_END_MS);
    this.end = this.#end.signal;
    this.#noAnswer.promise.catch(() => {});
    this.#timer = setTimeout(() => {
      if (this.#answered) this.#end.abort();
      else this.#noAnswer.reject(TIME_OVER);
    }, this.#left(STREAMS_END_MS));
  }

  /** The client is gone: what can be cancelled is. */
  readonly abandon = (): void => {
    this.#client.abort();
    this.#end.abort();
    this.#noAnswer.reject(CLIENT_GONE);
  };

  /** Always a response: the app's, or one that says why there is none. */
  async answer(): Promise<Response> {
    try {
      const request = toRequest(this.#event, this.#client.signal);
      const principal = authorizedCaller(this.#event);
      const answer = this.#app.fetch(request, {
        ...(principal && { principal }),
        address: addressOf(this.#event),
        timeLimitMs: this.#left(CALLS_END_MS),
      });
      const response = await Promise.race([answer, this.#noAnswer.promise]);
      this.#answered = true;
      return response;
    } catch (error) {
      if (error instanceof AppError) return problem(error);
      this.logger.error({ err: error }, "A request failed outside the application");
      return problem(new AppError("internal", "Something failed inside the server."));
    }
  }

  /** Resolves when background work has ended or the function's time nearly has. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer);
    let timer: NodeJS.Timeout | undefined;
    const timeOver = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#left(WORK_ENDS_MS));
    });
    await Promise.race([this.#app.settle(), timeOver]);
    clearTimeout(timer);
  }

  /** Milliseconds until this long before the end, in proportion where the whole time is short. */
  #left(beforeEndMs: number): number {
    return Math.max(0, Math.floor(this.#context.getRemainingTimeInMillis() - beforeEndMs * this.#part));
  }
}

const TIME_OVER = new AppError(
  "unavailable",
  "The function's time was over before the answer was there. Whether the call took effect is not known: look, or send it again with the same idempotency key.",
  { retryAfterSeconds: 1 },
);
const CLIENT_GONE = new AppError("unavailable", "The client went away.");

/**
 * The body's chunks, only as fast as they are taken, until it ends or has to. First an empty one: the runtime sends the
 * prelude with the first write, and an answer without a body has no other.
 */
async function* chunksOf({ body }: Response, end: AbortSignal): AsyncGenerator<Uint8Array> {
  yield new Uint8Array();
  if (!body) return;
  const reader = body.getReader();
  // Cancelling also ends a read that waits for a stream with nothing to say.
  const cancel = () => void reader.cancel().catch(() => {});
  if (end.aborted) cancel();
  end.addEventListener("abort", cancel, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    end.removeEventListener("abort", cancel);
    cancel();
  }
}

/** RFC 9457. */
const problem = (error: AppError): Response =>
  Response.json(
    { title: error.code, status: error.status, detail: error.message, code: error.code },
    {
      status: error.status,
      headers: {
        "Content-Type": "application/problem+json",
        ...(error.retryAfterSeconds !== undefined && { "Retry-After": String(error.retryAfterSeconds) }),
      },
    },
  );
