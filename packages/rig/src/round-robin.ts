// A load balancer in its plainest form: every request goes to the next live member, from any sender. Bodies stream both
// ways, nothing is retried, and an end on one side is an end on the other.
import http from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";

export class RoundRobin implements AsyncDisposable {
  readonly #addresses: () => readonly string[];
  readonly #before: (open: number) => Promise<void>;
  readonly #server = http.createServer((request, response) => this.#forward(request, response));
  #turn = 0;
  #open = 0;

  private constructor(addresses: () => readonly string[], before: (open: number) => Promise<void>) {
    this.#addresses = addresses;
    this.#before = before;
  }

  /**
   * `addresses` is asked for each request: who is live right now, such as `http://127.0.0.1:40001`. Before that the request waits for
   * `before`, which is told how many others are open; GETs, which are streams, are not counted. Default: it does not wait.
   */
  static async start(
    addresses: () => readonly string[],
    before: (open: number) => Promise<void> = () => Promise.resolve(),
  ): Promise<RoundRobin> {
    const balancer = new RoundRobin(addresses, before);
    await new Promise<void>((resolve) => balancer.#server.listen(0, "127.0.0.1", resolve));
    return balancer;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #forward(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const before = this.#before(this.#open);
    if (request.method !== "GET") {
      this.#open += 1;
      response.on("close", () => {
        this.#open -= 1;
      });
    }
    await before;
    const live = this.#addresses();
    const target = live[this.#turn++ % live.length];
    if (target === undefined) {
      response.writeHead(503).end("No member is live.");
      return;
    }
    const outgoing = http.request(new URL(request.url ?? "/", target), {
      method: request.method,
      headers: { ...request.headers, connection: "close" },
    });
    outgoing.on("response", (answer) => {
      const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...headers } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, headers);
      response.flushHeaders();
      pipeline(answer, response, () => {});
    });
    outgoing.on("error", () => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end("The member did not answer.");
    });
    response.on("close", () => outgoing.destroy());
    pipeline(request, outgoing, () => {});
  }
}
