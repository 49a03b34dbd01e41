// Time as the rest of core sees it, so that a test can move it.

/** Where core gets the time from. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/** The time of this machine. */
export const systemClock: Clock = { now: () => Date.now() };

/** Whole seconds, the unit of every `expiresAt` (DynamoDB's TTL attribute is epoch seconds). */
export const epochSeconds = (clock: Clock): number => Math.floor(clock.now() / 1000);
