import {
  type Engine,
  FaultProxy,
  loopback,
  loopbackBucket,
  Random,
  type S3Server,
  startDynalite,
  startS3Server,
} from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { BIG, Caller, down, textOf, Watched, WatchedStore } from "../../test-support/watched-blobs.ts";
import { createApp } from "../app.ts";
import { builtinTools } from "../builtin/tools/index.ts";
import { defineTool } from "../define/tool.ts";
import { createDynamoDBClient, DynamoDBStore, type SdkClient, setupTable } from "../dynamodb.ts";
import { LOCAL_PRINCIPAL } from "../principal.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { S3Blobs } from "../stores/s3-blobs.ts";
import { movableClock } from "../testing/contracts/store-contract.ts";

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
  let proxy: FaultProxy;
  let server: S3Server;
  let client: SdkClient;
  beforeAll(async () => {
    [engine, server] = await Promise.all([startDynalite(), startS3Server()]);
    const direct = createDynamoDBClient(engine.connection);
    await setupTable(direct, "mcp_state", () => {});
    direct.destroy();
    proxy = await FaultProxy.start({ engine: { port: engine.port }, random: new Random(1) });
    client = createDynamoDBClient(loopback(proxy.port));
  });
  afterAll(async () => {
    client.destroy();
    await proxy.close();
    await Promise.all([engine.stop(), server.stop()]);
  });

  it("is noticed by nobody: one version, one blob", async () => {
    const s3 = new S3Blobs(loopbackBucket(server.port));
    const blobs = new Watched(s3);
    const caller = new Caller(createApp({ store: new DynamoDBStore({ client, table: "mcp_state" }), blobs }));
    const value = textOf(BIG);
    await caller.store("other", 1);
    let lost = 0;
    proxy.order((_, operation) => (operation === "UpdateItem" && ++lost === 1 ? "commit-then-drop" : undefined));
    expect(await caller.store("k", value)).toMatchObject({ version: 1 });
    expect(lost).toBeGreaterThan(1);
    proxy.order(() => undefined);
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
    output: z.object({ text: z.string() }),
    cache: { ttlSeconds: 60, staleSeconds: 60 },
    run: async ({ size }) => {
      computed += 1;
      return { text: `${computed}${"x".repeat(size)}` };
    },
  });
  const setUp = (blobs?: Watched, clock = movableClock(), store = new MemoryStore({ clock })) => {
    const tools = [...builtinTools({ backend: "memory", anonymous: false, ttlSeconds: 60 }), report];
    const app = createApp({ store, clock, tools, ...(blobs && { blobs }) });
    const call = async (size = BIG) =>
      (await app.call({ name: "report", arguments: { size }, principal: LOCAL_PRINCIPAL })).structured;
    return { app, call, clock, store };
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
    const { call: callFirst, clock, store } = setUp(blobs);
    const first = await callFirst();
    // Another process: the first one has the result in its memory.
    const { call } = setUp(blobs, clock, store);
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
