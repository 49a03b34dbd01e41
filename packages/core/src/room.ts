// Bytes that a process holds for its callers, by whom they are held for, and whether there is room for more. Knows not what they are.
import { countedAs, type Principal } from "./principal.ts";

export class Room {
  readonly #perCaller: number;
  readonly #perProcess: number;
  readonly #byCaller = new Map<string, number>();
  #all = 0;

  constructor(perCaller: number, perProcess: number) {
    this.#perCaller = perCaller;
    this.#perProcess = perProcess;
  }

  /** That of one caller; of a network where callers have no identity. */
  of(principal: Principal): CallerRoom {
    const caller = countedAs(principal) ?? principal.id;
    return {
      fits: (bytes) => {
        const own = this.#byCaller.get(caller) ?? 0;
        return own === 0 || (own + bytes <= this.#perCaller && this.#all + bytes <= this.#perProcess);
      },
      change: (bytes) => {
        this.#all += bytes;
        const own = (this.#byCaller.get(caller) ?? 0) + bytes;
        if (own > 0) this.#byCaller.set(caller, own);
        else this.#byCaller.delete(caller);
      },
    };
  }
}

export interface CallerRoom {
  /** Whether so many bytes more have room. A caller for whom nothing is held always has room once, however much, and with any amount held for others. */
  fits(bytes: number): boolean;
  /** Takes room for bytes, or with a negative number gives it back. */
  change(bytes: number): void;
}
