// One SQLite file, shared by every process that opens it: durable group commits, its own patience when another process writes, and
// errors a person can act on. The one place that imports node:sqlite. Knows no entries.
import { closeSync, openSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { AppError, StateUnavailable } from "../errors.ts";
import { pause } from "../waiting.ts";

/** SQLite 3.7.0 to 3.51.2 can corrupt a write-ahead log under several connections (sqlite.org/wal.html, "WAL-reset bug"). */
const VERSION_MIN = [3, 51, 3] as const;
/** Changes that share one transaction and one sync to disk. */
const GROUP_MAX = 256;
/** How long a request waits for another process's write before it is answered as unavailable. */
const PATIENCE_MS = 4_000;
const PAUSE_MAX_MS = 25;
/** While a file is opened, several processes may be making it one with a write-ahead log. */
const OPEN_PATIENCE_MS = 10_000;

// Primary result codes: sqlite.org/rescode.html.
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const NOTADB = 26;

interface Job {
  readonly run: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly deadline: number;
}

export class SqliteFile {
  readonly path: string;
  readonly #database: DatabaseSync;
  /** The file this process opened: one put in its place, or its removal, must not go unnoticed. */
  readonly #inode: number;
  #queue: Job[] = [];
  #flushing = false;
  #closed = false;

  private constructor(path: string, database: DatabaseSync) {
    this.path = path;
    this.#database = database;
    this.#inode = statSync(path).ino;
  }

  /**
   * Opens or creates the file, readable by its owner alone, with the tables of `schema` (SQL, run once per file).
   * @throws AppError `unavailable` with the path and what to do; `invalid_input` when this Node.js brings no usable SQLite.
   */
  static async open(path: string, schema: string): Promise<SqliteFile> {
    const { DatabaseSync } = loadSqlite();
    try {
      closeSync(openSync(path, "a", 0o600));
      // Opening is repeated whole: SQLite does not wait for a lock when two connections change the journal's mode at once.
      return await patiently(performance.now() + OPEN_PATIENCE_MS, () => {
        const database = new DatabaseSync(path, { timeout: 0 });
        try {
          prepareFile(database, path, schema);
          return new SqliteFile(path, database);
        } catch (error) {
          // A connection that stays open would keep its lock, and other processes waiting for it.
          database.close();
          throw error;
        }
      });
    } catch (error) {
      throw explained(error, path);
    }
  }

  prepare(sql: string): StatementSync {
    return this.#database.prepare(sql);
  }

  /** Runs `look` on what is committed. It must not write. */
  async read<T>(look: () => T): Promise<T> {
    try {
      return await patiently(performance.now() + PATIENCE_MS, look);
    } catch (error) {
      throw this.#told(error);
    }
  }

  /**
   * Runs `apply` in a transaction and resolves when that is on the disk. Changes of one turn of the event loop share the
   * transaction. `apply` may be run again, and must throw before it writes or not at all.
   */
  change<T>(apply: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(this.#told(unavailable(`${this.path} is closed.`)));
    return new Promise<T>((resolve, reject) => {
      const deadline = performance.now() + PATIENCE_MS;
      this.#queue.push({ run: apply, resolve: resolve as (value: unknown) => void, reject, deadline });
      if (this.#flushing) return;
      this.#flushing = true;
      setImmediate(() => void this.#flush());
    });
  }

  /** Resolves when all changes under way are on the disk and the file is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#flushing) await pause(1);
    this.#database.close();
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const jobs = this.#queue.splice(0, GROUP_MAX);
      try {
        this.#requireSameFile();
        const deadline = Math.min(...jobs.map((job) => job.deadline));
        await patiently(deadline, () => this.#database.exec("BEGIN IMMEDIATE"));
        const settle = jobs.map((job) => this.#settled(job));
        this.#database.exec("COMMIT");
        for (const done of settle) done();
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        const told = this.#told(error);
        for (const job of jobs) job.reject(told);
      }
      // Requests that have arrived meanwhile join the next group.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#flushing = false;
  }

  /** What to do with a job's promise once its group is committed. @throws what SQLite says: then the whole group is undone. */
  #settled(job: Job): () => void {
    try {
      const value = job.run();
      return () => job.resolve(value);
    } catch (error) {
      if (isSqlite(error)) throw error;
      return () => job.reject(error);
    }
  }

  /** What a caller is told: where on this machine the file lies is for its operator, in the log. */
  #told(error: unknown): unknown {
    const full = explained(error, this.path);
    if (!(full instanceof AppError) || !full.message.includes(dirname(this.path))) return full;
    const message = full.message.replaceAll(this.path, basename(this.path)).replaceAll(dirname(this.path), "…");
    return unavailable(message, new Error(full.message, { cause: full.cause }));
  }

  #requireSameFile(): void {
    if (statSync(this.path, { throwIfNoEntry: false })?.ino === this.#inode) return;
    throw unavailable(`${this.path} was removed or replaced while this server ran. Start the server again.`);
  }
}

/** Runs `work` again while other processes hold the file, until `deadline` (`performance.now()`): SQLite's own wait stops the loop. */
async function patiently<T>(deadline: number, work: () => T): Promise<T> {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      await pause(1 + Math.random() * PAUSE_MAX_MS);
    }
  }
}

/** Of the tables that this release knows, as the file says it. 0: there are none yet. */
const FILE_VERSION = 1;

function prepareFile(database: DatabaseSync, path: string, schema: string): void {
  requireVersion(database);
  // Before anything is changed: what a later release keeps, this one could only lose.
  const found = versionOf(database);
  if (found > FILE_VERSION)
    throw unavailable(
      `${path} was written by a later release (its version is ${found}; this one knows ${FILE_VERSION}). Use that release, or choose another directory (STATEFUL_MCP_DATA_DIR).`,
    );
  // Every commit reaches the disk before it is acknowledged; on macOS only this asks the drive to write its cache out.
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON");
  // Nothing is written to a file that is complete already.
  if (found !== 0) return;
  database.exec("BEGIN IMMEDIATE");
  // Another process may have made the tables while this one waited for its turn.
  if (versionOf(database) === 0) database.exec(`${schema}; PRAGMA user_version = ${FILE_VERSION}`);
  database.exec("COMMIT");
}

const versionOf = (database: DatabaseSync): number =>
  (database.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;

/** @throws AppError `invalid_input` on a Node.js without SQLite. */
function loadSqlite(): typeof import("node:sqlite") {
  const { emitWarning } = process;
  // Node.js 22 calls it experimental, on the stderr that hosts show as a server's log.
  process.emitWarning = () => {};
  try {
    const sqlite = process.getBuiltinModule?.("node:sqlite");
    if (sqlite) return sqlite;
  } finally {
    process.emitWarning = emitWarning;
  }
  throw needsNode(`Node.js ${process.versions.node} has no SQLite`);
}

function requireVersion(database: DatabaseSync): void {
  const { version } = database.prepare("SELECT sqlite_version() AS version").get() as { version: string };
  const found = version.split(".").map(Number);
  const at = VERSION_MIN.findIndex((least, index) => found[index] !== least);
  if (at < 0 || (found[at] ?? 0) > (VERSION_MIN[at] ?? 0)) return;
  throw needsNode(
    `Node.js ${process.versions.node} brings SQLite ${version}, which can damage a file that several use`,
  );
}

const needsNode = (why: string): AppError =>
  new AppError("invalid_input", `${why}. The local backend needs Node.js 22.23 or later, or 24.15 or later.`);

const codeOf = (error: unknown): number | undefined => {
  const { errcode } = (error ?? {}) as { errcode?: unknown };
  return typeof errcode === "number" ? errcode & 0xff : undefined;
};
const isSqlite = (error: unknown): boolean => codeOf(error) !== undefined;
const isBusy = (error: unknown): boolean => [BUSY, LOCKED].includes(codeOf(error) ?? -1);

const unavailable = (message: string, cause?: unknown): AppError => new StateUnavailable(message, { cause });

/** What SQLite or the file system said, as a sentence with the path and what to do. */
function explained(error: unknown, path: string): unknown {
  if (error instanceof AppError) return error;
  const code = codeOf(error);
  const { code: system, message } = error as { code?: string; message: string };
  if (code === BUSY || code === LOCKED)
    return unavailable("Other processes kept the local store busy. Try again.", error);
  if (code === FULL || system === "ENOSPC" || system === "EDQUOT")
    return unavailable(
      `The disk with ${path} is full: nothing was written, and reading goes on. Free some space.`,
      error,
    );
  if (code === CORRUPT || code === NOTADB)
    return unavailable(
      `${path} is damaged (${message}). Nothing was changed: restore it from a backup, or move it away to start empty.`,
      error,
    );
  if (code === READONLY || system === "EROFS" || system === "EACCES" || system === "EPERM")
    return unavailable(
      `${path} cannot be written (${message}): give this user access to it, or choose another directory (STATEFUL_MCP_DATA_DIR).`,
      error,
    );
  if (code === IOERR) return unavailable(`${path} could not be read or written (${message}).`, error);
  if (code === undefined && system === undefined) return error;
  return unavailable(`The local store in ${path} cannot be used (${message}).`, error);
}
