import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { FaultProxy, loopbackBucket, type OrderedFault, Random, type S3Server, startS3Server } from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeBlobStore } from "../testing/contracts/blob-contract.ts";
import { S3Blobs } from "./s3-blobs.ts";

describeBlobStore("S3Blobs on s3rver", async () => {
  const server = await startS3Server();
  const [blobs, other] = [new S3Blobs(loopbackBucket(server.port)), new S3Blobs(loopbackBucket(server.port))];
  const close = async () => {
    blobs.close();
    other.close();
    await server.stop();
  };
  return { blobs, other, close };
});

const BYTES = Buffer.alloc(100_000, "abc");
const METHODS: [string, (blobs: S3Blobs) => Promise<unknown>][] = [
  ["put", (blobs) => blobs.put("value/p/q", BYTES)],
  ["get", (blobs) => blobs.get("value/p/q")],
  ["delete", (blobs) => blobs.delete("value/p/q")],
];

describe("what goes wrong between S3Blobs and the bucket", () => {
  let server: S3Server;
  let proxy: FaultProxy;
  let blobs: S3Blobs;
  beforeAll(async () => {
    server = await startS3Server();
    proxy = await FaultProxy.start({ engine: { port: server.port }, random: new Random(1) });
    blobs = new S3Blobs(loopbackBucket(proxy.port));
  });
  afterAll(async () => {
    blobs.close();
    await proxy.close();
    await server.stop();
  });

  const passing: OrderedFault[] = ["server-error", "nonsense", "commit-then-drop", "black-hole"];
  it.each(passing)("one request answered with '%s' is not noticed", async (fault) => {
    const firstOnly = (n: number): OrderedFault | undefined => (n === 1 ? fault : undefined);
    const key = `value/p/${fault.replaceAll(" ", "-")}`;
    proxy.order(firstOnly);
    await blobs.put(key, BYTES);
    proxy.order(firstOnly);
    expect(Buffer.compare((await blobs.get(key)) ?? new Uint8Array(0), BYTES)).toBe(0);
    proxy.order(firstOnly);
    await blobs.delete(key);
    proxy.order(() => undefined);
    expect(await blobs.get(key)).toBeUndefined();
  });

  it("a reply that breaks off half-way is unavailable, never half a blob", async () => {
    proxy.order(() => undefined);
    await blobs.put("value/p/cut", BYTES);
    proxy.order(() => "cut-reply");
    await expect(blobs.get("value/p/cut")).rejects.toMatchObject({ code: "unavailable" });
  });

  it.each(METHODS)("%s: a server that fails for good is unavailable, after three attempts", async (_, call) => {
    proxy.order(() => "server-error");
    await expect(call(blobs)).rejects.toMatchObject({ name: "AppError", code: "unavailable", retryAfterSeconds: 1 });
    expect(proxy.seen).toHaveLength(3);
  });

  it.each(METHODS)("%s: a server that never says a word is unavailable", async (_, call) => {
    const hole = await FaultProxy.start({ engine: { port: 1 }, random: new Random(1) });
    hole.beginOutage("black-hole");
    const lost = new S3Blobs(loopbackBucket(hole.port));
    await expect(call(lost)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("Timeout"),
    });
    lost.close();
    await hole.close();
  });

  it.each(METHODS)("%s: a server that is not there is unavailable", async (_, call) => {
    const gone = createServer().listen(0, "127.0.0.1");
    await once(gone, "listening");
    const { port } = gone.address() as AddressInfo;
    gone.close();
    await once(gone, "close");
    const lost = new S3Blobs(loopbackBucket(port));
    const message = expect.stringMatching(/"large-values".*ECONNREFUSED.*Try again/);
    await expect(call(lost)).rejects.toMatchObject({ code: "unavailable", message });
    lost.close();
  });

  it.each(METHODS.slice(0, 2))("%s: a bucket that does not exist is named, with what to do", async (_, call) => {
    const lost = new S3Blobs(loopbackBucket(server.port, "no-such-bucket"));
    const message = expect.stringMatching(/"no-such-bucket".*NoSuchBucket.*create it/);
    await expect(call(lost)).rejects.toMatchObject({ code: "unavailable", message });
    lost.close();
  });
});
