import { randomBytes } from "node:crypto";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { type App, createApp } from "../app.ts";
import { AppError } from "../errors.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { LOCAL_PRINCIPAL } from "../principal.ts";
import { type BlobStore, MemoryBlobStore } from "../stores/blob-store.ts";
import { DynamoDBStore, setupTable } from "../stores/dynamodb.ts";
import { MemoryStore } from "../stores/memory.ts";
import type { Change, Entry, Key, StateStore, UpdateOptions } from "../stores/state-store.ts";
import { type Engine, loopbackClient, startDynalite } from "../testing/engines.ts";
import { type FaultyProxy, startFaultyProxy } from "../testing/faulty-proxy.ts";
import { loopbackBlobs, type S3Server, startS3Server } from "../testing/s3-server.ts";
import { movableClock } from "../testing/store-contract.ts";
import { defineTool } from "../tool.ts";
import { builtinTools } from "../tools/index.ts";
import { Blobs } from "./blobs.ts";
import { sessionPartition, valuesPrefix } from "./keys.ts";
import { sweepSession } from "./sweep.ts";

/** A real blob store, watched: which blobs there are, and a place to fail on order. */
class Watched implements BlobStore {
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
class WatchedStore extends MemoryStore {
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

const textOf = (bytes: number): string => randomBytes(bytes / 2).toString("hex");
const BIG = 200_000;
const down = async (): Promise<never> => {
  throw new AppError("unavailable", "The blob store is down.");
};

/** Calls tools of an app, in one session. */
class Caller {
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
  get = (key: string) => this.call("get_value", { key });
  delete = (key: string) => this.call("delete_value", { key });
}

async function entriesOf(store: StateStore, sessionId: string): Promise<readonly Entry[]> {
  const pk = sessionPartition(LOCAL_PRINCIPAL.id, sessionId);
  return (await store.list(pk, { prefix: "V#", limit: 1000 })).entries;
}

interface Place {
  store: StateStore;
  blobs: Watched;
  close(): Promise<void>;
}
const inMemory = async (): Promise<Place> => ({
  store: new MemoryStore(),
  blobs: new Watched(),
  close: async () => {},
});
const onServers = async (): Promise<Place> => {
  const [engine, server] = await Promise.all([startDynalite(), startS3Server()]);
  const client = engine.client();
  await setupTable(client, "mcp_state", () => {});
  const s3 = loopbackBlobs(server.port);
  const close = async () => {
    client.destroy();
    s3.close();
    await Promise.all([engine.stop(), server.stop()]);
  };
  return { store: new DynamoDBStore({ client, table: "mcp_state" }), blobs: new Watched(s3), close };
};

describe.each([
  ["memory", inMemory],
  ["dynalite and s3rver", onServers],
])("large values on %s", (_, makePlace) => {
  let place: Place;
  let app: App;
  beforeAll(async () => {
    place = await makePlace();
    app = createApp({ store: place.store, blobs: place.blobs });
  });
  afterAll(async () => {
    await app.close();
    await place.close();
  });

  it.each([60_002, 3_145_728, 5_000_000])("a value of %i bytes comes back, and its item stays small", async (bytes) => {
    const caller = new Caller(app);
    const value = textOf(bytes - 2);
    expect(await caller.store("k", value)).toMatchObject({ stored: true, version: 1 });
    expect(await caller.get("k")).toMatchObject({ found: true, value, version: 1 });
    const [entry] = await entriesOf(place.store, caller.sessionId);
    expect(JSON.stringify(entry).length).toBeLessThan(1_000);
  });

  it("no stored item is over 64 KB, whatever the value's size", async () => {
    const caller = new Caller(app);
    for (const bytes of [59_998, 60_000, 60_002, 64_000, 400_000, 1_000_000])
      await caller.store(`k${bytes}`, "x".repeat(bytes - 2));
    const entries = await entriesOf(place.store, caller.sessionId);
    expect(entries).toHaveLength(6);
    for (const entry of entries) expect(Buffer.byteLength(JSON.stringify(entry))).toBeLessThan(65_536);
  });

  it("overwriting with large, small and number values keeps exactly the blob that is needed", async () => {
    const caller = new Caller(app);
    const before = place.blobs.keys.size;
    for (const value of [textOf(BIG), textOf(BIG), "small", textOf(BIG), 7]) {
      await caller.store("k", value);
      expect(await caller.get("k")).toMatchObject({ value });
      const blobsNeeded = typeof value === "string" && value.length === BIG ? 1 : 0;
      await expect.poll(() => place.blobs.keys.size - before).toBe(blobsNeeded);
      const attributesOf = async () => {
        const [entry] = await entriesOf(place.store, caller.sessionId);
        return Object.keys(entry?.attributes ?? {}).length;
      };
      await expect.poll(attributesOf).toBe(1 + blobsNeeded);
    }
    expect(await caller.call("increment_value", { key: "k" })).toMatchObject({ value: 8, version: 6 });
  });

  it("a deleted value takes its blob along, and comes back without it", async () => {
    const caller = new Caller(app);
    const before = place.blobs.keys.size;
    await caller.store("k", textOf(BIG));
    expect(await caller.delete("k")).toMatchObject({ deleted: true });
    await expect.poll(() => place.blobs.keys.size).toBe(before);
    expect(await caller.get("k")).toMatchObject({ found: false });
    await caller.store("k", "small");
    expect(await caller.get("k")).toMatchObject({ value: "small" });
  });

  it("nothing can be added to a large value", async () => {
    const caller = new Caller(app);
    const value = textOf(BIG);
    await caller.store("k", value);
    await expect(caller.call("increment_value", { key: "k" })).rejects.toMatchObject({ code: "conflict" });
    expect(await caller.get("k")).toMatchObject({ value, version: 1 });
  });

  it("a refused write leaves the value as it is and no blob behind", async () => {
    const caller = new Caller(app);
    const before = place.blobs.keys.size;
    const value = textOf(BIG);
    await caller.store("k", value);
    await caller.store("k", value);
    await expect(caller.store("k", textOf(BIG), { if_version: 1 })).rejects.toMatchObject({ code: "conflict" });
    await expect(caller.store("k", textOf(BIG), { if_version: 0 })).rejects.toMatchObject({ code: "conflict" });
    await expect.poll(() => place.blobs.keys.size - before).toBe(1);
    expect(await caller.get("k")).toMatchObject({ value, version: 2 });
  });

  it("readers beside several writers see whole values, and one blob remains", async () => {
    const caller = new Caller(app);
    const other = new Caller(createApp({ store: place.store, blobs: place.blobs }), caller.sessionId);
    const before = place.blobs.keys.size;
    const values = Array.from({ length: 6 }, () => textOf(BIG));
    await caller.store("k", values[0]);
    let writing = true;
    const writers = [caller, other].map(async (one) => {
      for (const value of [...values, ...values]) await one.store("k", value);
    });
    const reader = (async () => {
      while (writing) {
        const { value } = await other.get("k");
        expect(values).toContain(value);
      }
    })();
    await Promise.all(writers).finally(() => {
      writing = false;
    });
    await reader;
    await expect.poll(() => place.blobs.keys.size - before).toBe(1);
    expect(values).toContain((await caller.get("k")).value);
  });

  it("the sweep of an ended session removes its blobs", async () => {
    const caller = new Caller(app);
    const before = place.blobs.keys.size;
    for (let i = 0; i < 5; i++) await caller.store(`k${i}`, textOf(BIG));
    const [entry] = await entriesOf(place.store, caller.sessionId);
    const generation = String(entry?.key.sk.split("#")[1]);
    expect(entry?.key.sk.startsWith(valuesPrefix(generation))).toBe(true);
    const { store, blobs: blobStore } = place;
    const blobs = new Blobs({ store, blobStore, limits: DEFAULT_LIMITS, inBackground: () => {} });
    await sweepSession({ store, blobs }, LOCAL_PRINCIPAL.id, caller.sessionId, generation);
    expect(place.blobs.keys.size).toBe(before);
    expect(await entriesOf(store, caller.sessionId)).toEqual([]);
  });

  it("a value of 3 MiB travels over HTTP, although requests are bounded at 1 MiB otherwise", async () => {
    const post = (name: string, given: object) =>
      app.fetch(
        new Request("http://localhost/mcp/call_tool", {
          method: "POST",
          headers: { "content-type": "application/json", host: "localhost" },
          body: JSON.stringify({ name, arguments: { session_id: "http", key: "k", ...given } }),
        }),
      );
    const value = textOf(3_145_728);
    expect((await post("store_value", { value })).status).toBe(200);
    expect(await (await post("get_value", {})).json()).toMatchObject({ result: { value } });
    const tooLarge = await post("store_value", { value: "x".repeat(5_000_001) });
    expect(tooLarge.status).toBe(413);
    expect(await tooLarge.json()).toMatchObject({ error: expect.stringContaining("5000000") });
  });
});

describe("what goes wrong around a large value", () => {
  it("without a blob store it is refused, with the limit and the remedy", async () => {
    const caller = new Caller(createApp());
    const message = expect.stringMatching(/60003 bytes.*limit is 60000.*STATEFUL_MCP_BLOB_BUCKET/);
    await expect(caller.store("k", "x".repeat(60_001))).rejects.toMatchObject({ code: "too_large", message });
  });

  it("a small value asks the blob store nothing, and the state store nothing more than without one", async () => {
    const blobs = new Watched();
    const counts = [undefined, blobs].map(async (blobStore) => {
      const store = new WatchedStore();
      const caller = new Caller(createApp({ store, ...(blobStore && { blobs: blobStore }) }));
      await caller.store("k", "small");
      await caller.store("k", { again: "small" });
      await caller.get("k");
      await caller.delete("k");
      await caller.call("increment_value", { key: "n" });
      await caller.app.close();
      return store.requests;
    });
    const [without, withBlobs] = await Promise.all(counts);
    expect(withBlobs).toBe(without);
    expect(blobs.requests).toBe(0);
  });

  it("a crash between blob and entry leaves the old value and nothing that points nowhere", async () => {
    const blobs = new Watched();
    const store = new MemoryStore();
    const caller = new Caller(createApp({ store, blobs }));
    const value = textOf(BIG);
    await caller.store("k", value);
    blobs.after = async () => {
      throw new Error("the process is gone");
    };
    await expect(caller.store("k", textOf(BIG))).rejects.toThrow();
    blobs.after = async () => {};
    expect(blobs.keys.size).toBe(2);
    expect(await caller.get("k")).toMatchObject({ value, version: 1 });
  });

  it("a crash before the old blob is deleted leaves that to whoever writes next", async () => {
    const blobs = new Watched();
    const store = new MemoryStore();
    const crashing = new Caller(createApp({ store, blobs }));
    await crashing.store("k", textOf(BIG));
    blobs.before = (method) => (method === "delete" ? new Promise(() => {}) : Promise.resolve());
    await crashing.store("k", textOf(BIG));
    expect(blobs.keys.size).toBe(2);
    blobs.before = async () => {};
    const next = new Caller(createApp({ store, blobs }), crashing.sessionId);
    await next.store("k", 1);
    await expect.poll(() => blobs.keys.size).toBe(0);
  });

  it("an expired value that is written again gives up its blob", async () => {
    const clock = movableClock();
    const blobs = new Watched();
    const caller = new Caller(createApp({ store: new MemoryStore({ clock }), clock, blobs }));
    await caller.store("k", textOf(BIG), { ttl_seconds: 10 });
    clock.advance(11);
    expect(await caller.get("k")).toMatchObject({ found: false });
    expect(await caller.call("increment_value", { key: "k" })).toMatchObject({ value: 1 });
    await expect.poll(() => blobs.keys.size).toBe(0);
  });

  it("a write refused for a version still to come keeps its blob, for a late copy of it may yet apply", async () => {
    const blobs = new Watched();
    const caller = new Caller(createApp({ blobs }));
    await caller.store("k", 1);
    await expect(caller.store("k", textOf(BIG), { if_version: 5 })).rejects.toMatchObject({ code: "conflict" });
    await caller.app.close();
    expect(blobs.keys.size).toBe(1);
  });

  it("a write whose answer is lost for good keeps its blob, and a re-sent call does not keep a second one", async () => {
    const blobs = new Watched();
    const store = new WatchedStore();
    const caller = new Caller(createApp({ store, blobs }));
    const value = textOf(BIG);
    let lost = false;
    store.loses = (change) => {
      const first = !lost && Object.values(change.set ?? {}).some((one) => String(one).startsWith("@"));
      lost ||= first;
      return first;
    };
    const send = () => caller.store("k", value, { idempotency_key: "once" });
    await expect(send()).rejects.toMatchObject({ code: "unavailable" });
    expect(await caller.get("k")).toMatchObject({ value, version: 1 });
    expect(await send()).toMatchObject({ stored: true, version: 1 });
    await expect.poll(() => blobs.keys.size).toBe(1);
    expect(await caller.get("k")).toMatchObject({ value, version: 1 });
  });

  const damages: [string, string, (blobs: Watched, key: string) => Promise<void>][] = [
    ["missing", "missing", (blobs, key) => blobs.inner.delete(key)],
    ["cut", "damaged", (blobs, key) => blobs.inner.put(key, Buffer.from('"cut"'))],
    ["changed in one byte", "damaged", (blobs, key) => blobs.inner.put(key, Buffer.from(`"${"a".repeat(BIG)}"`))],
  ];
  it.each(damages)("bytes that are %s are a clear error, until the value is stored again", async (_, word, damage) => {
    const blobs = new Watched();
    const caller = new Caller(createApp({ blobs }));
    await caller.store("k", `b${"a".repeat(BIG - 1)}`);
    await damage(blobs, [...blobs.keys][0] ?? "");
    const message = expect.stringMatching(new RegExp(`"k".*${word}.*Store it again, or delete it`));
    await expect(caller.get("k")).rejects.toMatchObject({ code: "internal", message });
    expect(await caller.call("list_values", {})).toMatchObject({ values: [{ key: "k" }] });
    const value = textOf(BIG);
    await caller.store("k", value);
    expect(await caller.get("k")).toMatchObject({ value, version: 2 });
  });

  it("a damaged value can be deleted", async () => {
    const blobs = new Watched();
    const caller = new Caller(createApp({ blobs }));
    await caller.store("k", textOf(BIG));
    await blobs.inner.delete([...blobs.keys][0] ?? "");
    expect(await caller.delete("k")).toMatchObject({ deleted: true });
    expect(await caller.get("k")).toMatchObject({ found: false });
  });

  it("while the blob store is down large values are unavailable and small ones are not", async () => {
    const blobs = new Watched();
    const caller = new Caller(createApp({ blobs }));
    await caller.store("big", textOf(BIG));
    blobs.before = down;
    await expect(caller.get("big")).rejects.toMatchObject({ code: "unavailable" });
    await expect(caller.store("k", textOf(BIG))).rejects.toMatchObject({ code: "unavailable" });
    expect(await caller.store("big", "small")).toMatchObject({ version: 2 });
    expect(await caller.get("big")).toMatchObject({ value: "small" });
  });

  it("an error of a foreign blob store is unavailable, with its sentence", async () => {
    const blobs = new Watched();
    const caller = new Caller(createApp({ blobs }));
    blobs.before = async () => {
      throw new Error("There is no space left.");
    };
    const message = expect.stringContaining("There is no space left.");
    await expect(caller.store("k", textOf(BIG))).rejects.toMatchObject({ code: "unavailable", message });
  });

  it("a server without the blob store that holds a value says so", async () => {
    const store = new MemoryStore();
    const caller = new Caller(createApp({ store, blobs: new Watched() }));
    await caller.store("k", textOf(BIG));
    const without = new Caller(createApp({ store }), caller.sessionId);
    const message = expect.stringContaining("STATEFUL_MCP_BLOB_BUCKET");
    await expect(without.get("k")).rejects.toMatchObject({ code: "unavailable", message });
  });
});

describe("a lost reply between DynamoDB and a large value", () => {
  let engine: Engine;
  let proxy: FaultyProxy;
  let server: S3Server;
  let client: DynamoDBClient;
  beforeAll(async () => {
    [engine, server] = await Promise.all([startDynalite(), startS3Server()]);
    const direct = engine.client();
    await setupTable(direct, "mcp_state", () => {});
    direct.destroy();
    proxy = await startFaultyProxy(engine.port);
    client = loopbackClient(proxy.port);
  });
  afterAll(async () => {
    client.destroy();
    await proxy.stop();
    await Promise.all([engine.stop(), server.stop()]);
  });

  it("is noticed by nobody: one version, one blob", async () => {
    const s3 = loopbackBlobs(server.port);
    const blobs = new Watched(s3);
    const caller = new Caller(createApp({ store: new DynamoDBStore({ client, table: "mcp_state" }), blobs }));
    const value = textOf(BIG);
    await caller.store("other", 1);
    let lost = 0;
    proxy.plan((_, operation) => (operation === "UpdateItem" && ++lost === 1 ? "lose the reply" : "pass"));
    expect(await caller.store("k", value)).toMatchObject({ version: 1 });
    expect(lost).toBeGreaterThan(1);
    proxy.plan(() => "pass");
    expect(await caller.get("k")).toMatchObject({ value, version: 1 });
    await caller.app.close();
    expect(blobs.keys.size).toBe(1);
    s3.close();
  });
});

describe("large cached results", () => {
  let computed = 0;
  const report = defineTool({
    name: "report",
    description: "A large result.",
    session: "none",
    input: z.object({ size: z.int() }),
    output: z.object({ text: z.string(), cached: z.boolean() }),
    cache: { ttlSeconds: 60, staleSeconds: 60 },
    run: async ({ size }) => {
      computed += 1;
      return { text: `${computed}${"x".repeat(size)}`, cached: false };
    },
  });
  const setUp = (blobs?: Watched) => {
    const clock = movableClock();
    const tools = [...builtinTools({ backend: "memory", anonymous: false, ttlSeconds: 60 }), report];
    const app = createApp({ store: new MemoryStore({ clock }), clock, tools, ...(blobs && { blobs }) });
    const call = async (size = BIG) =>
      (await app.call({ name: "report", arguments: { size }, principal: LOCAL_PRINCIPAL })).structured;
    return { app, call, clock };
  };

  it("are kept, and refreshed without leaving the old one behind", async () => {
    const blobs = new Watched();
    const { call, clock } = setUp(blobs);
    const first = await call();
    expect(first.cached).toBe(false);
    expect(await call()).toEqual({ ...first, cached: true });
    clock.advance(61);
    expect(await call()).toEqual({ ...first, cached: true });
    await expect.poll(async () => (await call()).text).not.toBe(first.text);
    await expect.poll(() => blobs.keys.size).toBe(1);
    expect([...blobs.keys][0]).toMatch(/^result\//);
  });

  it("are computed again when they are damaged, and kept again", async () => {
    const blobs = new Watched();
    const { call, clock } = setUp(blobs);
    const first = await call();
    await blobs.inner.put([...blobs.keys][0] ?? "", Buffer.from("{}"));
    clock.advance(10); // The lease of whoever computed it has ended.
    const second = await call();
    expect(second).toMatchObject({ cached: false });
    expect(second.text).not.toBe(first.text);
    expect(await call()).toEqual({ ...second, cached: true });
    await expect.poll(() => blobs.keys.size).toBe(1);
  });

  it("are computed each time where there is no blob store, where it is down, and where they are too large", async () => {
    const blobs = new Watched();
    blobs.before = down;
    for (const { call } of [setUp(), setUp(blobs)]) {
      expect(await call()).toMatchObject({ cached: false });
      expect(await call()).toMatchObject({ cached: false });
    }
    const { call } = setUp(new Watched());
    expect(await call(5_000_000)).toMatchObject({ cached: false });
    expect(await call(5_000_000)).toMatchObject({ cached: false });
  });
});
