// One log line for each request that is turned away at the door, so that guessing can be seen; bounded, so that guessing cannot fill a
// disk. Knows no route.
import type { Observer } from "../call-record.ts";
import type { Clock } from "../clock.ts";
import type { LogFields, Logger } from "../logger.ts";

/** Why a request was turned away: its token, its token's scopes, the name it called this server by, the page it came from. */
export type RefusalReason = "token" | "scope" | "host" | "origin";

const LINES_PER_MINUTE = 60;

/** Writes one line for each refusal, at most 60 a minute, and then how many had none. */
export class Refusals {
  readonly #logger: Pick<Logger, "warn">;
  readonly #clock: Clock;
  readonly #observer: Observer | undefined;
  #minute = 0;
  #lines = 0;
  #unlogged = 0;

  constructor(logger: Pick<Logger, "warn">, clock: Clock, observer?: Observer) {
    this.#observer = observer;
    this.#logger = logger;
    this.#clock = clock;
  }

  tell(reason: RefusalReason, fields: LogFields): void {
    this.look();
    this.#observer?.happened({ kind: "auth_failure", reason });
    this.#lines += 1;
    if (this.#lines > LINES_PER_MINUTE) this.#unlogged += 1;
    else this.#logger.warn({ reason, ...fields }, "refused");
  }

  /** Begins a new minute once the last one is over. A process that may be frozen at any time looks at each request. */
  look(): void {
    const minute = Math.floor(this.#clock.now() / 60_000);
    if (minute === this.#minute) return;
    this.flush();
    this.#minute = minute;
    this.#lines = 0;
  }

  /** Says how many had no line of their own. */
  flush(): void {
    if (this.#unlogged > 0)
      this.#logger.warn({ count: this.#unlogged }, "refused, without a line of their own: more than 60 in a minute");
    this.#unlogged = 0;
  }
}
