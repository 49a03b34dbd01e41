// Keeps what Node.js has compiled of this program from one start to the next, so that a host waits less for the second. Loads next to
// nothing itself.
import { lstatSync, mkdirSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { isAbsolute, join } from "node:path";
import { defaultDataDir, ownPlace } from "@stateful-mcp/local/data-dir";

/**
 * In the data directory, where it exists already and only its owner can put files or another directory in its place: compiled code is
 * run as it is found, also long after the start. Without one, and on a disk that cannot be written, each start compiles.
 */
export function keepCompiledCode(env: Record<string, string | undefined>): void {
  try {
    const named = env.STATEFUL_MCP_DATA_DIR || defaultDataDir(env);
    if (!isAbsolute(named)) return;
    const directory = ownPlace(named);
    if (!isOurs(directory)) return;
    const folder = join(directory, "compiled-code");
    // Node.js would leave its mode to the umask.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (isOurs(folder)) enableCompileCache(folder);
  } catch {
    // No data directory yet, no home directory, or one that cannot be read. The commands that need it say so.
  }
}

/** A directory in which only this user can put files. */
function isOurs(path: string): boolean {
  const found = lstatSync(path);
  if (!found.isDirectory()) return false;
  // Windows has neither: there the data directory is in the user's own profile.
  return process.platform === "win32" || (found.uid === process.getuid?.() && (found.mode & 0o022) === 0);
}
