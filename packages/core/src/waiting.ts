// Waiting, the one way: growing pauses between looks, and a limit on how long something may take.

/** Gives milliseconds to pause between looks, one after the other: `first`, then growing by `factor` up to `max`. */
export function backoff(first: number, max: number, factor = 2): () => number {
  let nextMs = first;
  return () => {
    const pauseMs = nextMs;
    nextMs = Math.min(nextMs * factor, max);
    return pauseMs;
  };
}

/** Resolves after `ms`, or at once when the signal ends. Holds no process open when it has a signal. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      // A signal that outlives many pauses must not keep them all.
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (!signal) return;
    timer.unref();
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });

/**
 * Runs a task with a signal that ends when `given` does, or after `limitMs`: then the promise rejects with what `tooLate` makes,
 * and a task that ignores its signal is left behind.
 */
export async function within<T>(
  limitMs: number,
  task: (signal: AbortSignal) => Promise<T>,
  tooLate: () => Error,
  given?: AbortSignal,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(given?.reason);
  given?.addEventListener("abort", abort, { once: true });
  if (given?.aborted) abort();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = tooLate();
      reject(error);
      controller.abort(error);
    }, limitMs);
  });
  try {
    return await Promise.race([task(controller.signal), late]);
  } finally {
    clearTimeout(timer);
    given?.removeEventListener("abort", abort);
  }
}
