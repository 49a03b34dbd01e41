// Stands between state and a store, for tests that hold a request back, count requests, or end a process between two of them.
import type { StateStore } from "../src/stores/state-store.ts";

export interface StoreRequest {
  readonly method: "get" | "getMany" | "create" | "update" | "delete" | "list";
  readonly pk: string;
  /** The sort key; of a listing, its prefix. */
  readonly sk: string;
}

/** Every request goes through `around`, which decides when it is sent and what becomes of the answer. */
export function interceptStore(
  store: StateStore,
  around: <T>(request: StoreRequest, send: () => Promise<T>) => Promise<T>,
): StateStore {
  return {
    get: (key) => around({ method: "get", ...key }, () => store.get(key)),
    // What it reads together is told by its first key.
    getMany: (keys) => around({ method: "getMany", ...(keys[0] ?? { pk: "", sk: "" }) }, () => store.getMany(keys)),
    create: (key, attributes, options) =>
      around({ method: "create", ...key }, () => store.create(key, attributes, options)),
    update: (key, change, options) => around({ method: "update", ...key }, () => store.update(key, change, options)),
    delete: (key) => around({ method: "delete", ...key }, () => store.delete(key)),
    list: (pk, options) => around({ method: "list", pk, sk: options.prefix ?? "" }, () => store.list(pk, options)),
    ping: () => store.ping(),
    close: () => store.close(),
  };
}

export class ProcessEnded extends Error {}

/** A process that ends when its n-th request has been applied and before it hears the answer. Nothing leaves it after that. */
export function endingAfter(store: StateStore, requests: number): StateStore {
  let left = requests;
  return interceptStore(store, async (_, send) => {
    if (left <= 0) throw new ProcessEnded();
    left -= 1;
    const answer = await send();
    if (left <= 0) throw new ProcessEnded();
    return answer;
  });
}

export interface Gate {
  readonly store: StateStore;
  /** Resolves when a request is being held. */
  readonly reached: Promise<void>;
  /** Sends what is held; from now on nothing is. */
  open(): void;
}

/** Holds back the requests that `which` describes, and no others. */
export function holding(store: StateStore, which: (request: StoreRequest) => boolean): Gate {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const held = interceptStore(store, async (request, send) => {
    if (which(request)) {
      reached.resolve();
      await opened.promise;
    }
    return send();
  });
  return { store: held, reached: reached.promise, open: opened.resolve };
}

/** Holds back the first request that `which` describes and all that follow, as a process that was paused there. */
export function pausedAt(store: StateStore, which: (request: StoreRequest) => boolean): Gate {
  let paused = false;
  return holding(store, (request) => {
    paused ||= which(request);
    return paused;
  });
}
