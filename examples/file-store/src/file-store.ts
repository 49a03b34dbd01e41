// A state store of one's own: a journal. Every write that takes effect is a line in a file, on disk before it is acknowledged; at
// the start the lines are played back into a MemoryStore, which knows the rules. For one process; the file only grows.
import { type FileHandle, open } from "node:fs/promises";
import {
  AppError,
  type Attributes,
  type Change,
  type Clock,
  type CreateOptions,
  type CreateResult,
  type Entry,
  type Key,
  type ListOptions,
  MemoryStore,
  type Page,
  type StateStore,
  systemClock,
  type UpdateOptions,
  type UpdateResult,
} from "@stateful-mcp/core";

/** What was written, and when: expiry is a matter of the clock, so playing back needs the time of the write. */
type Line = { readonly at: number } & (
  | { readonly create: [Key, Attributes, CreateOptions] }
  | { readonly update: [Key, Change, UpdateOptions] }
  | { readonly delete: [Key] }
);
type Write = Line extends infer L ? (L extends Line ? Omit<L, "at"> : never) : never;

export class FileStore implements StateStore {
  readonly #memory: MemoryStore;
  readonly #journal: FileHandle;
  readonly #time: PlayableClock;
  /** The end of the last write: one follows the other, and readers see nothing that may still be lost. */
  #last: Promise<unknown> = Promise.resolve();
  #broken: unknown;

  private constructor(memory: MemoryStore, journal: FileHandle, time: PlayableClock) {
    this.#memory = memory;
    this.#journal = journal;
    this.#time = time;
  }

  /** Plays the journal back. A last line without its end was being written when the process died, unacknowledged: it is cut off. */
  static async open(path: string, clock: Clock = systemClock): Promise<FileStore> {
    const journal = await open(path, "a+");
    const time = new PlayableClock(clock);
    const memory = new MemoryStore({ clock: time });
    const text = await journal.readFile("utf8");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    await journal.truncate(Buffer.byteLength(whole));
    for (const line of whole.split("\n").slice(0, -1)) {
      const { at, ...write } = JSON.parse(line) as Line;
      time.playedMs = at;
      await apply(memory, write as Write);
    }
    time.playedMs = undefined;
    return new FileStore(memory, journal, time);
  }

  get(key: Key): Promise<Entry | undefined> {
    return this.#inTurn(() => this.#memory.get(key));
  }

  getMany(keys: readonly Key[]): Promise<readonly (Entry | undefined)[]> {
    return this.#inTurn(() => this.#memory.getMany(keys));
  }

  list(pk: string, options: ListOptions): Promise<Page> {
    return this.#inTurn(() => this.#memory.list(pk, options));
  }

  create(key: Key, attributes: Attributes, options: CreateOptions): Promise<CreateResult> {
    return this.#inTurn(async () => {
      const result = await this.#memory.create(key, attributes, options);
      if (result.written && !result.repeated) await this.#record({ create: [key, attributes, options] });
      return result;
    });
  }

  update(key: Key, change: Change, options: UpdateOptions): Promise<UpdateResult> {
    return this.#inTurn(async () => {
      const result = await this.#memory.update(key, change, options);
      if (result.applied && !result.repeated) await this.#record({ update: [key, change, options] });
      return result;
    });
  }

  delete(key: Key): Promise<boolean> {
    return this.#inTurn(async () => {
      const deleted = await this.#memory.delete(key);
      if (deleted) await this.#record({ delete: [key] });
      return deleted;
    });
  }

  ping(): Promise<void> {
    return this.#inTurn(async () => {});
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#journal.close();
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => {
      if (this.#broken === undefined) return step();
      throw new AppError("unavailable", "The journal cannot be written; start the process again.", {
        cause: this.#broken,
      });
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** After a failure memory is ahead of the file, so that nothing more may be answered from it. */
  async #record(write: Write): Promise<void> {
    try {
      await this.#journal.appendFile(`${JSON.stringify({ at: this.#time.now(), ...write })}\n`);
      await this.#journal.datasync();
    } catch (error) {
      this.#broken = error;
      throw new AppError("unavailable", "The journal could not be written.", { cause: error });
    }
  }
}

function apply(memory: MemoryStore, write: Write): Promise<unknown> {
  if ("create" in write) return memory.create(...write.create);
  if ("update" in write) return memory.update(...write.update);
  return memory.delete(...write.delete);
}

/** The given clock, except while the journal is played back. */
class PlayableClock implements Clock {
  playedMs: number | undefined;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.playedMs ?? this.#clock.now();
  }
}
