// Keeps what Node.js has compiled of this program from one start to the next, so that a host waits less for the second. Loads next to
// nothing itself.
import { statSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { isAbsolute, join } from "node:path";
import { defaultDataDir } from "@stateful-mcp/local/data-dir";

/**
 * In the data directory, where it exists already and only its owner can put files: compiled code is run as it is found. Without one,
 * and on a disk that cannot be written, each start compiles.
 */
export function keepCompiledCode(env: Record<string, string | undefined>): void {
  try {
    const folder = env.STATEFUL_MCP_DATA_DIR || defaultDataDir(env);
    if (isAbsolute(folder) && isOurs(folder)) enableCompileCache(join(folder, "compiled-code"));
  } catch {
    // No home directory, or one that cannot be read. The commands that need it say so.
  }
}

function isOurs(folder: string): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (!found?.isDirectory()) return false;
  // Windows has neither: there the data directory is in the user's own profile.
  return process.platform === "win32" || (found.uid === process.getuid?.() && (found.mode & 0o022) === 0);
}
