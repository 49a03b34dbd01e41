// The list of tasks that have not ended: how orphans are found without an index or a scan, and how an owner's open tasks are counted.
// An entry stands from before its task is made until after it has ended. Knows nothing of what a task is.
import { LRUCache } from "lru-cache";
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { StateStore } from "../stores/state-store.ts";
import { atMost } from "./bounded.ts";
import { openTaskKey, openTaskOf, openTaskPrefix, openTasksPartition, TASK_LOOK_KEY } from "./keys.ts";
import type { TaskRef } from "./task-head.ts";

/** Of the room that was counted, an instance uses this share before it counts again: so many instances overrun no limit together. */
const ROOM_SHARES = 16;
const ROOM_MS = 60_000;
const ROOMS_MAX = 10_000;

export interface OpenTask extends TaskRef {
  readonly tool: string;
  readonly createdMs: number;
}

export class OpenTasks {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #maxPerOwner: number;
  readonly #room = new LRUCache<string, number>({ ...atMost(ROOMS_MAX), ttl: ROOM_MS });

  constructor(store: StateStore, clock: Clock, maxPerOwner: number) {
    this.#store = store;
    this.#clock = clock;
    this.#maxPerOwner = maxPerOwner;
  }

  async add(ref: TaskRef, { tool, createdMs, expiresAt }: Omit<OpenTask, keyof TaskRef> & { expiresAt: number }) {
    await this.#store.create(openTaskKey(ref.owner, ref.id), { tool, createdMs }, { id: ref.id, expiresAt });
  }

  async remove(ref: TaskRef): Promise<void> {
    await this.#store.delete(openTaskKey(ref.owner, ref.id));
  }

  /** A page of everybody's open tasks. */
  async list(shard: number, options: { after?: string | undefined; limit: number }) {
    const { after, limit } = options;
    const page = await this.#store.list(openTasksPartition(shard), { limit, ...(after !== undefined && { after }) });
    const open = page.entries.map(
      ({ key, attributes }): OpenTask => ({
        ...openTaskOf(key),
        tool: String(attributes.tool),
        createdMs: Number(attributes.createdMs),
      }),
    );
    return { open, next: page.next };
  }

  /** @throws AppError `conflict` when the owner has its limit of open tasks. */
  async checkRoom({ owner, id }: TaskRef): Promise<void> {
    const known = this.#room.get(owner) ?? 0;
    if (known > 0) {
      this.#room.set(owner, known - 1, { noUpdateTTL: true });
      return;
    }
    const max = this.#maxPerOwner;
    const { pk, prefix } = openTaskPrefix(owner);
    const { entries } = await this.#store.list(pk, { prefix, limit: max });
    const room = max - entries.length;
    if (room > 0) {
      this.#room.set(owner, Math.floor(room / ROOM_SHARES));
      return;
    }
    // A call that is made again may be the one that took the last place.
    if (entries.some(({ key }) => openTaskOf(key).id === id)) return;
    const message = `You have ${max} tasks that have not ended, which is the limit. Wait for one, or cancel one.`;
    // Not the answer of an idempotency key: the same call may be made again once there is room.
    throw new AppError("conflict", message, { details: { limit: max }, beforeEffect: true });
  }

  /**
   * Begins a look through the list, for all processes, unless one has begun within so many milliseconds. Undefined: look; otherwise
   * how many open tasks the last look found. A look that has not ended counts as having found one, so that the others go on looking.
   */
  async beginLook(everyMs: number): Promise<number | undefined> {
    const now = this.#clock.now();
    const last = await this.#store.get(TASK_LOOK_KEY);
    const found = Number(last?.attributes.open ?? 1);
    if (last && Number(last.attributes.atMs) + everyMs > now) return found;
    const condition = last
      ? ({ on: "live", match: { atMs: Number(last.attributes.atMs) } } as const)
      : ({ on: "live-or-missing", version: 0 } as const);
    const { applied } = await this.#store.update(TASK_LOOK_KEY, { set: { atMs: now, open: 1 } }, condition);
    return applied ? undefined : found;
  }

  async endLook(open: number): Promise<void> {
    await this.#store.update(TASK_LOOK_KEY, { set: { open }, versions: 0 }, { on: "live" });
  }
}
