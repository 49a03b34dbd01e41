// How many values a session may still take. Counting reads all of them, so it is done only after many new keys: a session of ordinary
// size is never counted, and several processes may together overrun the limit by what each has not counted yet.
import { LRUCache } from "lru-cache";
import { AppError } from "../errors.ts";
import type { StateStore } from "../stores/state-store.ts";
import { atMost } from "./bounded.ts";
import { sessionPartition, valueKey, valuesPrefix } from "./keys.ts";
import type { Session } from "./sessions.ts";

/** So many keys may be new to a session before its values are counted. */
const UNCOUNTED_MAX = 1_000;
const COUNT_PAGE = 1_000;
const ROOMS_MAX = 10_000;

export class ValueRoom {
  readonly #store: StateStore;
  readonly #max: number;
  /** How many new keys a session may still take before its values are counted. */
  readonly #left = new LRUCache<string, number>(atMost(ROOMS_MAX));

  constructor(store: StateStore, maxPerSession: number) {
    this.#store = store;
    this.#max = maxPerSession;
  }

  /** @throws AppError `too_large` for a new key in a session that has its limit of values. */
  async check(owner: string, session: Session, key: string): Promise<void> {
    const id = idOf(owner, session);
    if ((this.#left.get(id) ?? 1) > 0) return;
    const room = this.#max - (await this.#count(owner, session));
    this.#left.set(id, Math.min(room, UNCOUNTED_MAX));
    if (room > 0 || (await this.#store.get(valueKey(owner, session.id, session.generation, key)))) return;
    throw new AppError(
      "too_large",
      `This session holds its limit of ${this.#max} values. Delete some with delete_value, or use another session.`,
    );
  }

  /** To be told of each write, with the version it gave: a first one is of a new key. */
  stored(owner: string, session: Session, version: number): void {
    if (version !== 1) return;
    const id = idOf(owner, session);
    this.#left.set(id, (this.#left.get(id) ?? Math.min(this.#max, UNCOUNTED_MAX)) - 1);
  }

  /** At most a page more than the limit. */
  async #count(owner: string, { id, generation }: Session): Promise<number> {
    let count = 0;
    let after: string | undefined;
    do {
      const options = { prefix: valuesPrefix(generation), limit: COUNT_PAGE, ...(after && { after }) };
      const page = await this.#store.list(sessionPartition(owner, id), options);
      count += page.entries.length;
      after = page.next;
    } while (after && count < this.#max);
    return count;
  }
}

const idOf = (owner: string, { id, generation }: Session): string => JSON.stringify([owner, id, generation]);
