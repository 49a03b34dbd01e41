// Ends answers whose clients do not read them: what they do not take stays in this process's memory. Knows sockets and no HTTP.
import type { ServerResponse } from "node:http";
import type { Logger } from "@stateful-mcp/core";

/** How long an answer may wait without a byte of it being taken. */
const STALLED_MS = 30_000;
/** What clients of one address may leave unread together, before those of them that take nothing are ended sooner. */
const HELD_PER_ADDRESS_MAX_BYTES = 33_554_432;
const LOOKS_PER_STALL = 6;

export interface SlowReadersOptions {
  readonly logger: Logger;
  /** Milliseconds without progress after which an answer is ended. Default 30,000. */
  readonly stalledMs?: number | undefined;
  /** Bytes unread per address from which on one look without progress is enough. Default 32 MiB. */
  readonly heldMaxBytes?: number | undefined;
}

interface Progress {
  written: number;
  at: number;
}

/** Watches answers from `add` until they are closed. Looks only while there are some. */
export class SlowReaders {
  readonly #options: SlowReadersOptions;
  readonly #watched = new Map<ServerResponse, Progress>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SlowReadersOptions) {
    this.#options = options;
  }

  add(response: ServerResponse): void {
    this.#watched.set(response, { written: -1, at: performance.now() });
    response.once("close", () => {
      this.#watched.delete(response);
      if (this.#watched.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    });
    const { stalledMs = STALLED_MS } = this.#options;
    this.#timer ??= setInterval(() => this.#look(stalledMs), stalledMs / LOOKS_PER_STALL).unref();
  }

  #look(stalledMs: number): void {
    const now = performance.now();
    const held = new Map<string, number>();
    const stalled: { response: ServerResponse; address: string; waitedMs: number; bytes: number }[] = [];
    for (const [response, progress] of this.#watched) {
      const { socket } = response;
      const written = (socket?.bytesWritten ?? 0) - (socket?.writableLength ?? 0);
      const bytes = response.writableLength + (socket?.writableLength ?? 0);
      // Nothing to read is no fault of the reader: a stream of changes may be silent for hours.
      if (bytes === 0 || written !== progress.written) {
        progress.written = written;
        progress.at = now;
        continue;
      }
      const address = socket?.remoteAddress ?? "";
      held.set(address, (held.get(address) ?? 0) + bytes);
      stalled.push({ response, address, waitedMs: now - progress.at, bytes });
    }
    const { heldMaxBytes = HELD_PER_ADDRESS_MAX_BYTES, logger } = this.#options;
    for (const { response, address, waitedMs, bytes } of stalled) {
      const tooMuch = (held.get(address) ?? 0) > heldMaxBytes;
      if (waitedMs < stalledMs && !tooMuch) continue;
      logger.warn(
        { address, unread_bytes: bytes, waited_ms: Math.round(waitedMs) },
        "an answer was not read and is ended",
      );
      response.destroy();
    }
  }
}
