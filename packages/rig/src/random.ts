// Seeded randomness: everything that is left to chance in a torture run comes from here, so that a printed seed replays it.
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

export class Random {
  readonly seed: number;
  readonly #generator: ReturnType<typeof xoroshiro128plus>;

  /** `seed`: a 32-bit integer. */
  constructor(seed: number) {
    this.seed = seed | 0;
    this.#generator = xoroshiro128plus(this.seed);
  }

  /** An independent stream of its own name: what one stream draws never shifts what another one sees. */
  fork(name: string | number): Random {
    return new Random(hash(`${this.seed}/${name}`));
  }

  /** A whole number between the bounds, both included. */
  int(from: number, to: number): number {
    return uniformInt(this.#generator, from, to);
  }

  /** True with this probability (0 to 1). */
  chance(probability: number): boolean {
    return uniformFloat64(this.#generator) < probability;
  }

  /** One of the items. Throws on an empty list. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error("Cannot pick from an empty list.");
    return items[this.int(0, items.length - 1)] as T;
  }

  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled: T[] = [];
    for (const item of items) {
      const at = this.int(0, shuffled.length);
      if (at < shuffled.length) shuffled.push(shuffled[at] as T);
      shuffled[at] = item;
    }
    return shuffled;
  }
}

/** FNV-1a: spreads a name over 32 bits, which is all that a stream's seed needs. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value | 0;
}

/** The seed to run with: the given text, else a fresh one. Throws when the text is no 32-bit integer. */
export function parseSeed(text: string | undefined): number {
  if (text === undefined) return (Date.now() ^ (process.pid << 16)) >>> 0;
  const seed = Number(text);
  if (!/^-?\d+$/.test(text) || Math.abs(seed) > 0xffffffff) {
    throw new Error(`The seed must be a whole number of at most 32 bits; "${text}" is not.`);
  }
  return seed >>> 0;
}
