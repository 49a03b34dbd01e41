// State as a whole: composes sessions, cached results, claims and limits over one store, and gives each call a view that acts for
// its principal alone.
import type { Clock } from "../clock.ts";
import type { Limits } from "../limits.ts";
import type { BlobStore } from "../stores/blob-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import { Background } from "./background.ts";
import { Blobs } from "./blobs.ts";
import { ResultCache } from "./cache.ts";
import type { Caller } from "./caller.ts";
import { CallerState, sessionIdFor } from "./caller-state.ts";
import { Idempotency } from "./idempotency.ts";
import { RateLimits } from "./rate-limit.ts";
import { RequestStates } from "./request-state.ts";
import { SessionParts, type SessionPartsOptions } from "./session-parts.ts";
import { Tasks } from "./tasks.ts";

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
  readonly rateLimits: RateLimits;
  readonly requestStates: RequestStates;
  readonly tasks: Tasks;
  readonly #parts: SessionParts;

  constructor(options: StateOptions) {
    const { store, blobStore, clock, limits } = options;
    const { background } = this;
    this.clock = clock;
    this.limits = limits;
    const ttlSeconds = options.idempotencyTtlSeconds;
    this.idempotency = new Idempotency({ store, clock, limits, ttlSeconds });
    this.rateLimits = new RateLimits(store, clock);
    this.requestStates = new RequestStates({ store, clock, limits });
    const inBackground = background.run.bind(background);
    const blobs = new Blobs({ store, blobStore, limits, inBackground });
    this.tasks = new Tasks({ store, blobs, clock, limits });
    this.cache = new ResultCache({ store, blobs, clock, inBackground });
    const completedSlots = this.idempotency.completedSlots.bind(this.idempotency);
    const settings = options.sessions;
    this.#parts = new SessionParts({ store, blobs, clock, limits, settings, completedSlots, background });
  }

  /** The session that a call means, by what it names and by who calls. @throws AppError `invalid_input`. */
  sessionIdFor(caller: Caller, given: string | undefined): string {
    return sessionIdFor(this.#parts.settings, caller, given);
  }

  forCaller(caller: Caller): CallerState {
    return new CallerState(this.#parts, this.tasks, caller);
  }
}
