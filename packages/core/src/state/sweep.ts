// Removes what no live session reaches after a reset or a delete. Best effort: such entries are invisible anyway, and where
// sessions end, DynamoDB's TTL removes them too.
import type { StateStore } from "../stores/state-store.ts";
import type { Blobs } from "./blobs.ts";
import { deletedNotesPrefix, notesPrefix, sessionPartition, valuesPrefix } from "./keys.ts";

const PAGE_ENTRIES = 100;
/** Per sweep; the rest is left to TTL, so that one reset cannot keep a process busy. */
const ENTRIES_MAX = 200_000;
const PARALLEL = 8;

export async function sweepSession(
  { store, blobs }: { store: StateStore; blobs: Blobs },
  owner: string,
  session: string,
  generation: string,
): Promise<void> {
  const pk = sessionPartition(owner, session);
  let removed = 0;
  for (const prefix of [notesPrefix(generation), deletedNotesPrefix(generation), valuesPrefix(generation)]) {
    let after: string | undefined;
    do {
      const page = await store.list(pk, { prefix, limit: PAGE_ENTRIES, ...(after && { after }) });
      for (let i = 0; i < page.entries.length; i += PARALLEL)
        await Promise.all(
          page.entries.slice(i, i + PARALLEL).map(async (entry) => {
            await store.delete(entry.key);
            await blobs.deleteAll(entry);
          }),
        );
      removed += page.entries.length;
      after = page.next;
    } while (after && removed < ENTRIES_MAX);
  }
}
