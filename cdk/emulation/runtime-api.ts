// Lambda's Runtime API on loopback: hands events to one function process and takes what it answers, chunk by chunk.
// Knows nothing of what events mean. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

const PREFIX = "/2018-06-01/runtime";
const NOT_SAMPLED = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0";

export interface Answer {
  readonly streamed: boolean;
  readonly contentType: string;
  /** As it arrives. */
  readonly body: AsyncIterable<Buffer>;
  /** Resolves when the function has returned, which is when it asks for its next event. */
  readonly returned: Promise<void>;
}

interface Invocation {
  readonly id: string;
  readonly event: unknown;
  readonly deadlineMs: number;
  readonly answer: PromiseWithResolvers<Answer>;
  readonly returned: PromiseWithResolvers<void>;
}

/** What a function reported instead of an answer: its error's type and message, as the front door gets them. */
export class FunctionError extends Error {
  override readonly name = "FunctionError";
}

export class RuntimeApi {
  readonly #server: Server;
  readonly #queue: Invocation[] = [];
  #running: Invocation | undefined;
  #waiting: ServerResponse | undefined;
  readonly #initFailed = Promise.withResolvers<never>();

  readonly #trace: string;

  private constructor(trace: string) {
    this.#trace = trace;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: Error) => response.destroy(error));
    });
    this.#initFailed.promise.catch(() => {});
  }

  /** `trace`: what AWS says of the trace that every invocation belongs to. */
  static async listen(trace = NOT_SAMPLED): Promise<RuntimeApi> {
    const api = new RuntimeApi(trace);
    api.#server.listen(0, "127.0.0.1");
    await once(api.#server, "listening");
    return api;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Rejects as soon as the function could not start. */
  get failed(): Promise<never> {
    return this.#initFailed.promise;
  }

  /** Resolves when the answer begins. Events wait for each other, as one environment takes them. @throws FunctionError */
  invoke(event: unknown, timeoutMs = 60_000): Promise<Answer> {
    const invocation: Invocation = {
      id: randomUUID(),
      event,
      deadlineMs: Date.now() + timeoutMs,
      answer: Promise.withResolvers(),
      returned: Promise.withResolvers(),
    };
    this.#queue.push(invocation);
    this.#dispatch();
    return Promise.race([invocation.answer.promise, this.#initFailed.promise]);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").slice(PREFIX.length);
    if (path === "/invocation/next") {
      this.#running?.returned.resolve();
      this.#running = undefined;
      this.#waiting = response;
      return this.#dispatch();
    }
    const [, id, kind] = /^\/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    const running = this.#running?.id === id ? this.#running : undefined;
    if (path === "/init/error")
      this.#initFailed.reject(new FunctionError(`The function did not start: ${await text(request)}`));
    else if (running === undefined) return void response.writeHead(404).end();
    else if (kind === "response") await this.#takeAnswer(running, request);
    else running.answer.reject(errorOf(await text(request)));
    response.writeHead(202, { "Content-Type": "application/json" }).end('{"status":"OK"}');
  }

  async #takeAnswer({ answer, returned }: Invocation, request: IncomingMessage): Promise<void> {
    const read = Promise.withResolvers<void>();
    async function* body() {
      try {
        for await (const chunk of request) yield chunk as Buffer;
      } finally {
        read.resolve();
      }
    }
    answer.resolve({
      streamed: request.headers["lambda-runtime-function-response-mode"] === "streaming",
      contentType: request.headers["content-type"] ?? "",
      body: body(),
      returned: returned.promise,
    });
    await read.promise;
  }

  #dispatch(): void {
    const response = this.#waiting;
    const next = response && this.#queue.shift();
    if (!next) return;
    this.#waiting = undefined;
    this.#running = next;
    response.writeHead(200, {
      "Content-Type": "application/json",
      "Lambda-Runtime-Aws-Request-Id": next.id,
      "Lambda-Runtime-Deadline-Ms": String(next.deadlineMs),
      "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:test",
      "Lambda-Runtime-Trace-Id": this.#trace,
    });
    response.end(JSON.stringify(next.event));
  }
}

function errorOf(body: string): FunctionError {
  const { errorMessage } = JSON.parse(body) as { errorMessage?: string };
  return new FunctionError(errorMessage ?? body);
}
