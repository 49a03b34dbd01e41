// State in a file: what was acknowledged survives kill -9 of several writers, the log beside the file stays bounded, and what an older
// version kept in its engine is read once.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createDynamoDBClient, DynamoDBStore } from "@stateful-mcp/core/dynamodb";
import { SqliteStore } from "@stateful-mcp/core/sqlite";
import { expect, onTestFinished, test } from "vitest";
import { connectLocalEngine, openLocalState } from "../src/index.ts";

const KILLS = 6;
const WRITERS = 3;
/** The write-ahead log is written back at 1,000 pages of 4 KiB; a reader or a full group may let it grow some times that. */
const LOG_MAX_BYTES = 64 * 1024 * 1024;

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "state-"));
  onTestFinished(() => rm(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

/** Starts a writer and resolves once it has acknowledged something; `last` tells up to where. */
async function startWriter(path: string, name: string, from: number) {
  const script = fileURLToPath(new URL("./writer.ts", import.meta.url));
  const child: ChildProcess = spawn(process.execPath, ["--import", "tsx", script, path, name, String(from)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let last = from - 1;
  const begun = new Promise<void>((resolve) => {
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = text.trim().split("\n");
      last = Math.max(last, Number(lines.at(-1)));
      resolve();
    });
  });
  await begun;
  return { child, last: () => last };
}

test("no acknowledged write is lost when writers on one file are killed", { timeout: 120_000 }, async () => {
  const { store, dataDir } = await openLocalState(await directory(), "mcp_state");
  const path = join(dataDir, "state", "mcp_state.sqlite");
  const acknowledged = new Map<string, number>();
  for (let kill = 0; kill < KILLS; kill++) {
    const names = Array.from({ length: WRITERS }, (_, n) => `writer ${n}`);
    const writers = await Promise.all(
      names.map(async (name) => ({ name, ...(await startWriter(path, name, (acknowledged.get(name) ?? -1) + 1)) })),
    );
    for (const { child } of writers) {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    }
    for (const { name, last } of writers) acknowledged.set(name, last());
    expect(statSync(`${path}-wal`).size).toBeLessThan(LOG_MAX_BYTES);
  }
  for (const [name, last] of acknowledged) {
    let after: string | undefined;
    let next = 0;
    do {
      const page = await store.list(name, { limit: 1000, ...(after && { after }) });
      for (const entry of page.entries) if (entry.attributes.i === next) next += 1;
      after = page.next;
    } while (after);
    expect(next, name).toBeGreaterThan(last);
  }
  await store.close();
  // The last one to leave writes the log back and takes it away.
  expect(readdirSync(join(dataDir, "state"))).toEqual(["mcp_state.sqlite"]);
});

test("what an older version kept is read once, with its large values, and left as it was", async () => {
  const dataDir = await directory();
  const engine = await connectLocalEngine({ dataDir, tables: ["mcp_state"] });
  onTestFinished(() => void process.kill(engine.pid, "SIGTERM"));
  const client = createDynamoDBClient({ agent: engine.agent });
  const old = new DynamoDBStore({ client, table: "mcp_state" });
  for (let n = 0; n < 450; n++) await old.create({ pk: "P", sk: String(n).padStart(4, "0") }, { n }, { id: String(n) });
  await old.update({ pk: "P", sk: "0001" }, { bury: true, remove: ["n"] }, { on: "live" });
  await old.update({ pk: "P", sk: "0002" }, { set: { n: 7 } }, { on: "live", operation: { slot: "w", stamp: 5 } });
  const file = createHash("sha256").update("large").digest("hex");
  const folder = join(engine.dataDir, "engine", "blobs", file.slice(0, 2));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, file), new Uint8Array([1, 2, 3]));
  await old.create({ pk: "P", sk: "blob" }, { "blob:large": "3 x" }, { id: "b" });

  const first = await openLocalState(dataDir, "mcp_state");
  expect(first.imported).toBe(451);
  expect((await first.store.list("P", { limit: 1000 })).entries).toHaveLength(450);
  expect(await first.store.get({ pk: "P", sk: "0001" })).toBeUndefined();
  const changed = await old.get({ pk: "P", sk: "0002" });
  expect(await first.store.get({ pk: "P", sk: "0002" })).toEqual(changed);
  expect(await first.store.blobs.get("large")).toEqual(new Uint8Array([1, 2, 3]));
  await first.store.create({ pk: "P", sk: "new" }, {}, { id: "n" });
  await first.store.close();

  const second = await openLocalState(dataDir, "mcp_state");
  expect(second.imported).toBeUndefined();
  expect(await second.store.get({ pk: "P", sk: "new" })).toBeDefined();
  await second.store.close();
  expect((await old.list("P", { limit: 1000 })).entries).toHaveLength(450);
  client.destroy();
});

test("tables of different names are files of their own, and a directory without old data stays free of an engine", async () => {
  const dataDir = await directory();
  const [one, two] = [await openLocalState(dataDir, "one"), await openLocalState(dataDir, "two")];
  await one.store.create({ pk: "P", sk: "a" }, {}, { id: "a" });
  expect(await two.store.get({ pk: "P", sk: "a" })).toBeUndefined();
  expect(existsSync(join(dataDir, "engine"))).toBe(false);
  expect(one.store).toBeInstanceOf(SqliteStore);
  await Promise.all([one.store.close(), two.store.close()]);
});
