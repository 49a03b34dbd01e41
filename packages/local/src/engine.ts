// The engine process: owns the database of one data directory, serves it on a private socket, and leaves when no client needs it.
// It prints to stderr only, which the process that starts it points to the log file.
import { chmod, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import { type EngineFiles, type EngineRecord, prepareDataDir, readRecord } from "./data-dir.ts";
import { type Database, isClient, openDatabase } from "./database.ts";
import { explainFailure, LocalEngineError } from "./errors.ts";
import { chooseSocketPath } from "./socket-path.ts";

/** The layout of the data directory. A newer one is refused, so that an older program cannot damage it. */
const FORMAT = 1;
const SOCKET_CHECK_MS = 2_000;
/** How long a request in progress may delay the end. */
const CLOSE_MS = 2_000;

/** What an engine process is started with. Times are in seconds. */
export interface EngineOptions {
  readonly dataDir: string;
  /** How long no client may have been connected before the engine exits. */
  readonly idleExitSeconds: number;
}

/** What the engine process tells the process that started it. `busy`: another engine owns the data directory. */
export type StartReport = { status: "ready" } | { status: "busy" } | { status: "failed"; message: string };

/** The engine process's main; resolves when the engine has ended. A failed start is reported to the parent and sets exit code 1. */
export async function runEngine(options: EngineOptions): Promise<void> {
  process.umask(0o077);
  try {
    const files = await prepareDataDir(options.dataDir);
    await checkFormat(files);
    const database = await openDatabase(files.database);
    if (database === undefined) return report({ status: "busy" });
    await writeFile(files.format, `${FORMAT}\n`);
    const socketPath = await listen(database.server, files);
    log(`engine ${process.pid} serves ${files.database} on ${socketPath}`);
    const end = serveUntilIdle(database, socketPath, options);
    report({ status: "ready" });
    log(`engine ${process.pid} ends: ${await end}`);
  } catch (error) {
    const { message } = explainFailure(options.dataDir, error);
    log(message);
    process.exitCode = 1;
    report({ status: "failed", message });
  }
}

async function checkFormat(files: EngineFiles): Promise<void> {
  const text = await readFile(files.format, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return String(FORMAT);
    throw explainFailure(files.format, error);
  });
  if (text.trim() === String(FORMAT)) return;
  throw new LocalEngineError(
    `The data in ${files.engine} has format ${JSON.stringify(text.trim())}, and this version reads format ${FORMAT}: use the version of stateful-mcp that wrote it, or choose another data directory (STATEFUL_MCP_DATA_DIR).`,
  );
}

/** Only the owner of the database comes here, so a socket that is still there belongs to a dead engine. */
async function listen(server: Server, files: EngineFiles): Promise<string> {
  const previous = await readRecord(files);
  const socketPath = await chooseSocketPath(files.engine, previous?.socketPath);
  const windows = process.platform === "win32";
  if (!windows) await rm(socketPath, { force: true });
  const record: EngineRecord = { pid: process.pid, socketPath };
  await writeFile(`${files.record}.new`, `${JSON.stringify(record)}\n`);
  await rename(`${files.record}.new`, files.record);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  if (!windows) await chmod(socketPath, 0o600);
  return socketPath;
}

/** Resolves with the reason of the end, after everything is closed. */
async function serveUntilIdle(database: Database, socketPath: string, options: EngineOptions): Promise<string> {
  const { server } = database;
  const reason = await new Promise<string>((end) => {
    endWhenIdle(server, options.idleExitSeconds, end);
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => end(signal));
    endWhenUnreachable(socketPath, end);
  });
  const force = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await database.close();
  clearTimeout(force);
  return reason;
}

function endWhenIdle(server: Server, idleExitSeconds: number, end: (reason: string) => void): void {
  let connected = 0;
  let timer: NodeJS.Timeout;
  const wait = () => {
    timer = setTimeout(() => end(`nobody was connected for ${idleExitSeconds} s`), idleExitSeconds * 1000);
    timer.unref();
  };
  wait();
  server.on("connection", (connection) => {
    if (!isClient(connection)) return;
    connected += 1;
    clearTimeout(timer);
    connection.once("close", () => {
      connected -= 1;
      if (connected === 0) wait();
    });
  });
}

/** The socket or the whole data directory may be deleted; an engine that cannot be reached must not keep the lock. */
function endWhenUnreachable(socketPath: string, end: (reason: string) => void): void {
  if (process.platform === "win32") return;
  setInterval(() => {
    stat(socketPath).catch(() => end(`${socketPath} was removed`));
  }, SOCKET_CHECK_MS).unref();
}

/** Tells the parent, which may be dead by now, and lets it go. */
function report(message: StartReport): void {
  process.send?.(message, undefined, undefined, () => {
    if (process.connected) process.disconnect();
  });
}

function log(message: string): void {
  process.stderr.write(`${new Date().toISOString()} ${message}\n`);
}
