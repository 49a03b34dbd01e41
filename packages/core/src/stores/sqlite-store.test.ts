// The SQLite store: the contracts, several connections on one file, sweeping, and what a person is told when the file cannot be used.
import { once } from "node:events";
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it, test } from "vitest";
import { AppError } from "../errors.ts";
import { describeBlobStore } from "../testing/contracts/blob-contract.ts";
import { describeStateStore, movableClock } from "../testing/contracts/store-contract.ts";
import { SqliteStore } from "./sqlite-store.ts";

const folder = mkdtempSync(join(tmpdir(), "sqlite-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newPath = () => join(folder, `${files++}.sqlite`);

describeStateStore("SqliteStore", async () => {
  const clock = movableClock();
  const path = newPath();
  const [store, other] = [await SqliteStore.open(path, { clock }), await SqliteStore.open(path, { clock })];
  return { store, other, clock, close: async () => void (await Promise.all([store.close(), other.close()])) };
});

describeBlobStore("SqliteStore's blobs", async () => {
  const path = newPath();
  const [one, two] = [await SqliteStore.open(path), await SqliteStore.open(path)];
  return {
    blobs: one.blobs,
    other: two.blobs,
    close: async () => void (await Promise.all([one.close(), two.close()])),
  };
});

/** Opens file after file, each in the same moment as the other workers do. */
const OPENER = `
  const { parentPort, workerData: { module, paths, openers, arrived } } = require("node:worker_threads");
  import(module).then(async ({ SqliteStore }) => {
    const count = new Int32Array(arrived);
    const failed = [];
    for (const [at, path] of paths.entries()) {
      const all = (at + 1) * openers;
      let here = Atomics.add(count, 0, 1) + 1;
      if (here === all) Atomics.notify(count, 0);
      for (; here < all; here = Atomics.load(count, 0)) Atomics.wait(count, 0, here);
      await SqliteStore.open(path).then((store) => store.close(), (error) => failed.push(error.message));
    }
    parentPort.postMessage(failed);
  });`;

const key = (sk: string) => ({ pk: "P", sk });

describe("one file", () => {
  it("is its owner's alone, and so is what stands beside it", async () => {
    const path = newPath();
    const store = await SqliteStore.open(path);
    await store.create(key("a"), { a: 1 }, { id: "a" });
    for (const suffix of ["", "-wal", "-shm"]) expect(statSync(path + suffix).mode & 0o077, suffix).toBe(0);
    await store.close();
  });

  it("counts exactly under two connections that write at once", async () => {
    const path = newPath();
    const stores = [await SqliteStore.open(path), await SqliteStore.open(path)];
    const increment = { increment: { attribute: "n", by: 1 } };
    await Promise.all(
      Array.from({ length: 400 }, (_, n) => stores[n % 2]?.update(key("n"), increment, { on: "live-or-missing" })),
    );
    expect((await stores[0]?.get(key("n")))?.attributes).toEqual({ n: 400 });
    for (const store of stores) await store.close();
  });

  it("is a backup when it is copied after its last connection has closed", async () => {
    const path = newPath();
    const store = await SqliteStore.open(path);
    await store.create(key("a"), { a: 1 }, { id: "a" });
    await store.close();
    const copy = newPath();
    copyFileSync(path, copy);
    const copied = await SqliteStore.open(copy);
    expect((await copied.get(key("a")))?.attributes).toEqual({ a: 1 });
    await copied.close();
  });

  it("can be created by several processes in the same moment", async () => {
    const paths = Array.from({ length: 150 }, newPath);
    const openers = 8;
    const workerData = {
      module: new URL("./sqlite-store.ts", import.meta.url).href,
      paths,
      openers,
      arrived: new SharedArrayBuffer(4),
    };
    const failures = await Promise.all(
      Array.from({ length: openers }, async () => {
        const worker = new Worker(OPENER, { eval: true, workerData });
        const [failed] = await once(worker, "message");
        await worker.terminate();
        return failed as string[];
      }),
    );
    expect(failures.flat()).toEqual([]);
  });

  it("that was removed while it was open takes no write, and says so", async () => {
    const path = newPath();
    const store = await SqliteStore.open(path);
    rmSync(path);
    await expect(store.create(key("a"), {}, { id: "a" })).rejects.toMatchObject({
      code: "unavailable",
      message: `${basename(path)} was removed or replaced while this server ran. Start the server again.`,
    });
    await store.close();
  });

  it.each([
    ["was removed", (path: string) => rmSync(path)],
    ["is another's now", (path: string) => renameSync(path, `${path}.old`)],
    [
      "is in a directory that is a file now",
      (path: string) => {
        renameSync(dirname(path), `${dirname(path)}.old`);
        writeFileSync(dirname(path), "");
      },
    ],
  ])("that %s is told to callers by its name alone, and to the log by its path", async (_, spoil) => {
    const path = join(mkdtempSync(join(folder, "home-")), "state.db");
    const store = await SqliteStore.open(path);
    for (let i = 0; i < 20; i++) await store.create(key(String(i)), { text: "x".repeat(5000) }, { id: "a" });
    spoil(path);
    const tries = [() => store.create(key("a"), {}, { id: "a" }), () => store.list("P", { limit: 100 })];
    const failures = await Promise.all(tries.map((one) => one().catch((error: AppError) => error)));
    const errors = failures.filter((one): one is AppError => one instanceof AppError);
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) {
      expect(error.code).toBe("unavailable");
      expect(error.message).not.toContain(folder);
      if (error.message.includes("state.db")) expect(String((error.cause as Error).message)).toContain(path);
    }
    await store.close().catch(() => {});
  });

  it("that holds something else is left as it is, and says what to do", async () => {
    const path = newPath();
    writeFileSync(path, "not a database, but longer than its header would be".repeat(50));
    await expect(SqliteStore.open(path)).rejects.toMatchObject({ code: "unavailable", message: /damaged.*backup/ });
    expect(statSync(path).size).toBe(2550);
  });

  it("of a later release is left as it is, and says so", async () => {
    const path = newPath();
    await (await SqliteStore.open(path)).close();
    const later = new DatabaseSync(path);
    later.exec("PRAGMA user_version = 2");
    later.close();
    const before = readFileSync(path);
    await expect(SqliteStore.open(path)).rejects.toMatchObject({ code: "unavailable", message: /later release/ });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("cut short is told as damaged", async () => {
    const path = newPath();
    const store = await SqliteStore.open(path);
    for (let i = 0; i < 20; i++) await store.create(key(String(i)), { text: "x".repeat(5000) }, { id: "a" });
    await store.close();
    truncateSync(path, 8192);
    const again = SqliteStore.open(path).then(async (damaged) => {
      try {
        return await damaged.list("P", { limit: 100 });
      } finally {
        await damaged.close();
      }
    });
    await expect(again).rejects.toMatchObject({ code: "unavailable", message: /damaged/ });
  });
});

describe("a sweep", () => {
  it("removes what has expired, with its blobs, and nothing else", async () => {
    const clock = movableClock();
    const store = await SqliteStore.open(newPath(), { clock });
    const now = clock.now() / 1000;
    for (let i = 0; i < 450; i++) await store.create(key(`gone ${i}`), {}, { id: "a", expiresAt: now + 10 });
    await store.create(key("stays"), {}, { id: "a", expiresAt: now + 1000 });
    await store.create(key("for ever"), {}, { id: "a" });
    await store.blobs.put("b1", new Uint8Array([1]));
    await store.create(key("with a blob"), { "blob:b1": "1 x" }, { id: "a", expiresAt: now + 10 });
    expect(await store.sweep()).toBe(0);
    clock.advance(80);
    expect(await store.sweep()).toBe(451);
    expect((await store.list("P", { limit: 10 })).entries.map((entry) => entry.key.sk)).toEqual(["for ever", "stays"]);
    expect(await store.blobs.get("b1")).toBeUndefined();
    await store.close();
  });

  it("removes blobs that no entry points to after a day", async () => {
    const clock = movableClock();
    const store = await SqliteStore.open(newPath(), { clock });
    await store.blobs.put("orphan", new Uint8Array([1]));
    await store.blobs.put("kept", new Uint8Array([2]));
    await store.create(key("a"), { "blob:kept": "1 x" }, { id: "a" });
    expect(await store.sweepOrphans()).toBe(0);
    clock.advance(86_401);
    await store.blobs.put("new", new Uint8Array([3]));
    expect(await store.sweepOrphans()).toBe(1);
    expect(await store.blobs.get("kept")).toEqual(new Uint8Array([2]));
    expect(await store.blobs.get("new")).toEqual(new Uint8Array([3]));
    await store.close();
  });
});

test("a listing finds every prefix's end, whatever its last character", async () => {
  const store = await SqliteStore.open(newPath());
  const names = ["a", "a\u{10FFFF}", "a\u{10FFFF}z", "b", "\ud7ff", "\ud7ffx", "\ue000", "é", "éa", "ê"];
  for (const name of names) await store.create(key(name), {}, { id: name });
  for (const prefix of ["a", "a\u{10FFFF}", "\u{10FFFF}", "\ud7ff", "é", ""]) {
    const found = (await store.list("P", { prefix, limit: 100 })).entries.map((entry) => entry.key.sk);
    expect(found.toSorted(), prefix).toEqual(names.filter((name) => name.startsWith(prefix)).toSorted());
  }
  await store.close();
});
