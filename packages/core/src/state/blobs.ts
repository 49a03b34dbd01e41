// Text of any size in an entry: up to the item bound in the attribute itself, above it in a blob that the attribute points to.
// Knows attributes and blobs, not what the text means.
//
//   blob is put ──▶ conditional write makes the entry point to it ──▶ blobs that the entry no longer points to are deleted
//
// A blob's key is random and never used again, so a pointer and its bytes belong together. A crash in between leaves a blob
// that no entry points to, which the blob store's own housekeeping removes; it never leaves a pointer to nothing.
import { createHash } from "node:crypto";
import { AppError, StateUnavailable } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { BlobStore } from "../stores/blob-store.ts";
import type { Attributes, Entry, StateStore } from "../stores/state-store.ts";
import { byteLength } from "../text.ts";
import { newBlobKey } from "./keys.ts";

/** No JSON text begins with this. What follows it is the blob's key. */
const POINTER = "@";
/**
 * `blob:<key>` holds a blob's byte length and SHA-256. It stays when the entry is overwritten or buried, until the blob is
 * deleted: so every answer to a write shows what is left over, without a read before it, also after a crash.
 */
const BLOB = "blob:";
const READS_MAX = 10;

/** What an entry says of an attribute's text without fetching it: its UTF-8 bytes, and the text itself where it is in the entry. */
export function textAtHand(entry: Entry, attribute: string): { bytes: number; text?: string } {
  const stored = String(entry.attributes[attribute]);
  if (!stored.startsWith(POINTER)) return { bytes: byteLength(stored), text: stored };
  return { bytes: Number.parseInt(String(entry.attributes[BLOB + stored.slice(POINTER.length)]), 10) };
}

/** What to set in an entry so that it holds a text. */
export interface Placed {
  readonly attributes: Attributes;
  /** Of the blob that has been put for it. */
  readonly blobKey?: string;
}

export interface BlobsOptions {
  store: StateStore;
  /** Without one, text over the item bound is refused. */
  blobStore: BlobStore | undefined;
  limits: Limits;
  inBackground: (work: Promise<unknown>) => void;
}

export class Blobs {
  readonly #store: StateStore;
  readonly #blobStore: BlobStore | undefined;
  readonly #limits: Limits;
  readonly #inBackground: (work: Promise<unknown>) => void;

  constructor(options: BlobsOptions) {
    this.#store = options.store;
    this.#blobStore = options.blobStore;
    this.#limits = options.limits;
    this.#inBackground = options.inBackground;
  }

  /**
   * Makes JSON text ready for an attribute of an entry in this partition. Call `deleteUnreferenced` when the entry's write has been answered.
   * @throws AppError `too_large`; `unavailable` when it needs a blob and cannot have one.
   */
  async prepare(pk: string, attribute: string, text: string): Promise<Placed> {
    const { valueMaxBytes, blobMaxBytes } = this.#limits;
    const bytes = byteLength(text);
    if (bytes <= valueMaxBytes) return { attributes: { [attribute]: text } };
    const blobStore = this.#blobStore;
    const limit = blobStore ? blobMaxBytes : valueMaxBytes;
    if (!blobStore || bytes > limit) {
      const remedy = blobStore ? "" : " For larger ones the server's operator can set STATEFUL_MCP_BLOB_BUCKET.";
      throw new AppError(
        "too_large",
        `${attribute} has ${bytes} bytes as JSON; the limit is ${limit}. Store it in parts.${remedy}`,
      );
    }
    const content = Buffer.from(text);
    const blobKey = newBlobKey(attribute, pk);
    await usable(blobStore.put(blobKey, content));
    return {
      attributes: { [attribute]: POINTER + blobKey, [BLOB + blobKey]: `${content.length} ${sha256(content)}` },
      blobKey,
    };
  }

  /**
   * The text of an entry's attribute, with the entry it was found in: a later one, when this one has been overwritten since.
   * Undefined when there is none any more. `what` begins the sentence of an error.
   * @throws AppError `internal` when the text is missing or damaged, `unavailable` when it cannot be fetched.
   */
  async read(seen: Entry, attribute: string, what: string): Promise<{ entry: Entry; text: string } | undefined> {
    let entry: Entry | undefined = seen;
    for (let reads = 0; entry && reads < READS_MAX; reads++) {
      const stored: string = String(entry.attributes[attribute]);
      if (!stored.startsWith(POINTER)) return { entry, text: stored };
      const blobKey = stored.slice(POINTER.length);
      const content = await this.#fetch(blobKey);
      const found = content ? `${content.length} ${sha256(content)}` : "";
      if (content && found === entry.attributes[BLOB + blobKey]) return { entry, text: content.toString() };
      // The write that replaces or deletes the entry deletes the blob: only an entry that still points to it is broken.
      const current: Entry | undefined = await this.#store.get(entry.key);
      if (current?.attributes[attribute] === stored) throw broken(what, entry, content ? "damaged" : "missing");
      entry = current;
    }
    if (!entry) return undefined;
    throw new AppError("unavailable", `${what} is being changed too often to be read. Try again.`, {
      retryAfterSeconds: 1,
    });
  }

  /**
   * Deletes on the side what a write has left over. `entry` is what stands there after it, applied or not. Only for a write whose
   * outcome is known and final: while it may still arrive, its blob has to stay.
   */
  deleteUnreferenced(entry: Entry | undefined, placed?: Placed): void {
    const leftOver = entry ? blobKeysOf(entry).filter((key) => !pointsTo(entry, key)) : [];
    const attributes = leftOver.map((key) => BLOB + key);
    const unused = placed?.blobKey;
    if (unused !== undefined && !(entry && blobKeysOf(entry).includes(unused))) leftOver.push(unused);
    if (leftOver.length === 0) return;
    const work = async () => {
      await Promise.all(leftOver.map((key) => this.#delete(key)));
      // A tombstone goes by itself, and with it what it says about its blobs.
      if (entry && !entry.dead && attributes.length > 0)
        await this.#store.update(entry.key, { remove: attributes, versions: 0 }, { on: "live" });
    };
    this.#inBackground(work());
  }

  /** Deletes all blobs of an entry that has been removed. */
  async deleteAll(removed: Entry): Promise<void> {
    await Promise.all(blobKeysOf(removed).map((key) => this.#delete(key)));
  }

  /** A failure is left to the blob store's housekeeping: an entry that kept track of it could grow without bound. */
  async #delete(key: string): Promise<void> {
    await this.#blobStore?.delete(key).catch(() => {});
  }

  async #fetch(key: string): Promise<Buffer | undefined> {
    if (!this.#blobStore)
      throw new AppError(
        "unavailable",
        "This is kept in a blob store, and the server has none: its operator must set STATEFUL_MCP_BLOB_BUCKET as it was.",
      );
    const bytes = await usable(this.#blobStore.get(key));
    return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

const blobKeysOf = (entry: Entry): string[] =>
  Object.keys(entry.attributes).flatMap((name) => (name.startsWith(BLOB) ? [name.slice(BLOB.length)] : []));

const pointsTo = (entry: Entry, key: string): boolean => Object.values(entry.attributes).includes(POINTER + key);

const sha256 = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

function broken(what: string, entry: Entry, how: "damaged" | "missing"): AppError {
  return new AppError(
    "internal",
    `${what} cannot be read: its stored bytes are ${how}. Store it again, or delete it. (Version ${entry.version}.)`,
    { details: { current_version: entry.version } },
  );
}

async function usable<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof AppError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new StateUnavailable(`Large values cannot be stored or read right now. ${reason}`, {
      cause: error,
      retryAfterSeconds: 1,
    });
  }
}
