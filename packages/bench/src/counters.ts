// The check behind every counting load: whether all increments together were each applied exactly once. Knows nothing of requests.

/** Every increment answers a value of its own: together they must be exactly 1 to n per key, or an update was lost or doubled. */
export class Counters {
  readonly #values = new Map<string, number[]>();

  add(key: string, value: unknown): void {
    if (typeof value !== "number") throw new Error(`increment of ${key} answered ${JSON.stringify(value)}`);
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, [value]);
    else values.push(value);
  }

  /** Throws on the first key whose values have a gap or a repetition. */
  check(): void {
    for (const [key, values] of this.#values) {
      values.sort((left, right) => left - right);
      const wrong = values.findIndex((value, index) => value !== index + 1);
      if (wrong >= 0) throw new Error(`lost or doubled update on ${key}: ${values[wrong]} where ${wrong + 1} was due`);
    }
  }
}
