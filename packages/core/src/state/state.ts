// State as a whole: composes sessions, cached results, claims and limits over one store, and gives each call a view that acts for
// its principal alone.
import type { Clock } from "../clock.ts";
import { type Limits, LOOKS_PER_CALL } from "../limits.ts";
import { countedAs, type Principal } from "../principal.ts";
import type { BlobStore } from "../stores/blob-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import { Background } from "./background.ts";
import { Blobs } from "./blobs.ts";
import { ResultCache } from "./cache.ts";
import type { Caller } from "./caller.ts";
import { CallerState, sessionIdFor } from "./caller-state.ts";
import { Crowd } from "./crowd.ts";
import { Idempotency } from "./idempotency.ts";
import { ALL_TOOLS, RateLimits } from "./rate-limit.ts";
import { RequestStates } from "./request-state.ts";
import { SessionParts, type SessionPartsOptions } from "./session-parts.ts";
import { Tasks } from "./tasks.ts";
import { Watched } from "./watched.ts";

/** The bucket that looks at tasks are counted in. */
const LOOKS = "tasks/get";

export interface StateOptions {
  store: StateStore;
  blobStore: BlobStore | undefined;
  clock: Clock;
  limits: Limits;
  sessions: SessionPartsOptions["settings"];
  /** How long a claim and its answer are kept. */
  idempotencyTtlSeconds: number;
}

export class State {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly background = new Background();
  readonly cache: ResultCache;
  readonly idempotency: Idempotency;
  readonly crowd: Crowd;
  readonly rateLimits: RateLimits;
  readonly requestStates: RequestStates;
  readonly tasks: Tasks;
  /** What the open streams of this process watch. */
  readonly watched = new Watched();
  /** Runs work and adds to `use` what it asks of the table; undefined where nothing counts that. */
  readonly measured: StateStore["measured"];
  readonly #parts: SessionParts;

  constructor(options: StateOptions) {
    const { store, blobStore, clock, limits } = options;
    const { background } = this;
    this.clock = clock;
    this.measured = store.measured?.bind(store);
    this.limits = limits;
    const ttlSeconds = options.idempotencyTtlSeconds;
    this.idempotency = new Idempotency({ store, clock, limits, ttlSeconds });
    this.crowd = new Crowd(limits, clock);
    this.rateLimits = new RateLimits(store, clock);
    this.requestStates = new RequestStates({ store, clock, limits });
    const inBackground = background.run.bind(background);
    const blobs = new Blobs({ store, blobStore, limits, inBackground });
    this.tasks = new Tasks({ store, blobs, clock, limits });
    this.cache = new ResultCache({ store, blobs, clock, inBackground });
    const completedSlots = this.idempotency.completedSlots.bind(this.idempotency);
    const settings = options.sessions;
    this.#parts = new SessionParts({
      store,
      blobs,
      clock,
      limits,
      settings,
      completedSlots,
      background,
      crowd: this.crowd,
    });
  }

  /** Counts a request that reads or writes the table. @throws AppError `rate_limited` */
  async admit(principal: Principal): Promise<void> {
    this.crowd.admitCall(principal);
    await this.admitTo(principal, ALL_TOOLS, this.limits.callsPerMinute);
  }

  /** Counts a look at a task, of which there may be ten for each call. @throws AppError `rate_limited` */
  async admitLook(principal: Principal): Promise<void> {
    this.crowd.admitLook(principal);
    await this.admitTo(principal, LOOKS, this.limits.callsPerMinute * LOOKS_PER_CALL);
  }

  /** Counts a call of one kind, over the whole fleet; 0: no limit. @throws AppError `rate_limited` */
  async admitTo(principal: Principal, bucket: string, perMinute: number): Promise<void> {
    if (perMinute > 0) await this.rateLimits.admit(countedAs(principal) ?? principal.id, bucket, perMinute);
  }

  /** The session that a call means, by what it names and by who calls. @throws AppError `invalid_input`. */
  sessionIdFor(caller: Caller, given: string | undefined): string {
    return sessionIdFor(this.#parts.settings, caller, given);
  }

  forCaller(caller: Caller): CallerState {
    return new CallerState(this.#parts, this.tasks, caller);
  }
}
