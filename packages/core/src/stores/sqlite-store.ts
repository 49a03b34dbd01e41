// Keeps entries and large values in one SQLite file. How a change is decided stands in ordered-table-store.ts, how it reaches the disk in
// sqlite-file.ts; this file is the table between them, and what sweeps it.
import type { StatementSync } from "node:sqlite";
import { type Clock, epochSeconds, systemClock } from "../clock.ts";
import type { BlobStore } from "./blob-store.ts";
import { type StoredItem, toStoredEntry } from "./dynamodb-layout.ts";
import { type OrderedTable, OrderedTableStore, type Row, type StoredEntry } from "./ordered-table-store.ts";
import { SqliteFile } from "./sqlite-file.ts";
import type { Key, ListOptions } from "./state-store.ts";

// JSON text holds no NUL, at which Node.js 22 cuts a text that it reads; keys are only ever compared.
const SCHEMA = `
  CREATE TABLE entries (
    pk TEXT NOT NULL, sk TEXT NOT NULL, bytes INTEGER NOT NULL, expires_at INTEGER, entry TEXT NOT NULL,
    PRIMARY KEY (pk, sk)
  ) WITHOUT ROWID;
  CREATE INDEX expiring ON entries (expires_at) WHERE expires_at IS NOT NULL;
  CREATE TABLE blobs (key TEXT PRIMARY KEY, created_at INTEGER NOT NULL, content BLOB NOT NULL) WITHOUT ROWID`;

/** Rows that a listing reads at a time, so that a page bounded by bytes reads little more than it gives. */
const CHUNK_ROWS = 64;
const SWEEP_EVERY_MS = 60_000;
/** Entries one step of a sweep removes: a transaction that holds no other process up. */
const SWEEP_ROWS = 200;
/** Clocks of processes on one machine agree; this is for readers that are between two looks. */
const SWEEP_GRACE_SECONDS = 60;
/** A blob is put before the entry that points to it. One that still has none after this was left by a crash. */
const ORPHAN_SECONDS = 86_400;
const ORPHANS_EVERY_SWEEPS = 60;
/** As state/blobs.ts names the attribute that holds a blob's key. */
const BLOB_ATTRIBUTE = "blob:";

/** State in one file on this machine, for any number of processes. */
export class SqliteStore extends OrderedTableStore {
  /** Values too large for an entry, in the same file. */
  readonly blobs: BlobStore;
  readonly #file: SqliteFile;
  readonly #clock: Clock;
  readonly #sweeper: NodeJS.Timeout;
  #sweeps = 0;

  private constructor(file: SqliteFile, clock: Clock) {
    const table = new SqliteTable(file);
    super({ read: (look) => file.read(() => look(table)), change: (apply) => file.change(() => apply(table)) }, clock);
    this.#file = file;
    this.#clock = clock;
    this.blobs = new SqliteBlobs(file, clock);
    // A sweep that fails is tried again: what it leaves is invisible anyway.
    this.#sweeper = setInterval(() => void this.#sweepOnce().catch(() => {}), SWEEP_EVERY_MS).unref();
  }

  /**
   * Opens or creates the file.
   * @throws AppError `unavailable` with the path and what to do; `invalid_input` when this Node.js brings no usable SQLite.
   */
  static async open(path: string, options: { clock?: Clock } = {}): Promise<SqliteStore> {
    return new SqliteStore(await SqliteFile.open(path, SCHEMA), options.clock ?? systemClock);
  }

  async ping(): Promise<void> {
    await this.#file.read(() => this.#file.prepare("SELECT 1 FROM entries LIMIT 1").get());
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    await this.#file.close();
  }

  /** Takes over entries and their blobs from another store, dead ones included. Only for a file that no server uses yet. */
  async load(entries: readonly StoredEntry[]): Promise<void> {
    const table = new SqliteTable(this.#file);
    await this.#file.change(() => {
      for (const entry of entries) table.set(entry, JSON.stringify(entry).length);
    });
  }

  /** Removes what has expired, with its blobs, in bounded steps. Resolves to the number of entries removed. */
  async sweep(): Promise<number> {
    const file = this.#file;
    const find = file.prepare("SELECT pk, sk, entry FROM entries WHERE expires_at <= ? LIMIT ?");
    const remove = file.prepare("DELETE FROM entries WHERE pk = ? AND sk = ?");
    const removeBlob = file.prepare("DELETE FROM blobs WHERE key = ?");
    let removed = 0;
    for (;;) {
      const before = epochSeconds(this.#clock) - SWEEP_GRACE_SECONDS;
      const look = () => find.all(before, SWEEP_ROWS) as { pk: string; sk: string; entry: string }[];
      if ((await file.read(look)).length === 0) return removed;
      removed += await file.change(() => {
        const rows = look();
        for (const { pk, sk, entry } of rows) {
          for (const key of blobKeysOf(entry)) removeBlob.run(key);
          remove.run(pk, sk);
        }
        return rows.length;
      });
    }
  }

  /** Removes blobs that no entry points to. Resolves to their number. */
  async sweepOrphans(): Promise<number> {
    const file = this.#file;
    const old = file.prepare("SELECT key FROM blobs WHERE created_at <= ?");
    const before = epochSeconds(this.#clock) - ORPHAN_SECONDS;
    const candidates = await file.read(() => (old.all(before) as { key: string }[]).map(({ key }) => key));
    if (candidates.length === 0) return 0;
    const holders = file.prepare(`SELECT entry FROM entries WHERE entry LIKE '%"${BLOB_ATTRIBUTE}%'`);
    const removeBlob = file.prepare("DELETE FROM blobs WHERE key = ?");
    return file.change(() => {
      const pointedAt = new Set((holders.all() as { entry: string }[]).flatMap(({ entry }) => blobKeysOf(entry)));
      const orphans = candidates.filter((key) => !pointedAt.has(key));
      for (const key of orphans) removeBlob.run(key);
      return orphans.length;
    });
  }

  async #sweepOnce(): Promise<void> {
    await this.sweep();
    this.#sweeps += 1;
    if (this.#sweeps % ORPHANS_EVERY_SWEEPS === 0) await this.sweepOrphans();
  }
}

class SqliteTable implements OrderedTable {
  readonly #file: SqliteFile;
  readonly #get: StatementSync;
  readonly #set: StatementSync;
  readonly #delete: StatementSync;
  readonly #walks = new Map<string, StatementSync>();

  constructor(file: SqliteFile) {
    this.#file = file;
    this.#get = file.prepare("SELECT entry FROM entries WHERE pk = ? AND sk = ?");
    this.#set = file.prepare(
      `INSERT INTO entries (pk, sk, bytes, expires_at, entry) VALUES (?, ?, ?, ?, ?) ON CONFLICT (pk, sk)
       DO UPDATE SET bytes = excluded.bytes, expires_at = excluded.expires_at, entry = excluded.entry`,
    );
    this.#delete = file.prepare("DELETE FROM entries WHERE pk = ? AND sk = ?");
  }

  get({ pk, sk }: Key): StoredEntry | undefined {
    const row = this.#get.get(pk, sk) as { entry: string } | undefined;
    return row && (JSON.parse(row.entry) as StoredEntry);
  }

  set(entry: StoredEntry, bytes: number): void {
    const { pk, sk } = entry.key;
    this.#set.run(pk, sk, bytes, entry.expiresAt ?? null, JSON.stringify(entry));
  }

  delete({ pk, sk }: Key): boolean {
    return this.#delete.run(pk, sk).changes > 0;
  }

  *walk(pk: string, { prefix = "", after, order, limit }: ListOptions): Generator<Row> {
    const descending = order === "descending";
    const select = this.#walk(descending);
    const end = endOfPrefix(prefix);
    // Both ends, the lower one included and the upper one not; what a bound leaves open, the empty text and the last key close.
    let lower = prefix;
    let upper = end ?? LAST_KEY;
    if (after !== undefined && descending && compare(after, upper) < 0) upper = after;
    if (after !== undefined && !descending && compare(after, lower) >= 0) lower = `${after}\0`;
    for (let left = limit; left > 0 && compare(lower, upper) < 0; ) {
      const rows = select.all(pk, lower, upper, Math.min(left, CHUNK_ROWS)) as { bytes: number; entry: string }[];
      let last: string | undefined;
      for (const { bytes, entry: text } of rows) {
        const entry = JSON.parse(text) as StoredEntry;
        last = entry.key.sk;
        yield { entry, bytes };
      }
      left -= rows.length;
      if (last === undefined || rows.length < CHUNK_ROWS) return;
      if (descending) upper = last;
      else lower = `${last}\0`;
    }
  }

  #walk(descending: boolean): StatementSync {
    const direction = descending ? "DESC" : "ASC";
    const known = this.#walks.get(direction);
    if (known) return known;
    const sql = `SELECT bytes, entry FROM entries WHERE pk = ? AND sk >= ? AND sk < ? ORDER BY sk ${direction} LIMIT ?`;
    const statement = this.#file.prepare(sql);
    this.#walks.set(direction, statement);
    return statement;
  }
}

class SqliteBlobs implements BlobStore {
  readonly #file: SqliteFile;
  readonly #clock: Clock;

  constructor(file: SqliteFile, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const put = this.#file.prepare("INSERT OR REPLACE INTO blobs (key, created_at, content) VALUES (?, ?, ?)");
    await this.#file.change(() => put.run(key, epochSeconds(this.#clock), bytes));
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const get = this.#file.prepare("SELECT content FROM blobs WHERE key = ?");
    const row = await this.#file.read(() => get.get(key) as { content: Uint8Array } | undefined);
    return row?.content;
  }

  async delete(key: string): Promise<void> {
    const remove = this.#file.prepare("DELETE FROM blobs WHERE key = ?");
    await this.#file.change(() => remove.run(key));
  }
}

function blobKeysOf(text: string): string[] {
  if (!text.includes(`"${BLOB_ATTRIBUTE}`)) return [];
  const { attributes } = JSON.parse(text) as StoredEntry;
  return Object.keys(attributes).flatMap((name) =>
    name.startsWith(BLOB_ATTRIBUTE) ? [name.slice(BLOB_ATTRIBUTE.length)] : [],
  );
}

/** Above every key: sort keys have at most 1,024 bytes, and no character is above this one. */
const LAST_KEY = "\u{10FFFF}".repeat(257);

const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The first text after all that begin with the prefix, in the order of UTF-8 bytes, which is that of code points. */
function endOfPrefix(prefix: string): string | undefined {
  const points = [...prefix];
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const point = (last.codePointAt(0) ?? 0) + 1;
    // The surrogates are no characters.
    if (point <= 0x10ffff) return points.join("") + String.fromCodePoint(point === 0xd800 ? 0xe000 : point);
  }
  return undefined;
}

/** An entry out of an item of a DynamoDB table of ours, dead or alive. */
export function storedEntryOf(
  item: Readonly<Record<string, { readonly S?: string; readonly N?: string; readonly BOOL?: boolean }>>,
): StoredEntry {
  const scalars: StoredItem = {};
  for (const [field, { S, N, BOOL }] of Object.entries(item)) {
    const value = S ?? BOOL ?? (N === undefined ? undefined : Number(N));
    if (value !== undefined) scalars[field] = value;
  }
  return toStoredEntry(scalars);
}
