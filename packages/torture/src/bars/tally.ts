// What a bar has seen: counted operations, complaints, how far it has come; and how its tasks run side by side. Knows no server.
import type { Outcome } from "../bars.ts";
import type { Progress } from "../progress.ts";

/** Complaints beyond this many are counted and not told one by one. */
const TOLD_VIOLATIONS = 20;

/** Where faults and the share of successes are counted, when a bar does not count them itself. */
export interface Observed {
  readonly faults: Readonly<Record<string, number>>;
  readonly client: { readonly successRatio: number };
}

export class Tally {
  operations = 0;
  failed = 0;
  readonly #violations: string[] = [];
  #untold = 0;
  readonly #progress: Progress;
  readonly #total: number;
  readonly #observed: Observed | undefined;

  constructor(progress: Progress, total: number, observed?: Observed) {
    this.#progress = progress;
    this.#total = total;
    this.#observed = observed;
  }

  /** Notes an operation; `succeeded` is false when it failed for a reason that is no fault window. */
  count(succeeded = true): void {
    this.operations++;
    if (!succeeded) this.failed++;
    const ok = Math.floor(this.operations * this.#successRatio());
    const faults = Object.values(this.#observed?.faults ?? {}).reduce((sum, count) => sum + count, 0);
    this.#progress.update({ done: this.operations, total: this.#total, ok, faults });
  }

  /** Complains unless the claim is true. */
  expect(claim: boolean, complaint: () => string): void {
    if (claim) return;
    if (this.#violations.length < TOLD_VIOLATIONS) this.#violations.push(complaint());
    else this.#untold++;
  }

  /** `faults` besides those observed; `successRatio` where the counted one would include a fault window. */
  outcome(faults: Readonly<Record<string, number>> = {}, successRatio = this.#successRatio()): Outcome {
    return {
      operations: this.operations,
      successRatio,
      faults: { ...this.#observed?.faults, ...faults },
      violations: this.#untold === 0 ? this.#violations : [...this.#violations, `and ${this.#untold} more`],
    };
  }

  #successRatio(): number {
    if (this.#observed) return this.#observed.client.successRatio;
    return this.operations === 0 ? 1 : 1 - this.failed / this.operations;
  }
}

export function addAll(sum: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + count;
}

/** Runs a task for each item, or for each index below a number, with at most `width` under way, in order of their start. */
export async function inParallel<T = number>(
  items: readonly T[] | number,
  width: number,
  task: (item: T, at: number) => Promise<void>,
): Promise<void> {
  const length = typeof items === "number" ? items : items.length;
  let next = 0;
  const worker = async () => {
    while (next < length) {
      const at = next++;
      await task((typeof items === "number" ? at : items[at]) as T, at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, length) }, worker));
}
