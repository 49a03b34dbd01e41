import { loopbackBucket, startDynalite, startS3Server } from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BIG, Caller, textOf, Watched } from "../../test-support/watched-blobs.ts";
import { type App, createApp } from "../app.ts";
import { createDynamoDBClient, DynamoDBStore, setupTable } from "../dynamodb.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { LOCAL_PRINCIPAL } from "../principal.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { S3Blobs } from "../stores/s3-blobs.ts";
import type { Entry, StateStore } from "../stores/state-store.ts";
import { Blobs } from "./blobs.ts";
import { sessionPartition, valuesPrefix } from "./keys.ts";
import { sweepSession } from "./sweep.ts";

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
  const client = createDynamoDBClient(engine.connection);
  await setupTable(client, "mcp_state", () => {});
  const s3 = new S3Blobs(loopbackBucket(server.port));
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
      // The value, and who wrote it with which client and when.
      const attributesOf = async () => {
        const [entry] = await entriesOf(place.store, caller.sessionId);
        return Object.keys(entry?.attributes ?? {}).length;
      };
      await expect.poll(attributesOf).toBe(4 + blobsNeeded);
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
    expect(await (await post("get_value", { limit: 5_000_000 })).json()).toMatchObject({ result: { value } });
    const tooLarge = await post("store_value", { value: "x".repeat(5_000_001) });
    expect(tooLarge.status).toBe(413);
    expect(await tooLarge.json()).toMatchObject({ error: expect.stringContaining("5000000") });
  });
});
