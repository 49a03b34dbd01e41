// State on this machine: one SQLite file per table name in the data directory. What an older version kept there in its embedded
// engine is read once, into a file that does not exist yet; the old folder stays as it is.
import { existsSync } from "node:fs";
import { link, rm } from "node:fs/promises";
import { join } from "node:path";
import { SqliteStore, type StoredEntry, storedEntryOf } from "@stateful-mcp/core/sqlite";
import { engineFiles, preparePrivate } from "./data-dir.ts";

/** Where state is, opened. */
export interface LocalState {
  /** The data directory's real path. */
  readonly dataDir: string;
  readonly store: SqliteStore;
  /** How many entries were taken over from an older version's data just now; undefined when there was none to read. */
  readonly imported?: number;
}

/**
 * Opens the file of a table in a data directory, created when absent.
 *
 * @throws LocalEngineError when the directory cannot be used, AppError when the file cannot.
 */
export async function openLocalState(dataDir: string, table: string): Promise<LocalState> {
  const place = await preparePrivate(dataDir, "state");
  const path = join(place.folder, `${table}.sqlite`);
  const old = engineFiles(place.dataDir);
  const imported =
    existsSync(path) || !existsSync(old.database) ? undefined : await takeOver(place.dataDir, table, path);
  return { dataDir: place.dataDir, store: await SqliteStore.open(path), ...(imported !== undefined && { imported }) };
}

/** Into a file of its own name first, so that a crash leaves nothing half-read, and the first of two processes wins. */
async function takeOver(dataDir: string, table: string, path: string): Promise<number> {
  const { readOldEntries } = await import("./old-data.ts");
  const draft = `${path}.${process.pid}.importing`;
  try {
    const store = await SqliteStore.open(draft);
    let count = 0;
    try {
      const batch: StoredEntry[] = [];
      for await (const { item, blobs } of readOldEntries(dataDir, table)) {
        for (const [key, bytes] of blobs) await store.blobs.put(key, bytes);
        batch.push(storedEntryOf(item));
        count += 1;
        if (batch.length === 200) await store.load(batch.splice(0));
      }
      await store.load(batch);
    } finally {
      await store.close();
    }
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    return count;
  } finally {
    for (const suffix of ["", "-wal", "-shm"]) await rm(draft + suffix, { force: true });
  }
}
