// Rounds that count: a fixed piece of work, the floor, is measured before and after each, and a round during which the machine changed is
// refused and run again. Knows nothing of what is measured.
import { spread } from "./statistics.ts";

/** How many times dearer the dearer of the two floors around a round may be. */
const STRAY = 1.3;
/** More attempts than so many per round that is due: the machine is not fit for measuring now. */
const ATTEMPTS_PER_ROUND = 4;

export interface SteadyRounds<T> {
  readonly values: T[];
  /** Of the rounds that counted, both measurements of each. */
  readonly floors: number[];
  readonly refused: number;
}

/**
 * Runs `one` until `count` rounds have counted. `attempt` is another number each time. A round that is slow from its first floor to its last
 * counts: what is compared within it was slowed alike.
 * @throws Error after four attempts for each round that was due.
 */
export async function steadyRounds<T>(
  count: number,
  floor: () => Promise<number>,
  one: (attempt: number, counted: number) => Promise<T>,
): Promise<SteadyRounds<T>> {
  const values: T[] = [];
  const floors: number[] = [];
  let before = await floor();
  let attempts = 0;
  while (values.length < count) {
    const refused = attempts - values.length;
    if (attempts === count * ATTEMPTS_PER_ROUND)
      throw new Error(
        `the machine is too unsteady: in ${refused} of ${attempts} rounds the floor moved by more than ${STRAY} times. Stop what else runs and start again.`,
      );
    attempts += 1;
    const value = await one(attempts, values.length);
    const after = await floor();
    const { low, high } = spread([before, after]);
    if (high / low <= STRAY) {
      values.push(value);
      floors.push(before, after);
    }
    before = after;
  }
  return { values, floors, refused: attempts - values.length };
}
