// The arithmetic of a comparison. Rounds are paired: the two sides of one round ran one after the other, on the same machine in the same mood.

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Median, least and greatest. Throws on no values and on a value that is not finite, which would otherwise travel silently. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((left, right) => left - right);
  const bad = sorted.find((value) => !Number.isFinite(value));
  const low = sorted[0];
  const high = sorted.at(-1);
  if (low === undefined || high === undefined || bad !== undefined)
    throw new Error(`no spread of [${values.join(", ")}]`);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? high;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? low) + upper) / 2;
  return { median, low, high };
}

/** Round by round, `over[i] / under[i]`. */
export function ratios(over: readonly number[], under: readonly number[]): number[] {
  if (over.length !== under.length) throw new Error(`${over.length} rounds against ${under.length}`);
  return over.map((value, round) => value / (under[round] ?? Number.NaN));
}
