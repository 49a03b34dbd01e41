// Answers that wait to be sent, by who has asked: how many bytes they have, and when there are too many for one more. Whoever asks for
// much and reads nothing must not fill the process's memory. Knows no carrier: it says when an answer has gone out.
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { countedAs, type Principal } from "../principal.ts";

/** A result goes out as an object and as text, and is encoded before it does. */
const COPIES = 2;

/** What one request may be told before its answer. */
const TOLD_MAX_BYTES = 4 * 1_048_576;

/** About how many bytes a result has, as an answer. */
export const answerBytes = (result: unknown): number => (JSON.stringify(result)?.length ?? 0) * COPIES;

export class Unsent {
  readonly #perCaller: number;
  readonly #perProcess: number;
  readonly #byCaller = new Map<string, number>();
  #all = 0;

  constructor({ unsentBytesPerCaller, unsentBytesPerProcess }: Limits) {
    this.#perCaller = unsentBytesPerCaller;
    this.#perProcess = unsentBytesPerProcess;
  }

  /** Begins the answer to one request. `onSent` calls back once it has been taken by its client or its connection is gone. */
  answerTo(principal: Principal, onSent: (done: () => void) => void): UnsentAnswer {
    const caller = countedAs(principal) ?? principal.id;
    const answer = new UnsentAnswer(
      (bytes) => this.#fits(caller, bytes),
      (bytes) => this.#change(caller, bytes),
    );
    onSent(() => answer.end());
    return answer;
  }

  /** A caller for whom nothing waits always has room for one answer, however large, and whatever others have left unread. */
  #fits(caller: string, bytes: number): boolean {
    const own = this.#byCaller.get(caller) ?? 0;
    return own === 0 || (own + bytes <= this.#perCaller && this.#all + bytes <= this.#perProcess);
  }

  #change(caller: string, bytes: number): void {
    this.#all += bytes;
    const own = (this.#byCaller.get(caller) ?? 0) + bytes;
    if (own > 0) this.#byCaller.set(caller, own);
    else this.#byCaller.delete(caller);
  }
}

/** What one request is answered with, as far as it has been made. */
export class UnsentAnswer {
  readonly #fits: (bytes: number) => boolean;
  readonly #count: (bytes: number) => void;
  #bytes = 0;
  #told = 0;
  #ended = false;

  constructor(fits: (bytes: number) => boolean, count: (bytes: number) => void) {
    this.#fits = fits;
    this.#count = count;
  }

  /** @throws AppError `rate_limited` when so much waits for this caller that there is no room for so many bytes more. */
  requireRoom(bytes: number): void {
    if (this.#fits(bytes)) return;
    throw new AppError(
      "rate_limited",
      "Too much of what you have asked for waits to be read. Read the answers to your other requests, then call again.",
      { retryAfterSeconds: 1, beforeEffect: true },
    );
  }

  add(bytes: number): void {
    if (this.#ended) return;
    this.#bytes += bytes;
    this.#count(bytes);
  }

  /** Whether there is room for what is only told on the way, such as progress: it may be left out. Counts it if so. */
  tell(bytes: number): boolean {
    if (this.#told + bytes > TOLD_MAX_BYTES || !this.#fits(bytes)) return false;
    this.#told += bytes;
    this.add(bytes);
    return true;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#count(-this.#bytes);
  }
}
