// Bounds the requests that one connection sends ahead of their answers (HTTP/1.1 pipelining). Knows no route.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Requests of one connection that may be under way at once. No usual client sends a second one before the first is answered. */
export const PIPELINED_MAX = 32;

/** Counts the requests of each connection that have no answer yet. */
export class Pipelined {
  readonly #open = new WeakMap<Socket, number>();

  /**
   * Takes in a request, until its answer is sent. `last`: it is one too many, and its answer must end the connection. `beyond`: it came
   * after that one, and no answer of it would be sent. Node.js reads up to 64 KB of requests before it can stop a connection, over a
   * thousand of them, and would hold an answer for each.
   */
  take({ socket }: IncomingMessage, response: ServerResponse): "within" | "last" | "beyond" {
    const open = (this.#open.get(socket) ?? 0) + 1;
    if (open > PIPELINED_MAX + 1) return "beyond";
    this.#open.set(socket, open);
    // Once the connection is to end, it takes in no more.
    if (open > PIPELINED_MAX) return "last";
    response.once("close", () => this.#open.set(socket, (this.#open.get(socket) ?? 1) - 1));
    return "within";
  }
}
