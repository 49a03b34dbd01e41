// Carries MCP over this process's stdin and stdout. Everything else that would reach stdout goes to stderr, because one
// stray line ends the conversation. Knows nothing of tools or state.
import { Writable } from "node:stream";
import { StdioServerTransport, serveStdio as serve } from "@modelcontextprotocol/server/stdio";
import type { App, Logger } from "@stateful-mcp/core";
import { Lines } from "./lines.ts";
import { type ListeningApp, StdioListens } from "./listens.ts";

/** How a conversation over stdio is carried. */
export interface StdioOptions {
  logger: Logger;
  /** From `takeStdout()`; give it when stdout had to be protected earlier. */
  output?: Writable;
  /** Ends the conversation as the end of stdin does. */
  signal?: AbortSignal;
  /** How long running calls may still take after the end of stdin, in seconds. Default 25. */
  drainSeconds?: number;
}

type Message = Parameters<StdioServerTransport["send"]>[0];
type RequestId = string | number;

/** How long a crash waits for stdout to take what was already written to it. */
const FLUSH_MS = 1000;

/**
 * Serves until stdin ends, the client stops reading, or the process crashes; running calls are answered first, except after
 * a crash. Resolves with the exit code the process should end with. The caller closes the app.
 */
export async function serveStdio(app: Pick<App, "mcp"> & ListeningApp, options: StdioOptions): Promise<number> {
  const { logger, signal } = options;
  const output = options.output ?? takeStdout();
  const transport = new AnsweringTransport(app, output, (options.drainSeconds ?? 25) * 1000);
  const stop = () => void transport.close();
  return await new Promise<number>((resolve) => {
    const crash = (error: unknown) => {
      logger.error({ err: error }, "The process crashed");
      void flushed(output).then(() => resolve(1));
    };
    process.on("uncaughtException", crash);
    process.on("unhandledRejection", crash);
    output.on("error", (error: NodeJS.ErrnoException) => {
      const gone = clientIsGone(error);
      if (!gone) logger.error({ err: error }, "stdout cannot be written");
      resolve(gone ? 0 : 1);
    });
    void transport.ended.then(() => flushed(output)).then(() => resolve(0));
    signal?.addEventListener("abort", stop, { once: true });
    serve(app.mcp, {
      transport,
      onerror: (error) => {
        if (!clientIsGone(error)) logger.warn({ reason: error.message }, "A message could not be handled");
      },
    });
  });
}

/**
 * Makes stdout the protocol's alone: from now on `console` and `process.stdout.write` reach stderr, and only the returned
 * stream reaches stdout.
 */
export function takeStdout(): Writable {
  const { stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr) as typeof stdout.write;
  // A failed write is reported through its callback; without a listener the same error would also be a crash.
  stdout.on("error", () => {});
  return new Writable({ decodeStrings: false, write: (chunk, encoding, done) => void write(chunk, encoding, done) });
}

/** True for a write that failed because the client has closed its end, which is no failure of ours. */
const clientIsGone = (error: NodeJS.ErrnoException): boolean =>
  error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED";

/** Resolves when everything given to the stream has reached the system, or after a second. */
async function flushed(output: Writable): Promise<void> {
  if (output.writableLength === 0) return;
  await new Promise<void>((resolve) => {
    setTimeout(resolve, FLUSH_MS).unref();
    output.write("", () => resolve());
  });
}

/** The official transport, which drops running requests when stdin ends; this one answers them before it closes. */
class AnsweringTransport extends StdioServerTransport {
  readonly ended: Promise<void>;
  readonly #running = new Set<RequestId>();
  readonly #listens: StdioListens;
  readonly #drainMs: number;
  #resolveEnded: () => void = () => {};
  #resolveIdle: () => void = () => {};
  #closing: Promise<void> | undefined;

  constructor(app: ListeningApp, output: Writable, drainMs: number) {
    super(process.stdin, output);
    // Each answer that waits for stdout listens for its drain, and any number of calls may be answered at once.
    output.setMaxListeners(0);
    // The transport has no option for its reader. Held by the tests that send long numbers and broken bytes over stdio.
    Object.assign(this, { _readBuffer: new Lines((code, why, id) => this.#refuseLine(code, why, id)) });
    this.#listens = new StdioListens(app, (message) => super.send(message));
    this.#drainMs = drainMs;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  override async start(): Promise<void> {
    const deliver = this.onmessage;
    this.onmessage = (message) => {
      if (this.#listens.take(message)) return;
      this.#track(message);
      deliver?.(message);
    };
    await super.start();
  }

  override async send(message: Message): Promise<void> {
    await super.send(message);
    if (!("method" in message) && message.id !== undefined) this.#settle(message.id);
  }

  override close(): Promise<void> {
    this.#closing ??= this.#drain()
      .then(() => super.close())
      .then(this.#resolveEnded);
    return this.#closing;
  }

  #refuseLine(code: number, message: string, id: RequestId | null): void {
    const answer = { jsonrpc: "2.0", id, error: { code, message } };
    void super.send(answer as unknown as Message).catch(() => {});
  }

  #track(message: Message): void {
    if (!("method" in message)) return;
    // subscriptions/listen is answered only when the connection ends, so it must not delay the drain.
    if ("id" in message && message.method !== "subscriptions/listen") this.#running.add(message.id);
    if (message.method !== "notifications/cancelled") return;
    const id = message.params?.requestId;
    if (typeof id === "string" || typeof id === "number") this.#settle(id);
  }

  #settle(id: RequestId): void {
    this.#running.delete(id);
    if (this.#running.size === 0) this.#resolveIdle();
  }

  /** Until running calls have been answered and streams have been ended, or for as long as that may take. */
  async #drain(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      if (this.#running.size === 0) resolve();
      else this.#resolveIdle = resolve;
    });
    let deadline: NodeJS.Timeout | undefined;
    const tooLate = new Promise<void>((resolve) => {
      deadline = setTimeout(resolve, this.#drainMs);
    });
    await Promise.race([Promise.all([idle, this.#listens.end()]), tooLate]);
    clearTimeout(deadline);
  }
}
