// What a process does beside answering: work that no caller waits for, and the count of calls under way, so that a process can end
// or be frozen at a moment when nothing is lost.

export class Background {
  readonly #work = new Set<Promise<unknown>>();
  readonly #later = new Set<NodeJS.Timeout>();
  #calls = 0;
  #callsEnded: (() => void)[] = [];

  /** Best effort: a failure costs what the work would have saved, and nothing else. */
  run(work: Promise<unknown>): void {
    const done = work.catch(() => {}).finally(() => this.#work.delete(done));
    this.#work.add(done);
  }

  /** Begins work after a time in milliseconds. A process that ends earlier never begins it. */
  runLater(afterMs: number, begin: () => Promise<unknown>): void {
    const timer = setTimeout(() => {
      this.#later.delete(timer);
      this.run(begin());
    }, afterMs);
    timer.unref();
    this.#later.add(timer);
  }

  /** Counts a call until the returned function is called. */
  callBegins(): () => void {
    this.#calls += 1;
    return () => {
      this.#calls -= 1;
      if (this.#calls === 0) for (const resolve of this.#callsEnded.splice(0)) resolve();
    };
  }

  /** Resolves when no call runs and work under way has ended. Work that has not begun is not waited for. */
  async settle(): Promise<void> {
    while (this.#calls > 0 || this.#work.size > 0) {
      if (this.#calls > 0) await new Promise<void>((resolve) => this.#callsEnded.push(resolve));
      await Promise.all(this.#work);
    }
  }

  /** Gives up work that has not begun and resolves when all other work has ended. */
  async close(): Promise<void> {
    for (const timer of this.#later) clearTimeout(timer);
    await Promise.all(this.#work);
  }
}
