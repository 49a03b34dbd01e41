// Carries MCP over this process's stdin and stdout. Everything else that would reach stdout goes to stderr, because one
// stray line ends the conversation. Knows nothing of tools or state.
import { Writable } from "node:stream";
import type { Logger } from "@stateful-mcp/core/runtime";
import { Conversation, type TalkingApp } from "./conversation.ts";

export { Conversation, type ConversationOptions, type TalkingApp } from "./conversation.ts";

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

/** How long a crash waits for stdout to take what was already written to it. */
const FLUSH_MS = 1000;

/**
 * Serves until stdin ends, the client stops reading, or the process crashes; running calls are answered first, except after
 * a crash. Resolves with the exit code the process should end with. The caller closes the app.
 */
export async function serveStdio(app: TalkingApp, options: StdioOptions): Promise<number> {
  const { logger, signal } = options;
  const output = options.output ?? takeStdout();
  const conversation = new Conversation(app, {
    input: process.stdin,
    output,
    drainMs: (options.drainSeconds ?? 25) * 1000,
    failed: (error) => {
      if (!clientIsGone(error)) logger.warn({ reason: error.message }, "A message could not be handled");
    },
  });
  const stop = () => void conversation.close();
  return await new Promise<number>((resolve) => {
    const crash = (error: unknown) => {
      logger.error({ err: error }, "The process crashed");
      conversation.flush();
      void flushed(output).then(() => resolve(1));
    };
    process.on("uncaughtException", crash);
    process.on("unhandledRejection", crash);
    output.on("error", (error: NodeJS.ErrnoException) => {
      const gone = clientIsGone(error);
      if (!gone) logger.error({ err: error }, "stdout cannot be written");
      resolve(gone ? 0 : 1);
    });
    void conversation.ended.then(() => flushed(output)).then(() => resolve(0));
    signal?.addEventListener("abort", stop, { once: true });
    conversation.start();
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
