// Several server processes on one store, each on a port of its own. Does not know what they serve.
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.ts";
import { ServerProcess } from "./processes.ts";

export interface FleetOptions {
  readonly size: number;
  /** Tells every member where the one store is: `STATEFUL_MCP_DATA_DIR`, or `MCP_STATE_BACKEND` and `DYNAMODB_ENDPOINT_URL`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How to serve on a port. */
  readonly serve: (port: number) => { command: string; args: readonly string[] };
}

export interface Member {
  readonly process: ServerProcess;
  /** Such as `http://127.0.0.1:40001`. */
  readonly address: string;
}

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export class Fleet implements AsyncDisposable {
  readonly #options: FleetOptions;
  readonly #members: Member[] = [];

  private constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Starts all members at once and waits until every one is ready. */
  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options);
    const started = await Promise.allSettled(Array.from({ length: options.size }, () => fleet.#launch()));
    const failed = started.find((result) => result.status === "rejected");
    if (failed === undefined) return fleet;
    await fleet[Symbol.asyncDispose]();
    throw failed.reason;
  }

  /** Those that are running, paused ones included, as a load balancer would see them. */
  get live(): readonly Member[] {
    return this.#members.filter((member) => member.process.running);
  }

  /** Starts one member more. */
  add(): Promise<Member> {
    return this.#launch();
  }

  /** Kills a member with SIGKILL and starts another one on a new port, as an orchestrator does. */
  async replace(member: Member): Promise<Member> {
    await member.process.kill();
    return this.#launch();
  }

  /** Lets a member drain after SIGTERM and starts another one first, as a rolling deployment does. */
  async roll(member: Member): Promise<Member> {
    const next = await this.#launch();
    await member.process.terminate();
    return next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member.process.kill()));
  }

  async #launch(): Promise<Member> {
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const server = await ServerProcess.start({
      ...this.#options.serve(port),
      cwd: ROOT,
      env: this.#options.env,
      ready: new URL("/readyz", address),
    });
    const member = { process: server, address };
    this.#members.push(member);
    return member;
  }
}
