// Where the engine listens: beside its data when the kernel accepts that path, else in a short private directory. It never listens itself.
import { randomUUID } from "node:crypto";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isPrivate, ownPlace } from "./data-dir.ts";
import { LocalEngineError } from "./errors.ts";

/** The smallest limit of the kernels is 104 bytes (macOS), with the closing zero. */
const MAX_PATH_BYTES = 100;

/**
 * Chooses the engine's socket. Clients learn it from the engine's record, never by computing it: their environments differ.
 * On Windows it is a named pipe whose random name cannot be taken beforehand.
 *
 * @param previous the socket of the engine before this one; its directory is used again while it is still ours alone.
 * @throws LocalEngineError when no directory with a short path can be created.
 */
export async function chooseSocketPath(
  engineDirectory: string,
  previous: string | undefined,
  platform: NodeJS.Platform = process.platform,
): Promise<string> {
  if (platform === "win32") return `\\\\.\\pipe\\stateful-mcp-${randomUUID()}`;
  const beside = join(engineDirectory, "engine.sock");
  if (fits(beside)) return beside;
  if (previous !== undefined && fits(previous) && isPrivate(dirname(previous))) return previous;
  for (const parent of [process.env.XDG_RUNTIME_DIR, tmpdir(), "/tmp"]) {
    const directory = join(parent || "/tmp", "stateful-mcp-");
    if (!fits(join(`${directory}XXXXXX`, "engine.sock"))) continue;
    try {
      // mkdtemp gives a new directory with mode 0700, so no other user can have prepared it, nor can one put another in its place.
      ownPlace(parent || "/tmp");
      return join(await mkdtemp(directory), "engine.sock");
    } catch {
      // The next one may be usable.
    }
  }
  throw new LocalEngineError(
    `The path ${beside} is too long for a socket, and no short directory could be created in ${tmpdir()}: choose a data directory with a shorter path (STATEFUL_MCP_DATA_DIR).`,
  );
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_PATH_BYTES;
}
