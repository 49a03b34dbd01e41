// Bounds for callers whom nothing tells apart but the network that they call from. Counted in this process alone: a flood of strangers
// must not cost a write to the table each. Knows no address: a principal says under what it is counted.
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { type Limits, LOOKS_PER_CALL } from "../limits.ts";
import type { Principal } from "../principal.ts";

/** What all networks together may do in one process, as a multiple of what one of them may. */
const NETWORKS_AT_THEIR_LIMIT = 10;
/** Log lines of requests that no bound lets in, as many as one network has calls by default: a flood of them must not fill a disk. */
const LINES_PER_MINUTE = 600;

interface Bound {
  /** In words that complete "Your network has reached its limit of 5 …". */
  readonly what: string;
  readonly limit: number;
  readonly windowSeconds: number;
}

/** What was let in during the present window. The whole is at most ten times the limit, which also bounds what is remembered. */
class Window {
  readonly #bound: Bound;
  readonly #clock: Clock;
  #number = 0;
  #all = 0;
  readonly #byNetwork = new Map<string, number>();

  constructor(bound: Bound, clock: Clock) {
    this.#bound = bound;
    this.#clock = clock;
  }

  /** @throws AppError `rate_limited` with the seconds until the next window. */
  admit(network: string | undefined, amount = 1): void {
    const { limit, windowSeconds, what } = this.#bound;
    if (limit === 0) return;
    const seconds = this.#clock.now() / 1000;
    const number = Math.floor(seconds / windowSeconds);
    if (number !== this.#number) {
      this.#number = number;
      this.#all = 0;
      this.#byNetwork.clear();
    }
    const own = network === undefined ? 0 : (this.#byNetwork.get(network) ?? 0);
    const most = limit * NETWORKS_AT_THEIR_LIMIT;
    const full =
      own + amount > limit
        ? `Your network has reached its limit of ${limit} ${what}.`
        : this.#all + amount > most
          ? `All callers together have reached this server's limit of ${most} ${what}.`
          : undefined;
    if (full !== undefined) {
      const retryAfterSeconds = Math.max(1, Math.ceil((number + 1) * windowSeconds - seconds));
      throw new AppError("rate_limited", `${full} Try again in ${retryAfterSeconds} s.`, { retryAfterSeconds });
    }
    this.#all += amount;
    if (network !== undefined) this.#byNetwork.set(network, own + amount);
  }
}

export class Crowd {
  readonly #calls: Window;
  readonly #looks: Window;
  readonly #sessions: Window;
  readonly #tasks: Window;
  readonly #bytes: Window;
  readonly #kept: Window;
  readonly #clock: Clock;
  #minute = 0;
  #lines = 0;

  constructor(limits: Limits, clock: Clock) {
    this.#clock = clock;
    const { anonymousCallsPerMinute: calls, anonymousSessionsPerHour, anonymousTasksPerHour } = limits;
    const window = (what: string, limit: number, windowSeconds: number) =>
      new Window({ what, limit, windowSeconds }, clock);
    this.#calls = window("calls this minute", calls, 60);
    this.#looks = window("looks at tasks this minute", calls * LOOKS_PER_CALL, 60);
    this.#sessions = window("new sessions this hour", anonymousSessionsPerHour, 3_600);
    this.#tasks = window("new tasks this hour", anonymousTasksPerHour, 3_600);
    this.#bytes = window("bytes sent this hour", limits.anonymousBytesPerHour, 3_600);
    this.#kept = window("bytes kept this hour", limits.anonymousBytesPerHour, 3_600);
  }

  /** Counts a call of an anonymous caller; others have bounds of their own. @throws AppError `rate_limited` */
  admitCall({ kind, network }: Principal): void {
    if (kind === "anonymous") this.#calls.admit(network);
  }

  /**
   * Counts a request that was not let in, or that counts as none. `tells`: it has a line in the log. `untold`: how many had none in the
   * minute that is over.
   */
  line(): { tells: boolean; untold: number } {
    const minute = Math.floor(this.#clock.now() / 60_000);
    const untold = minute === this.#minute ? 0 : Math.max(0, this.#lines - LINES_PER_MINUTE);
    if (minute !== this.#minute) this.#lines = 0;
    this.#minute = minute;
    this.#lines += 1;
    return { tells: this.#lines <= LINES_PER_MINUTE, untold };
  }

  /** Counts what one has sent. @throws AppError `rate_limited` */
  admitBytes({ kind, network }: Principal, bytes: number): void {
    if (kind === "anonymous") this.#bytes.admit(network, bytes);
  }

  /** Whether so much of what one was told may be kept, for a client that comes back for it. Counts it if so. */
  keeps({ kind, network }: Principal, bytes: number): boolean {
    if (kind !== "anonymous") return true;
    try {
      this.#kept.admit(network, bytes);
      return true;
    } catch {
      return false;
    }
  }

  /** Counts a look at a task. @throws AppError `rate_limited` */
  admitLook({ kind, network }: Principal): void {
    if (kind === "anonymous") this.#looks.admit(network);
  }

  /** Counts a call that becomes a task. @throws AppError `rate_limited` */
  admitTask({ kind, network }: Principal): void {
    if (kind === "anonymous") this.#tasks.admit(network);
  }

  /** Counts a session that one begins. @throws AppError `rate_limited` */
  admitSession({ kind, network }: Principal): void {
    if (kind === "anonymous") this.#sessions.admit(network);
  }
}
