// Starts the engine process, detached from its starter, and brings back how that went.
import { type ChildProcess, spawn } from "node:child_process";
import { type FileHandle, open } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { EngineFiles } from "./data-dir.ts";
import type { EngineOptions, StartReport } from "./engine.ts";
import { explainFailure, LocalEngineError } from "./errors.ts";

const MAX_LOG_BYTES = 1024 * 1024;
const START_PATIENCE_MS = 20_000;

/** A command whose process calls `runEngine` with the JSON of its last argument, which is appended to `args`. */
export interface EngineEntry {
  readonly command: string;
  readonly args: readonly string[];
}

/** The engine needs no other variable; above all no NODE_OPTIONS that were meant for its starter. */
const INHERITED = [
  "PATH",
  "HOME",
  "TMPDIR",
  "TEMP",
  "TMP",
  "XDG_RUNTIME_DIR",
  "SystemRoot",
  "USERPROFILE",
  "LOCALAPPDATA",
];
/** With V8's default the engine's garbage takes 350 MB after some thousand queries, with this 160 MB, at the same speed. */
const NODE_OPTIONS = "--max-semi-space-size=4";

/**
 * Starts an engine and waits until it serves (`ready`) or finds that another one owns the data (`busy`).
 *
 * @throws LocalEngineError with the engine's own reason when it cannot start.
 */
export async function startEngine(
  files: EngineFiles,
  options: Omit<EngineOptions, "dataDir"> & { readonly entry?: EngineEntry },
): Promise<"ready" | "busy"> {
  const { entry = ownEntry(), ...engineOptions } = options;
  const argument: EngineOptions = { dataDir: files.dataDir, ...engineOptions };
  const log = await openLog(files.log);
  try {
    const child = spawn(entry.command, [...entry.args, JSON.stringify(argument)], {
      cwd: files.engine,
      detached: true,
      windowsHide: true,
      stdio: ["ignore", log.fd, log.fd, "ipc"],
      env: { ...Object.fromEntries(INHERITED.map((name) => [name, process.env[name]])), NODE_OPTIONS },
    });
    const report = await firstReport(child, entry, files);
    if (report.status === "failed") throw new LocalEngineError(report.message);
    return report.status;
  } finally {
    await log.close();
  }
}

function ownEntry(): EngineEntry {
  // TypeScript in the repository, JavaScript in the published package.
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  return {
    command: process.execPath,
    args: [fileURLToPath(new URL(`./engine-main${extension}`, import.meta.url))],
  };
}

async function openLog(path: string): Promise<FileHandle> {
  try {
    const log = await open(path, "a", 0o600);
    if ((await log.stat()).size > MAX_LOG_BYTES) await log.truncate();
    return log;
  } catch (error) {
    throw explainFailure(path, error);
  }
}

function firstReport(child: ChildProcess, entry: EngineEntry, files: EngineFiles): Promise<StartReport> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => reject(new LocalEngineError(`${what}: see ${files.log}.`));
    const timer = setTimeout(
      () => fail(`The embedded engine (process ${child.pid}) has not started within ${START_PATIENCE_MS / 1000} s`),
      START_PATIENCE_MS,
    );
    child.once("message", (message) => resolve(message as StartReport));
    child.once("exit", (code, signal) =>
      fail(`The embedded engine ended while it started (${signal ?? `exit code ${code}`})`),
    );
    child.once("error", (error) => {
      reject(new LocalEngineError(`The embedded engine cannot be started with ${entry.command}: ${error.message}.`));
    });
    const letGo = () => {
      clearTimeout(timer);
      if (child.connected) child.disconnect();
      child.unref();
    };
    child.once("message", letGo).once("exit", letGo).once("error", letGo);
  });
}
