// The contract of stores/blob-store.ts as a Vitest suite, for every implementation, ours and others. Knows no implementation.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BlobStore } from "../../stores/blob-store.ts";

/** Two blob stores on the same data, for the suite. */
export interface BlobHarness {
  blobs: BlobStore;
  /** Another store on the same data, as another process would have it. */
  other: BlobStore;
  close(): Promise<void>;
}

const newKey = (): string => `value/owner/${randomBytes(16).toString("base64url")}`;

/** Declares the suite that every blob store passes. `makeHarness` is called once; tests use keys of their own. */
export function describeBlobStore(name: string, makeHarness: () => Promise<BlobHarness>): void {
  describe(`${name} keeps the blob contract`, () => {
    let harness: BlobHarness;
    beforeAll(async () => {
      harness = await makeHarness();
    });
    afterAll(() => harness?.close());

    const contents: [string, Uint8Array][] = [
      ["nothing", new Uint8Array(0)],
      ["one byte", new Uint8Array([255])],
      ["every byte there is", Uint8Array.from({ length: 256 }, (_, i) => i)],
      ["text beyond ASCII", Buffer.from("ä€😀\r\n\0")],
      ["5 MB", randomBytes(5_000_000)],
    ];
    it.each(contents)("another process reads %s exactly as it was put", async (_, bytes) => {
      const key = newKey();
      await harness.blobs.put(key, bytes);
      const read = await harness.other.get(key);
      expect(read && Buffer.compare(read, bytes)).toBe(0);
    });

    it("a view into a larger buffer is put without what is around it", async () => {
      const key = newKey();
      await harness.blobs.put(key, Buffer.from("before, middle, after").subarray(8, 14));
      expect(Buffer.from((await harness.blobs.get(key)) ?? []).toString()).toBe("middle");
    });

    it("what nobody has put is undefined", async () => {
      expect(await harness.blobs.get(newKey())).toBeUndefined();
    });

    it("what has been deleted is undefined for everybody", async () => {
      const key = newKey();
      await harness.blobs.put(key, randomBytes(10));
      await harness.other.delete(key);
      expect(await harness.blobs.get(key)).toBeUndefined();
      expect(await harness.other.get(key)).toBeUndefined();
    });

    it("deleting what is not there resolves", async () => {
      await harness.blobs.delete(newKey());
    });

    it("a repeated put changes nothing", async () => {
      const key = newKey();
      const bytes = randomBytes(1000);
      await Promise.all([harness.blobs.put(key, bytes), harness.other.put(key, bytes)]);
      await harness.blobs.put(key, bytes);
      expect(Buffer.compare((await harness.other.get(key)) ?? new Uint8Array(0), bytes)).toBe(0);
    });

    it("blobs put at the same time do not mix", async () => {
      const all = Array.from({ length: 24 }, () => ({ key: newKey(), bytes: randomBytes(20_000) }));
      await Promise.all(all.map(({ key, bytes }, i) => (i % 2 ? harness.blobs : harness.other).put(key, bytes)));
      for (const { key, bytes } of all)
        expect(Buffer.compare((await harness.blobs.get(key)) ?? new Uint8Array(0), bytes)).toBe(0);
    });

    it("keys that look alike are different, and one may have 200 characters", async () => {
      const base = newKey();
      const keys = [
        `${base}/a_b`,
        `${base}/a-b`,
        `${base}/A-B`,
        `${base}/ab`,
        `${base}/${"x".repeat(199 - base.length)}`,
      ];
      for (const key of keys) await harness.blobs.put(key, Buffer.from(key));
      for (const key of keys) expect(Buffer.from((await harness.other.get(key)) ?? []).toString()).toBe(key);
      await harness.blobs.delete(`${base}/ab`);
      expect(await harness.blobs.get(`${base}/a_b`)).toBeDefined();
    });

    it("nobody can change what is stored through the bytes given or returned", async () => {
      const key = newKey();
      const given = Buffer.from("unchanged");
      await harness.blobs.put(key, given);
      given.fill(0);
      (await harness.blobs.get(key))?.fill(0);
      expect(Buffer.from((await harness.blobs.get(key)) ?? []).toString()).toBe("unchanged");
    });
  });
}
