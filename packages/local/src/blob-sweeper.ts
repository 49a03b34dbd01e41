// Deletes blob files that no item points to: left by a crash between blob and item, or by an item that has expired. It knows of
// items only how they name their blobs.
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "./database.ts";
import { blobDirectory, blobFileName } from "./file-blobs.ts";

/** An item has an attribute of this name, followed by the key, for each blob it has. */
const BLOB_ATTRIBUTE = "a.blob:";
/** A blob is written before its item, within the one minute a call may take; a day covers a machine that slept in between. */
const GRACE_MS = 86_400_000;
const EVERY_MS = 3_600_000;
const PAGE_ITEMS = 100;
/** A rest between pages, so that requests of clients come in between. */
const PAGE_PAUSE_MS = 10;

type Call = Database["call"];
type Item = Record<string, Record<string, unknown>>;

/** Sweeps after `firstSeconds` and then every hour, until the signal aborts. Never rejects. */
export async function sweepBlobsRegularly(
  call: Call,
  options: { dataDir: string; firstSeconds: number; signal: AbortSignal; log: (message: string) => void },
): Promise<void> {
  const { dataDir, firstSeconds, signal, log } = options;
  let pauseMs = firstSeconds * 1000;
  while (await delay(pauseMs, true, { signal }).catch(() => false)) {
    pauseMs = EVERY_MS;
    try {
      const deleted = await sweepBlobs(call, dataDir, signal);
      if (deleted > 0) log(`deleted ${deleted} unused blob files`);
    } catch (error) {
      log(`could not sweep blob files: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** Deletes files older than `graceMs` that no item of any table points to; returns how many. */
export async function sweepBlobs(
  call: Call,
  dataDir: string,
  signal: AbortSignal,
  graceMs = GRACE_MS,
): Promise<number> {
  // The files first: whatever is written from now on is not among them.
  const candidates = await filesOlderThan(blobDirectory(dataDir), Date.now() - graceMs);
  if (candidates.size === 0) return 0;
  for await (const item of allItems(call)) {
    if (signal.aborted) return 0;
    for (const name of Object.keys(item))
      if (name.startsWith(BLOB_ATTRIBUTE)) candidates.delete(blobFileName(name.slice(BLOB_ATTRIBUTE.length)));
  }
  for (const path of candidates.values()) await rm(path, { force: true });
  return candidates.size;
}

/** Paths by file name. Files that a broken `put` left behind are among them. */
async function filesOlderThan(directory: string, timeMs: number): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = new Map<string, string>();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const stats = await stat(path).catch(() => undefined);
    if (stats && stats.mtimeMs <= timeMs) files.set(entry.name, path);
  }
  return files;
}

/** Throws when a page cannot be read, so that a partial answer never decides what goes. */
async function* allItems(call: Call): AsyncGenerator<Item> {
  for await (const TableName of allTables(call)) {
    let lastKey: Item | undefined;
    do {
      const page: { Items: Item[]; LastEvaluatedKey?: Item } = await call("Scan", {
        TableName,
        Limit: PAGE_ITEMS,
        ConsistentRead: true,
        ...(lastKey && { ExclusiveStartKey: lastKey }),
      });
      yield* page.Items;
      lastKey = page.LastEvaluatedKey;
      await delay(PAGE_PAUSE_MS);
    } while (lastKey);
  }
}

async function* allTables(call: Call): AsyncGenerator<string> {
  let lastName: string | undefined;
  do {
    const page: { TableNames: string[]; LastEvaluatedTableName?: string } = await call("ListTables", {
      ...(lastName && { ExclusiveStartTableName: lastName }),
    });
    yield* page.TableNames;
    lastName = page.LastEvaluatedTableName;
  } while (lastName);
}
