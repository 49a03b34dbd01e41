// A middlebox that cuts a connection that has been silent for a while, as load balancers and NAT gateways do. Knows
// bytes only.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export class IdleCutter implements AsyncDisposable {
  /** Connections cut so far. */
  cuts = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server;

  private constructor(target: URL, silenceMs: number) {
    this.#server = createServer((near) => {
      const far = connect(Number(target.port), target.hostname);
      const timer = setTimeout(() => {
        this.cuts++;
        near.destroy();
      }, silenceMs);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on("data", () => timer.refresh());
        from.on("error", () => {});
        from.on("close", () => {
          clearTimeout(timer);
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
  }

  static async start(target: string, silenceMs: number): Promise<IdleCutter> {
    const cutter = new IdleCutter(new URL(target), silenceMs);
    cutter.#server.listen(0, "127.0.0.1");
    await once(cutter.#server, "listening");
    return cutter;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
