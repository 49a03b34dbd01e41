// A POST to /mcp as node:http has it, for an app's short way, and what the app answers to it. Knows no other route.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import type { Posted, ShortAnswer } from "@stateful-mcp/core/runtime";

type Incoming = HttpBindings["incoming"] & { rawBody?: Buffer };

export class NodePost implements Posted {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #abort: AbortController | undefined;

  private constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  /** Undefined for any other request, and for one in which a header comes twice. */
  static of(request: IncomingMessage, response: ServerResponse): NodePost | undefined {
    if (request.method !== "POST" || request.url !== "/mcp") return undefined;
    const distinct = Object.keys(request.headers).length;
    return request.rawHeaders.length === 2 * distinct ? new NodePost(request, response) : undefined;
  }

  get headers(): IncomingMessage["headers"] {
    return this.#request.headers;
  }

  get address(): string | undefined {
    return this.#request.socket.remoteAddress;
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      const abort = new AbortController();
      this.#abort = abort;
      const close = () => {
        // An abort costs an error with its stack, so it is left out where the work is done.
        if (!this.#response.writableFinished) abort.abort();
      };
      if (this.#response.closed) close();
      else this.#response.once("close", close);
    }
    return this.#abort.signal;
  }

  onSent(done: () => void): void {
    if (this.#response.closed) done();
    else this.#response.once("close", done);
  }

  /** The request carries it on, so that it can be read once more by what the request is handed to. */
  async read(): Promise<Buffer> {
    const request = this.#request as Incoming;
    const chunks: Buffer[] = [];
    const body = await new Promise<Buffer>((resolve, reject) => {
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.once("end", () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
      request.once("error", reject);
      request.once("close", () => reject(new Error("The body did not come to its end.")));
    });
    request.rawBody = body;
    return body;
  }

  /** Writes the JSON of an answer. */
  answer(text: string, { requestId, session }: Pick<ShortAnswer, "requestId" | "session">): void {
    this.#response
      .writeHead(200, {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": requestId,
        ...(session !== undefined && { "Mcp-Session-Id": session }),
        "Content-Length": Buffer.byteLength(text),
      })
      .end(text);
  }
}
