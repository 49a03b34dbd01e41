// Brings log lines to a file descriptor, in order. The lines of one turn of the event loop are one write, because a write costs more than
// composing a line. Knows nothing of what is in them.
import { writeSync } from "node:fs";

/** How long a reader that takes nothing is left alone before the next attempt. */
const PAUSE_MS = 5;
/** Lines that wait for the end of the turn are written before they are more than this. */
const WAITING_MAX_CHARACTERS = 64 * 1024;

const pause = new Int32Array(new SharedArrayBuffer(4));

/** Lines on their way to one file descriptor, for which there must be one of these in a process. */
export class LogLines {
  readonly #fd: number;
  #waiting = "";
  #broken = false;

  constructor(fd: number) {
    this.#fd = fd;
    // Also the end of a process that has crashed, or that a handler of a signal ends.
    process.on("exit", () => this.flush());
  }

  /** Takes a line, its end included. It is written at the end of this turn of the event loop, or when the process ends before. */
  write(line: string): void {
    if (this.#waiting === "") setImmediate(() => this.flush());
    this.#waiting += line;
    if (this.#waiting.length > WAITING_MAX_CHARACTERS) this.flush();
  }

  /** Writes what waits, now. Returns when the system has all of it: a slow reader is waited for. */
  flush(): void {
    if (this.#waiting === "") return;
    let rest = Buffer.from(this.#waiting);
    this.#waiting = "";
    while (rest.length > 0 && !this.#broken) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EAGAIN") Atomics.wait(pause, 0, 0, PAUSE_MS);
        // Its reader has gone, which is no reason to stop serving.
        else if (code === "EPIPE") this.#broken = true;
        // A full disk: these lines are lost, later ones may find room.
        else return;
      }
    }
  }
}
