// The outside world of the tools in servers/: they tell it when they run and wait for its word. It knows who runs what, when
// each run began and ended (also by the death of its process), and holds back answers where a bar wants a run to last.
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

export interface Run {
  readonly id: string;
  readonly pid: number;
  readonly startedMs: number;
  /** When the runner had its answer, or its process died. */
  endedMs: number | undefined;
  readonly answer: string;
  /** Lets a run go on that was held. */
  release(): void;
}

export class RunCounter implements AsyncDisposable {
  readonly runs = new Map<string, Run[]>();
  /** How long each run takes, in milliseconds; runs of ids for which `isHeld` says yes last until they are released. */
  readonly #durationMs: number;
  readonly #isHeld: (id: string) => boolean;
  readonly #server = http.createServer((request, response) => this.#serve(request, response));
  #serial = 0;
  #changed = Promise.withResolvers<void>();

  private constructor(durationMs: number, isHeld: (id: string) => boolean) {
    this.#durationMs = durationMs;
    this.#isHeld = isHeld;
  }

  static async start(durationMs: number, isHeld: (id: string) => boolean = () => false): Promise<RunCounter> {
    const counter = new RunCounter(durationMs, isHeld);
    counter.#server.listen(0, "127.0.0.1");
    await once(counter.#server, "listening");
    return counter;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  of(id: string): readonly Run[] {
    return this.runs.get(id) ?? [];
  }

  /** Resolves to the run of this id that is the `nth` to begin, 1 for the first. */
  async began(id: string, nth: number): Promise<Run> {
    for (;;) {
      const run = this.of(id)[nth - 1];
      if (run) return run;
      await this.#changed.promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    const query = new URL(request.url ?? "/", this.url).searchParams;
    const id = query.get("id") ?? "";
    const answer = `answer ${++this.#serial}`;
    const release = () => response.end(answer);
    const run: Run = {
      id,
      pid: Number(query.get("pid")),
      startedMs: performance.now(),
      endedMs: undefined,
      answer,
      release,
    };
    response.on("close", () => {
      run.endedMs = performance.now();
    });
    this.runs.set(id, [...this.of(id), run]);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
    if (!this.#isHeld(id)) setTimeout(release, this.#durationMs);
  }
}
