// What tests of large values share: a blob store and a state store that can be watched and made to fail, and a caller of tools.
// For tests only.
import { randomBytes } from "node:crypto";
import type { App } from "../src/app.ts";
import { AppError } from "../src/errors.ts";
import { LOCAL_PRINCIPAL } from "../src/principal.ts";
import type { BlobStore } from "../src/stores/blob-store.ts";
import { MemoryBlobStore } from "../src/stores/memory-blobs.ts";
import { MemoryStore } from "../src/stores/memory-store.ts";
import type { Change, Key, UpdateOptions } from "../src/stores/state-store.ts";

/** A real blob store, watched: which blobs there are, and a place to fail on order. */
export class Watched implements BlobStore {
  readonly keys = new Set<string>();
  requests = 0;
  before: (method: "put" | "get" | "delete") => Promise<void> = async () => {};
  after: (method: "put" | "get" | "delete") => Promise<void> = async () => {};
  readonly inner: BlobStore;

  constructor(inner: BlobStore = new MemoryBlobStore()) {
    this.inner = inner;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#begin("put");
    await this.inner.put(key, bytes);
    this.keys.add(key);
    await this.after("put");
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    await this.#begin("get");
    return this.inner.get(key);
  }

  async delete(key: string): Promise<void> {
    await this.#begin("delete");
    await this.inner.delete(key);
    this.keys.delete(key);
  }

  async #begin(method: "put" | "get" | "delete"): Promise<void> {
    this.requests += 1;
    await this.before(method);
  }
}

/** Counts requests, and may lose the answer to an update that it has made. */
export class WatchedStore extends MemoryStore {
  requests = 0;
  loses: (change: Change) => boolean = () => false;

  override get(key: Key) {
    this.requests += 1;
    return super.get(key);
  }

  override async update(key: Key, change: Change, options: UpdateOptions) {
    this.requests += 1;
    const result = await super.update(key, change, options);
    if (this.loses(change)) throw new AppError("unavailable", "The reply was lost.");
    return result;
  }
}

export const textOf = (bytes: number): string => randomBytes(bytes / 2).toString("hex");
export const BIG = 200_000;
export const down = async (): Promise<never> => {
  throw new AppError("unavailable", "The blob store is down.");
};

/** Calls tools of an app, in one session. */
export class Caller {
  readonly app: App;
  readonly sessionId: string;
  constructor(app: App, sessionId = `s-${randomBytes(4).toString("hex")}`) {
    this.app = app;
    this.sessionId = sessionId;
  }
  async call(name: string, given: Record<string, unknown>) {
    const call = { name, arguments: { session_id: this.sessionId, ...given }, principal: LOCAL_PRINCIPAL };
    return (await this.app.call(call)).structured;
  }
  store = (key: string, value: unknown, more = {}) => this.call("store_value", { key, value, ...more });
  get = (key: string) => this.call("get_value", { key, limit: 5_000_000 });
  delete = (key: string) => this.call("delete_value", { key });
}
