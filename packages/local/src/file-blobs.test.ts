import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeBlobStore } from "@stateful-mcp/core/testing/stores";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sweepBlobs } from "./blob-sweeper.ts";
import { type Database, openDatabase } from "./database.ts";
import { blobFileName, FileBlobs } from "./file-blobs.ts";

const newDirectory = () => mkdtemp(join(tmpdir(), "blobs-"));

describeBlobStore("FileBlobs", async () => {
  const directory = await newDirectory();
  const close = () => rm(directory, { recursive: true });
  return { blobs: new FileBlobs(directory), other: new FileBlobs(directory), close };
});

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe("the files of FileBlobs", () => {
  let directory: string;
  let blobs: FileBlobs;
  beforeAll(async () => {
    directory = await newDirectory();
    blobs = new FileBlobs(directory);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it.skipIf(process.platform === "win32")("are for their owner alone, and there are no others", async () => {
    await blobs.put("value/p/k", Buffer.from("x"));
    const files = await filesIn(directory);
    expect(files).toHaveLength(1);
    for (const file of files) expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, "engine", "blobs"))).mode & 0o777).toBe(0o700);
  });

  it("stay inside the directory, whatever the key says", async () => {
    const before = await readdir(directory);
    await blobs.put("../../../escaped", Buffer.from("x"));
    expect(await readdir(directory)).toEqual(before);
    expect(Buffer.from((await blobs.get("../../../escaped")) ?? []).toString()).toBe("x");
  });

  it("that cannot be written are one sentence that names the place, and leave nothing half-written", async () => {
    const broken = await newDirectory();
    await writeFile(join(broken, "engine"), "a file where a directory belongs");
    await expect(new FileBlobs(broken).put("k", Buffer.from("x"))).rejects.toThrow(/engine.*is not a directory/);
    await expect(new FileBlobs(broken).get("k")).rejects.toThrow(/is not a directory/);
    expect(await filesIn(broken)).toEqual([join(broken, "engine")]);
    await rm(broken, { recursive: true });
  });

  it("that cannot be read are an error, not a missing blob", async () => {
    const name = blobFileName("odd");
    await mkdir(join(directory, "engine", "blobs", name.slice(0, 2), name), { recursive: true });
    await expect(blobs.get("odd")).rejects.toThrow(/cannot be opened/);
  });
});

describe("sweeping blob files", () => {
  let directory: string;
  let database: Database;
  let blobs: FileBlobs;
  const signal = new AbortController().signal;
  beforeAll(async () => {
    directory = await newDirectory();
    const opened = await openDatabase(join(directory, "db"));
    if (!opened) throw new Error("The database is locked.");
    database = opened;
    // It closes only what listens.
    await new Promise<void>((resolve) => opened.server.listen(join(directory, "socket"), resolve));
    blobs = new FileBlobs(directory);
    for (const TableName of ["one", "two"])
      await database.call("CreateTable", {
        TableName,
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: [
          { AttributeName: "pk", AttributeType: "S" },
          { AttributeName: "sk", AttributeType: "S" },
        ],
        KeySchema: [
          { AttributeName: "pk", KeyType: "HASH" },
          { AttributeName: "sk", KeyType: "RANGE" },
        ],
      });
  });
  afterAll(async () => {
    await database.close();
    await rm(directory, { recursive: true });
  });

  const point = (TableName: string, name: string, blobKey: string) =>
    database.call("PutItem", {
      TableName,
      Item: { pk: { S: "p" }, sk: { S: name }, [`a.blob:${blobKey}`]: { S: "1 x" } },
    });
  const age = async () => {
    const old = new Date(Date.now() - 2 * 86_400_000);
    for (const file of await filesIn(join(directory, "engine", "blobs"))) await utimes(file, old, old);
  };

  it("deletes what no item of any table points to, after a day, and half-written files too", async () => {
    for (const key of ["value/in-one", "value/in-two", "value/nowhere"]) await blobs.put(key, Buffer.from(key));
    // More items than one page holds, so that the ones that matter are on different pages.
    for (let i = 0; i < 150; i++) await point("one", `n${i}`, `value/other-${i}`);
    await point("one", "n99999", "value/in-one");
    await point("two", "n", "value/in-two");
    await writeFile(join(directory, "engine", "blobs", "0123.abc.new"), "half");
    expect(await sweepBlobs(database.call, directory, signal)).toBe(0);
    await age();
    await blobs.put("value/young", Buffer.from("young"));
    expect(await sweepBlobs(database.call, directory, signal)).toBe(2);
    expect(await blobs.get("value/nowhere")).toBeUndefined();
    for (const key of ["value/in-one", "value/in-two", "value/young"]) expect(await blobs.get(key)).toBeDefined();
    expect(await filesIn(join(directory, "engine", "blobs"))).toHaveLength(3);
  });

  it("deletes nothing when the tables cannot be read to their end", async () => {
    await age();
    const failing: Database["call"] = (operation, input) =>
      operation === "Scan" ? Promise.reject(new Error("cannot read")) : database.call(operation, input);
    await expect(sweepBlobs(failing, directory, signal)).rejects.toThrow("cannot read");
    expect(await blobs.get("value/in-one")).toBeDefined();
    expect(await blobs.get("value/young")).toBeDefined();
  });
});
