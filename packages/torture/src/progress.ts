// Shows how far a bar has come: one line that updates itself on a terminal, a plain line now and then elsewhere.
import type { WriteStream } from "node:tty";

export interface Progress {
  /** Called as often as convenient. */
  update(state: { done: number; total: number; ok: number; faults: number }): void;
}

type Output = Pick<WriteStream, "write"> & { readonly isTTY?: boolean };

const TERMINAL_MILLISECONDS = 100;
const PLAIN_MILLISECONDS = 10_000;

/** `name` heads every line. The last state shown is always the final one: call `end` when the bar is over. */
export class ProgressLine implements Progress {
  readonly #name: string;
  readonly #output: Output;
  #state = { done: 0, total: 0, ok: 0, faults: 0 };
  #shownAt = performance.now();

  constructor(name: string, output: Output = process.stderr) {
    this.#name = name;
    this.#output = output;
  }

  update(state: { done: number; total: number; ok: number; faults: number }): void {
    this.#state = state;
    const interval = this.#output.isTTY ? TERMINAL_MILLISECONDS : PLAIN_MILLISECONDS;
    if (performance.now() - this.#shownAt >= interval) this.#show();
  }

  end(verdict: string): void {
    this.#show(verdict);
    if (this.#output.isTTY) this.#output.write("\n");
  }

  #show(verdict = ""): void {
    this.#shownAt = performance.now();
    const { done, total, ok, faults } = this.#state;
    const counts = `${done}/${total}  ok ${percent(done === 0 ? 1 : ok / done)}  faults ${faults}`;
    const line = `${this.#name}  ${bar(total === 0 ? 0 : done / total)} ${counts}  ${verdict}`.trimEnd();
    this.#output.write(this.#output.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
  }
}

function bar(share: number): string {
  const full = Math.min(20, Math.floor(share * 20));
  return `[${"#".repeat(full)}${".".repeat(20 - full)}]`;
}

/** Rounded down, so that 100.0 % means all. */
export function percent(share: number): string {
  return `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
}
