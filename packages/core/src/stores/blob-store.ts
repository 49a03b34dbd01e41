// The contract for bytes that are too large for an entry. Knows no entries and no meaning.

/**
 * Keys are given by the caller: at most 200 letters, digits, `-`, `_` and `/`, each used for one `put` of one content.
 * Every method throws when the store cannot be used: `AppError("unavailable")`, or an error whose message a caller may see.
 */
export interface BlobStore {
  /** Resolves when the bytes are durable, whole and readable by everybody. A repeat with the same bytes is harmless. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Undefined: there is no such blob. The bytes are as they were found: the caller checks them. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Also resolves when there is no such blob. */
  delete(key: string): Promise<void>;
}
