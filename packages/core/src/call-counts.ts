// Counts finished requests by what they were and how they ended: for the numbers that a scrape reads, and for the journal. Names in it
// exist in the app or in the protocol, so that callers cannot add to it. Knows no format and no store.
import { bucketOf, type CallRecord, DURATION_BOUNDS_SECONDS } from "./call-record.ts";

/** Requests that are alike. */
export interface CallSeries {
  readonly method: string;
  /** Empty: no tool. */
  readonly tool: string;
  readonly outcome: string;
  readonly transport: string;
  readonly era: string;
  /** How many fell between two bounds of `DURATION_BOUNDS_SECONDS`; the last one holds those above all. */
  readonly buckets: number[];
  /** Of all durations together. */
  milliseconds: number;
  /** Of cached tools: results that were there, and that were not. */
  hits: number;
  misses: number;
}

/** Counts since it was made. */
export class CallCounts {
  readonly #series = new Map<string, CallSeries>();

  get all(): IterableIterator<CallSeries> {
    return this.#series.values();
  }

  get isEmpty(): boolean {
    return this.#series.size === 0;
  }

  add(call: CallRecord): void {
    const series = this.#of(call);
    series.buckets[bucketOf(call.durationMs)]! += 1;
    series.milliseconds += call.durationMs;
    if (call.cached === true) series.hits += 1;
    if (call.cached === false) series.misses += 1;
  }

  /** Adds what another has counted. */
  merge(others: Iterable<CallSeries>): void {
    for (const other of others) {
      const series = this.#of(other);
      for (const [at, n] of other.buckets.entries()) series.buckets[at]! += n;
      series.milliseconds += other.milliseconds;
      series.hits += other.hits;
      series.misses += other.misses;
    }
  }

  #of({
    method,
    tool,
    outcome,
    transport,
    era,
  }: Pick<CallSeries, "method" | "tool" | "outcome" | "transport" | "era">) {
    const key = `${method} ${tool} ${outcome} ${transport} ${era}`;
    let series = this.#series.get(key);
    if (!series) {
      const buckets = Array<number>(DURATION_BOUNDS_SECONDS.length + 1).fill(0);
      series = { method, tool, outcome, transport, era, buckets, milliseconds: 0, hits: 0, misses: 0 };
      this.#series.set(key, series);
    }
    return series;
  }
}

/** How many requests a series has. */
export const countOf = ({ buckets }: Pick<CallSeries, "buckets">): number => buckets.reduce((sum, n) => sum + n, 0);
