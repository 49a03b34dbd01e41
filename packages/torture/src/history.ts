// Records what clients did and saw, on one monotonic clock, in the form that the checkers read.
import type { Operation } from "./checkers/linearizability.ts";

export class History<I, O> {
  readonly operations: Operation<I, O>[] = [];

  /** Runs the call and records it. An answer of undefined, and a call that throws, count as unknown; what is thrown is passed on. */
  async record(key: string, input: I, call: () => Promise<O | undefined>): Promise<O | undefined> {
    const invoked = performance.now();
    let output: O | undefined;
    try {
      output = await call();
      return output;
    } finally {
      this.operations.push({ key, input, output, invoked, completed: performance.now() });
    }
  }

  /** The share of operations with a known answer. 1 when there are none. */
  get successRatio(): number {
    const answered = this.operations.filter((operation) => operation.output !== undefined).length;
    return this.operations.length === 0 ? 1 : answered / this.operations.length;
  }
}
