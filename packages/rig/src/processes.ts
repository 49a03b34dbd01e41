// Starts real server processes, waits until they are ready, and does to them what an operating system can do. It ends
// only what it has started, by process id, also when the run itself is killed.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export interface ProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Added to this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Ready when a line on stderr fits, or when this address answers 200. */
  readonly ready: RegExp | URL;
  /** Default 120,000. */
  readonly readyTimeoutMilliseconds?: number;
}

/** How many lines of stderr are kept, to explain a failure. */
const KEPT_LINES = 200;

export class ServerProcess implements AsyncDisposable {
  /** The last lines of its stderr. */
  readonly stderr: string[] = [];
  /** The line that said it was ready; empty when readiness was asked for. */
  readyLine = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(options: ProcessOptions) {
    this.#child = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once("exit", resolve);
      this.#child.once("error", resolve);
    });
    const { pid } = this.#child;
    if (pid === undefined) return;
    tellWatchdog(`+${pid}`);
    void this.#ended.then(() => tellWatchdog(`-${pid}`));
  }

  /** Starts the process and waits until it is ready. Throws, with what it said last, when it ends before or takes too long. */
  static async start(options: ProcessOptions): Promise<ServerProcess> {
    const server = new ServerProcess(options);
    const waiting = new AbortController();
    const outcome = await Promise.race([
      server.#ready(options.ready, waiting.signal),
      server.#ended.then(() => "ended before it was ready"),
      sleep(options.readyTimeoutMilliseconds ?? 120_000, "was not ready in time", { signal: waiting.signal }),
    ]).finally(() => waiting.abort());
    if (outcome === "ready") return server;
    await server.kill();
    const said = server.stderr.slice(-20).join("\n");
    throw new Error(`${options.command} ${options.args.join(" ")}: the process ${outcome}. It said:\n${said}`);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The exit code; null when a signal has ended it or it is still running. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** SIGKILL; resolves when it has ended. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#ended;
  }

  /** SIGTERM, which asks it to drain; resolves when it has ended. */
  async terminate(): Promise<void> {
    this.signal("SIGTERM");
    await this.#ended;
  }

  /** SIGSTOP: it keeps its memory, its connections and its clock, and does nothing. */
  pause(): void {
    this.signal("SIGSTOP");
  }

  /** SIGCONT. */
  resume(): void {
    this.signal("SIGCONT");
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  async #ready(ready: RegExp | URL, signal: AbortSignal): Promise<"ready"> {
    const lines = this.#child.stderr === null ? undefined : createInterface({ input: this.#child.stderr });
    const line = new Promise<"ready">((resolve) => {
      lines?.on("line", (line) => {
        this.stderr.push(line);
        if (this.stderr.length > KEPT_LINES) this.stderr.shift();
        if (!(ready instanceof RegExp) || this.readyLine !== "" || !ready.test(line)) return;
        this.readyLine = line;
        resolve("ready");
      });
    });
    return ready instanceof URL ? answers(ready, signal) : line;
  }
}

/** Asks until the answer is 200, or until its caller waits no more. */
async function answers(url: URL, signal: AbortSignal): Promise<"ready"> {
  for (;;) {
    const status = await fetch(url, { signal }).then(
      async (response) => {
        await response.body?.cancel();
        return response.status;
      },
      () => 0,
    );
    if (status === 200) return "ready";
    if (signal.aborted) return new Promise(() => {});
    await sleep(25);
  }
}

let watchdog: Writable | undefined;

function tellWatchdog(line: string): void {
  watchdog ??= startWatchdog();
  watchdog.write(`${line}\n`);
}

function startWatchdog(): Writable {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./watchdog.ts", import.meta.url))], {
    // Its own process group: an interrupt from the keyboard must not end it first.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  child.unref();
  const { stdin } = child;
  if ("unref" in stdin && typeof stdin.unref === "function") stdin.unref();
  return stdin;
}
