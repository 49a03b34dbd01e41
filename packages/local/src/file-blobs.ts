// Large values as files beside the database, so that both are moved and backed up together. Knows keys and bytes only; it keeps
// the blob contract of @stateful-mcp/core without importing it.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { explainFailure } from "./errors.ts";

/** Where the blobs of a data directory lie: inside the directory that only its owner can enter. */
export const blobDirectory = (dataDir: string): string => join(dataDir, "engine", "blobs");

/** Keys are hashed, so that none can leave the directory and no file system's rules on names matter. */
export const blobFileName = (key: string): string => createHash("sha256").update(key).digest("hex");

/** Values too large for an item, each in a file of the data directory. */
export class FileBlobs {
  readonly #directory: string;

  /** `dataDir` as the local engine gives it, which has made sure that it is private. */
  constructor(dataDir: string) {
    this.#directory = blobDirectory(dataDir);
  }

  /** @throws LocalEngineError when the file cannot be written. */
  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(key);
    const temporary = `${path}.${randomBytes(6).toString("hex")}.new`;
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeDurably(temporary, bytes);
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw explainFailure(this.#directory, error);
    }
  }

  /** @throws LocalEngineError when there is a file that cannot be read. */
  async get(key: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#path(key));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw explainFailure(this.#directory, error);
    }
  }

  /** @throws LocalEngineError when there is a file that cannot be deleted. */
  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true }).catch((error: unknown) => {
      throw explainFailure(this.#directory, error);
    });
  }

  #path(key: string): string {
    const name = blobFileName(key);
    return join(this.#directory, name.slice(0, 2), name);
  }
}

/** On the disk before an entry can be that points to it, so that a power failure never loses the blob and keeps the pointer. */
async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the new name survive a power failure. Windows does not open directories, and does not need it. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
