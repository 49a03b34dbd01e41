// Lets what no live session reaches after a reset or a delete expire soon. Best effort: such entries are invisible anyway, and
// where sessions end, they expire with their session too. It deletes nothing itself: a call that began before the reset and
// still writes must find the log's end and the numbers it adds to, or it would be answered as if there had been none.
import { type Clock, epochSeconds } from "../clock.ts";
import type { StateStore } from "../stores/state-store.ts";
import { notesPrefix, sessionPartition, valuesPrefix } from "./keys.ts";

/** Longer than any call takes. */
const LINGER_SECONDS = 3600;
const PAGE_ENTRIES = 100;
/** Per sweep; the rest is left to the session's end, so that one reset cannot keep a process busy. */
const ENTRIES_MAX = 200_000;
const PARALLEL = 8;

export async function sweepSession(
  { store, clock }: { store: StateStore; clock: Clock },
  owner: string,
  session: string,
  generation: string,
): Promise<void> {
  const pk = sessionPartition(owner, session);
  const expiresAt = epochSeconds(clock) + LINGER_SECONDS;
  let swept = 0;
  for (const prefix of [notesPrefix(generation), valuesPrefix(generation)]) {
    let after: string | undefined;
    do {
      const page = await store.list(pk, { prefix, limit: PAGE_ENTRIES, ...(after && { after }) });
      const lasting = page.entries.filter((entry) => entry.expiresAt === undefined || entry.expiresAt > expiresAt);
      for (let i = 0; i < lasting.length; i += PARALLEL)
        await Promise.all(
          lasting
            .slice(i, i + PARALLEL)
            .map((entry) => store.update(entry.key, { expiresAt, versions: 0 }, { on: "live" })),
        );
      swept += page.entries.length;
      after = page.next;
    } while (after && swept < ENTRIES_MAX);
  }
}
