// Where the data lies: the platform's convention, and the files inside a data directory. It starts nothing and connects to nothing.
import { createHash } from "node:crypto";
import { existsSync, lstatSync } from "node:fs";
import { chmod, mkdir, readFile } from "node:fs/promises";
import { dirname, posix, resolve, win32 } from "node:path";
import { explainFailure, LocalEngineError } from "./errors.ts";
import { foreign, isOwn, ownPlace, requireOwnContent, wayTo } from "./own-place.ts";

export { ownPlace } from "./own-place.ts";

/**
 * The directory for data when the user names none: `$XDG_DATA_HOME/stateful-mcp` or `~/.local/share/stateful-mcp`,
 * `~/Library/Application Support/stateful-mcp` on macOS, `%LOCALAPPDATA%\stateful-mcp` on Windows. An app with a name of its own has
 * the folder `apps/<name>` in it.
 *
 * @throws LocalEngineError when the environment names no home directory.
 */
export function defaultDataDir(
  env: Record<string, string | undefined>,
  app?: string,
  platform: NodeJS.Platform = process.platform,
): string {
  const shared = sharedDataDir(env, platform);
  const { join } = platform === "win32" ? win32 : posix;
  return app === undefined ? shared : join(shared, "apps", folderFor(app));
}

/** The name itself where every file system takes it and tells it from others; else what is left of it, and a hash. */
function folderFor(app: string): string {
  if (/^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/.test(app)) return app;
  const readable = app
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 40);
  return `${readable || "app"}-${createHash("sha256").update(app).digest("hex").slice(0, 12)}`;
}

function sharedDataDir(env: Record<string, string | undefined>, platform: NodeJS.Platform): string {
  if (platform === "win32") {
    const base = env.LOCALAPPDATA || (env.USERPROFILE && win32.join(env.USERPROFILE, "AppData", "Local"));
    return win32.join(base || noHome("LOCALAPPDATA"), "stateful-mcp");
  }
  const home = () => env.HOME || noHome("HOME");
  if (platform === "darwin") return posix.join(home(), "Library", "Application Support", "stateful-mcp");
  // The XDG specification says that a relative path is to be ignored.
  const xdg = env.XDG_DATA_HOME;
  return posix.join(xdg && posix.isAbsolute(xdg) ? xdg : posix.join(home(), ".local", "share"), "stateful-mcp");
}

function noHome(variable: string): never {
  throw new LocalEngineError(
    `There is no place for the data, because ${variable} is not set: set it, or name a directory in STATEFUL_MCP_DATA_DIR.`,
  );
}

/** The files of one data directory. All are in `engine`, which only its owner can enter, with any mode of `dataDir`. */
export interface EngineFiles {
  readonly dataDir: string;
  readonly engine: string;
  readonly database: string;
  readonly format: string;
  readonly record: string;
  readonly log: string;
}

/** What a running engine tells about itself; written before it listens, and left behind when it dies. */
export interface EngineRecord {
  readonly pid: number;
  readonly socketPath: string;
}

/**
 * Creates what is missing of the data directory and makes sure that no other user can put files there.
 *
 * @throws LocalEngineError when it cannot be created, entered or trusted.
 */
export async function prepareDataDir(dataDir: string): Promise<EngineFiles> {
  return engineFiles((await preparePrivate(dataDir, "engine")).dataDir);
}

/**
 * Creates what is missing of the data directory and of a folder in it that only its owner can enter. Resolves to the real paths of
 * both: one directory has one name, so that links to it share what is in it.
 *
 * @throws LocalEngineError when it cannot be created or entered, and where another user but root could change what leads to it or is in it.
 */
export async function preparePrivate(dataDir: string, name: string): Promise<{ dataDir: string; folder: string }> {
  const wanted = resolve(dataDir);
  try {
    // Before, so that nothing is left at a place that is refused; after, because names in /tmp are free for all.
    ownPlace(nearestExisting(wanted));
    await mkdir(wanted, { recursive: true, mode: 0o700 });
    const real = ownPlace(wanted);
    const folder = resolve(real, name);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return { dataDir: real, folder: await requirePrivate(folder) };
  } catch (error) {
    throw explainFailure(wanted, error);
  }
}

const nearestExisting = (path: string): string => (existsSync(path) ? path : nearestExisting(dirname(path)));

/** The paths of the engine's files below a data directory. Creates nothing. */
export function engineFiles(dataDir: string): EngineFiles {
  const engine = resolve(dataDir, "engine");
  return {
    dataDir,
    engine,
    database: resolve(engine, "db"),
    format: resolve(engine, "format"),
    record: resolve(engine, "engine.json"),
    log: resolve(engine, "engine.log"),
  };
}

async function requirePrivate(folder: string): Promise<string> {
  const place = wayTo(folder);
  const found = lstatSync(place);
  if (process.getuid !== undefined && found.uid !== process.geteuid?.()) throw foreign(place, found);
  // Ours, but perhaps loosened by a copy or a restore.
  if (!isPrivate(place)) await chmod(place, 0o700);
  requireOwnContent(place);
  return place;
}

/** Whether `directory` is one that this user alone can enter or replace. On Windows the profile's access list decides. */
export function isPrivate(directory: string): boolean {
  try {
    const found = lstatSync(wayTo(directory));
    const open = process.platform === "win32" ? 0 : found.mode & 0o077;
    return found.isDirectory() && open === 0 && isOwn(found);
  } catch {
    return false;
  }
}

/** Reads what the last engine wrote about itself; undefined when there is none, or only a damaged one. */
export async function readRecord(files: EngineFiles): Promise<EngineRecord | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(files.record, "utf8"));
    if (typeof record !== "object" || record === null || !("pid" in record) || !("socketPath" in record))
      return undefined;
    const { pid, socketPath } = record;
    return typeof pid === "number" && typeof socketPath === "string" ? { pid, socketPath } : undefined;
  } catch {
    return undefined;
  }
}
