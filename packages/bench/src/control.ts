// The channel between the benchmark and the processes it starts: named questions over Node's own IPC. Knows nothing of HTTP or MCP.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { resolve } from "node:path";
import type { LoadPlan, LoadResult, Target } from "./plan.ts";

/** What can be asked of a child, and what it answers. */
export interface Questions {
  /** Answered once the child can be used; the port is 0 where there is none. */
  ready: { input: undefined; answer: { port: number } };
  /** CPU microseconds, user and system, since the process started. */
  cpu: { input: undefined; answer: number };
  /** Bytes held after a garbage collection, and the most that the process has had in memory so far. */
  memory: { input: undefined; answer: { heapBytes: number; peakBytes: number } };
  /** Load client: opens the connections, and the sessions where the era has them. */
  open: { input: Target; answer: undefined };
  /** Load client: sends the calls and checks each answer. */
  run: { input: LoadPlan; answer: LoadResult };
  /** Store clients: this many operations, one after the other. */
  operations: { input: number; answer: undefined };
}

export type Handlers = { [Name in keyof Questions]?: (input: Questions[Name]["input"]) => unknown };

interface Question {
  id: number;
  name: keyof Questions;
  input: unknown;
}

interface Reply {
  id: number;
  answer?: unknown;
  error?: string;
}

/** In the child: answers questions until the parent goes away, then exits. */
export function answerQuestions(handlers: Handlers): void {
  const all: Handlers = { cpu: cpuMicros, memory, ...handlers };
  process.on("message", async ({ id, name, input }: Question) => {
    let reply: Reply;
    try {
      const handler = all[name] as ((input: unknown) => unknown) | undefined;
      if (handler === undefined) throw new Error(`${process.argv[1]} does not answer "${name}"`);
      reply = { id, answer: await handler(input) };
    } catch (error) {
      reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    process.send?.(reply);
  });
  process.once("disconnect", () => process.exit(0));
}

/** CPU microseconds this process has used so far. */
export function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function memory(): Questions["memory"]["answer"] {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return { heapBytes: heapUsed + external, peakBytes: process.resourceUsage().maxRSS * 1024 };
}

/** In the parent: a child process and the questions it is asked. */
export class Child {
  readonly process: ChildProcess;
  #next = 0;
  readonly #waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();

  /** Starts `file`, a path relative to this folder or absolute. With `piped`, stdin and stdout are the caller's; `log` gets its stderr. */
  constructor(
    file: string,
    args: readonly string[] = [],
    options: { piped?: boolean; env?: Readonly<Record<string, string>>; log?: string } = {},
  ) {
    const log = options.log === undefined ? undefined : openSync(options.log, "a");
    const stream = options.piped ? "pipe" : "ignore";
    this.process = fork(resolve(import.meta.dirname, file), args, {
      execArgv: ["--expose-gc"],
      env: { ...process.env, ...options.env },
      stdio: [stream, stream, log ?? "inherit", "ipc"],
    });
    if (log !== undefined) closeSync(log);
    this.process.on("message", ({ id, answer, error }: Reply) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(answer);
      else waiting?.reject(new Error(error));
    });
    const fail = (reason: string) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${file}: ${reason}`));
      this.#waiting.clear();
    };
    this.process.once("exit", (code, signal) => fail(`ended early (${signal ?? `exit code ${code}`})`));
    this.process.once("error", (error) => fail(error.message));
  }

  ask<Name extends keyof Questions>(
    name: Name,
    ...[input]: Questions[Name]["input"] extends undefined ? [] : [Questions[Name]["input"]]
  ): Promise<Questions[Name]["answer"]> {
    const id = this.#next++;
    return new Promise((answered, reject) => {
      this.#waiting.set(id, { resolve: (answer) => answered(answer as Questions[Name]["answer"]), reject });
      this.process.send({ id, name, input } satisfies Question, (error) => error && reject(error));
    });
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exited;
  }
}
