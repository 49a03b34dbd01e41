// Answers that wait to be sent, by who has asked: how many bytes they have, and when there are too many for one more. A caller that asks for
// much and reads nothing must not fill the process's memory. Knows no carrier: it says when an answer has gone out.
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Principal } from "../principal.ts";
import { type CallerRoom, Room } from "../room.ts";

/** A result goes out as an object and as text, and is encoded before it does. */
const COPIES = 2;

/** What one request may be told before its answer. */
const TOLD_MAX_BYTES = 4 * 1_048_576;

/** About how many bytes a result of so many bytes of JSON has, as an answer. */
export const answerBytes = (jsonBytes: number): number => jsonBytes * COPIES;

export class Unsent {
  readonly #room: Room;

  constructor({ unsentBytesPerCaller, unsentBytesPerProcess }: Limits) {
    this.#room = new Room(unsentBytesPerCaller, unsentBytesPerProcess);
  }

  /** Begins the answer to one request. `onSent` calls back once it has been taken by its client or its connection is gone. */
  answerTo(principal: Principal, onSent: (done: () => void) => void): UnsentAnswer {
    const answer = new UnsentAnswer(this.#room.of(principal));
    onSent(() => answer.end());
    return answer;
  }
}

/** What one request is answered with, as far as it has been made. */
export class UnsentAnswer {
  readonly #room: CallerRoom;
  #bytes = 0;
  #told = 0;
  #ended = false;

  constructor(room: CallerRoom) {
    this.#room = room;
  }

  /** @throws AppError `rate_limited` when so much waits for this caller that there is no room for so many bytes more. */
  requireRoom(bytes: number): void {
    if (this.#room.fits(bytes)) return;
    throw new AppError(
      "rate_limited",
      "Too much of what you have asked for waits to be read. Read the answers to your other requests, then call again.",
      { retryAfterSeconds: 1, beforeEffect: true },
    );
  }

  add(bytes: number): void {
    if (this.#ended) return;
    this.#bytes += bytes;
    this.#room.change(bytes);
  }

  /** Whether there is room for what is only told on the way, such as progress: it may be left out. Counts it if so. */
  tell(bytes: number): boolean {
    if (this.#told + bytes > TOLD_MAX_BYTES || !this.#room.fits(bytes)) return false;
    this.#told += bytes;
    this.add(bytes);
    return true;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#room.change(-this.#bytes);
  }
}
