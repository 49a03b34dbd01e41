// An HTTP agent whose connections look for the engine when they are needed. Knows not how it is found or started.
import { Agent } from "node:http";
import { Socket } from "node:net";

/** More would not be faster with one engine, and all break when it dies: the AWS SDK has a budget of about 35 retries. */
const MAX_SOCKETS = 16;

/**
 * An agent whose sockets find their path when they are needed. The socket is returned at once, so that Node counts it
 * against `maxSockets` and serves the queue when it fails. Pooled connections keep no process alive.
 */
export class EngineAgent extends Agent {
  readonly #findPath: () => Promise<string>;

  constructor(findPath: () => Promise<string>) {
    super({ keepAlive: true, maxSockets: MAX_SOCKETS });
    this.#findPath = findPath;
  }

  override createConnection(): Socket {
    const socket = new WaitingSocket();
    this.#findPath().then(
      (path) => socket.destroyed || socket.connect(path),
      (error) => socket.destroy(error),
    );
    return socket;
  }
}

/** Counts as connecting from its birth, as a TCP socket does during its name look-up, so that what is written waits. */
class WaitingSocket extends Socket {
  override readonly connecting: boolean = true;

  /**
   * An engine may end between the look for it and this connection. Then its socket's file is gone (ENOENT), which means the same as
   * a refused connection. The AWS SDK sends a refused request again, and that starts the engine.
   */
  override _destroy(error: NodeJS.ErrnoException | null, callback: (error?: Error | null) => void): void {
    if (error?.code === "ENOENT") error.code = "ECONNREFUSED";
    super._destroy(error, callback);
  }
}
