// What stands beside a task's head, each part under a key of its own: its call, its questions, their answers, its steps, a large
// outcome. A part never changes: what comes first stands, so that two runs of one task cannot disagree about it.
import type { Key, StateStore } from "../stores/state-store.ts";
import type { Blobs } from "./blobs.ts";

export class TaskParts {
  readonly #store: StateStore;
  readonly #blobs: Blobs;

  constructor(store: StateStore, blobs: Blobs) {
    this.#store = store;
    this.#blobs = blobs;
  }

  /** Puts JSON text where none stands. Resolves to what stands. @throws AppError `too_large`. */
  async put(key: Key, attribute: string, text: string, options: { id: string; expiresAt: number }): Promise<string> {
    const placed = await this.#blobs.prepare(key.pk, attribute, text);
    const put = await this.#store.create(key, placed.attributes, options);
    if (put.written && !put.repeated) return text;
    const standing = put.written ? put.entry : put.current;
    this.#blobs.deleteUnreferenced(standing, placed);
    return (standing && (await this.#blobs.read(standing, attribute, WHAT))?.text) ?? text;
  }

  /** The text of a part; undefined when there is none. */
  async read(key: Key, attribute: string): Promise<string | undefined> {
    const entry = await this.#store.get(key);
    return entry && (await this.#blobs.read(entry, attribute, WHAT))?.text;
  }
}

/** Begins the sentence of an error. */
const WHAT = "A part of the task";
