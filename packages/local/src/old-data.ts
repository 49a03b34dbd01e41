// Reads the data directory of a version that kept state in an embedded DynamoDB engine. Changes nothing in it.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { call, isNamed } from "./call.ts";
import { connectLocalEngine } from "./connect.ts";

type Value = { readonly S?: string; readonly N?: string; readonly BOOL?: boolean };

export interface OldEntry {
  /** As the table held it. */
  readonly item: Readonly<Record<string, Value>>;
  /** The large values it points to, by their keys. */
  readonly blobs: readonly (readonly [string, Uint8Array])[];
}

/** How the table named the attribute that holds a large value's key. */
const BLOB_FIELD = "a.blob:";

export async function* readOldEntries(dataDir: string, table: string): AsyncGenerator<OldEntry> {
  const engine = await connectLocalEngine({ dataDir, tables: [] });
  try {
    let last: Record<string, Value> | undefined;
    do {
      const page: { Items: Record<string, Value>[]; LastEvaluatedKey?: Record<string, Value> } = await call(
        () => connectSocket(engine.socketPath),
        "Scan",
        { TableName: table, ...(last && { ExclusiveStartKey: last }) },
      );
      for (const item of page.Items) {
        const keys = Object.keys(item).flatMap((name) =>
          name.startsWith(BLOB_FIELD) ? [name.slice(BLOB_FIELD.length)] : [],
        );
        const read = await Promise.all(keys.map(async (key) => [key, await readOldBlob(engine.dataDir, key)] as const));
        yield { item, blobs: read.flatMap(([key, bytes]) => (bytes ? [[key, bytes] as const] : [])) };
      }
      last = page.LastEvaluatedKey;
    } while (last);
  } catch (error) {
    // An engine that was only used for the item tools.
    if (!isNamed(error, "ResourceNotFoundException")) throw error;
  } finally {
    await engine.close();
  }
}

/** Each was a file named after its key; undefined when there is none, as after a crash of the old version. */
async function readOldBlob(dataDir: string, key: string): Promise<Uint8Array | undefined> {
  const name = createHash("sha256").update(key).digest("hex");
  try {
    return await readFile(join(dataDir, "engine", "blobs", name.slice(0, 2), name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
