// dynalite, opened on one directory and made fit for a process that runs for weeks. It knows nothing of sockets, clients or idleness.
/// <reference path="./dynalite.d.ts" />
import { readdir } from "node:fs/promises";
import type { Server } from "node:http";
import { Socket } from "node:net";
import { duplexPair } from "node:stream";
import type { Level, Store } from "dynalite/db/index.js";
import { call } from "./call.ts";
import { damaged, explainFailure } from "./errors.ts";

/** An open database and the DynamoDB server in front of it, which does not listen yet. */
export interface Database {
  readonly server: Server;
  /** One DynamoDB request without a socket, so that upkeep never counts as a connected client. */
  call<Output>(operation: string, input: object): Promise<Output>;
  /** Once the server listens: finishes the requests in progress, then closes the database, which frees its lock. */
  close(): Promise<void>;
}

/**
 * Opens the database, or returns undefined when another living process has it open: LevelDB's own lock, which the
 * kernel takes back when its holder dies, decides who is the engine.
 *
 * @throws LocalEngineError when it is damaged or cannot be used; nothing is changed then.
 */
export async function openDatabase(path: string): Promise<Database | undefined> {
  await refuseHeadless(path);
  const { server, store } = await createServer(path);
  try {
    await store.db.open();
  } catch (error) {
    if (error instanceof Error && isLocked(error)) return undefined;
    throw explainFailure(path, error);
  }
  closeIterators(store.db);
  // dynalite throws when a client vanishes in the middle of its request; that must not end the engine of all others.
  server.on("request", (request) => request.removeAllListeners("error").on("error", () => {}));
  // Only clients close idle connections: a server that does so races with the next request on them.
  server.keepAliveTimeout = 0;

  const inProcess = () => {
    const [ours, theirs] = duplexPair();
    server.emit("connection", theirs);
    return ours;
  };
  const database: Database = {
    server,
    call: (operation, input) => call(inProcess, operation, input),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
      }),
  };
  await finishTableChanges(store.db, database);
  return database;
}

/** Whether a connection came through the socket, and not from this process. */
export function isClient(connection: unknown): connection is Socket {
  return connection instanceof Socket;
}

/** LevelDB takes a directory that lost its CURRENT file for a new one, starts empty and deletes the old tables. */
async function refuseHeadless(path: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
    throw explainFailure(path, error);
  }
  const holdsData = names.some((name) => /^\d+\.(ldb|sst|log)$/.test(name));
  if (holdsData && !names.includes("CURRENT")) throw damaged(path, "its CURRENT file is missing");
}

/** dynalite keeps its store to itself; while it starts, it passes by here. */
async function createServer(path: string): Promise<{ server: Server; store: Store }> {
  const [{ default: dynalite }, { default: storage }] = await Promise.all([
    import("dynalite"),
    import("dynalite/db/index.js"),
  ]);
  const { create } = storage;
  let store: Store | undefined;
  storage.create = (options) => {
    store = create(options);
    return store;
  };
  try {
    const server = dynalite({
      path,
      createTableMs: 0,
      deleteTableMs: 0,
      updateTableMs: 0,
    });
    if (store === undefined) throw new Error("This version of dynalite creates its store in another way.");
    return { server, store };
  } finally {
    storage.create = create;
  }
}

function isLocked(error: Error): boolean {
  if ("code" in error && error.code === "LEVEL_LOCKED") return true;
  return error.cause instanceof Error && isLocked(error.cause);
}

/**
 * dynalite ends its iterators with `return()`, which LevelDB's lack, so that each Query and Scan would keep its snapshot
 * of the database in memory for ever (22 KB each).
 */
function closeIterators(db: Level): void {
  for (const method of ["keys", "values"] as const) {
    const open = db[method].bind(db);
    db[method] = (range) => {
      const iterator = open(range);
      iterator.return = () => iterator.close();
      return iterator;
    };
  }
}

/** A table is created and deleted in two writes. An engine killed between them leaves a table that could be neither used nor deleted. */
async function finishTableChanges(db: Level, database: Database): Promise<void> {
  for await (const [key, table] of db.iterator({
    gte: "table~",
    lt: "table~\u00ff",
  })) {
    if (table.TableStatus === "CREATING") await db.put(key, { ...table, TableStatus: "ACTIVE" });
    if (table.TableStatus === "DELETING") await database.call("DeleteTable", { TableName: table.TableName });
  }
}
