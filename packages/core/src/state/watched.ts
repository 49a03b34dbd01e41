// How much the open streams of this process watch, by caller, and how long each must wait between two looks: many streams with many
// resources look less often, so that what one caller's watching costs is bounded. Knows not what is watched.
import { countedAs, type Principal } from "../principal.ts";

/** Resources that the streams of one caller look at in a second, together; about two small reads each. */
const CALLER_LOOKS_PER_SECOND = 64;
/** The same for everybody on one process. */
const PROCESS_LOOKS_PER_SECOND = 1_000;

/** One open stream. */
export interface WatchingStream {
  /** How many resources it watches from now on. */
  watches(count: number): void;
  /** Milliseconds to wait before its next look, where it would wait for `wantedMs`. */
  pauseMs(wantedMs: number): number;
  /** It is closed. */
  end(): void;
}

export class Watched {
  readonly #byCaller = new Map<string, number>();
  #all = 0;

  /** A stream that watches nothing yet. */
  open(principal: Principal): WatchingStream {
    const caller = countedAs(principal) ?? principal.id;
    let own = 0;
    const watches = (count: number) => {
      const total = (this.#byCaller.get(caller) ?? 0) + count - own;
      this.#all += count - own;
      own = count;
      if (total > 0) this.#byCaller.set(caller, total);
      else this.#byCaller.delete(caller);
    };
    return {
      watches,
      pauseMs: (wantedMs) => {
        const ofCaller = ((this.#byCaller.get(caller) ?? 0) / CALLER_LOOKS_PER_SECOND) * 1_000;
        return Math.max(wantedMs, ofCaller, (this.#all / PROCESS_LOOKS_PER_SECOND) * 1_000);
      },
      end: () => watches(0),
    };
  }
}
