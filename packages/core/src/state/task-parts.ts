// What stands beside a task's head, each part under a key of its own: its call, its questions, their answers, its steps, a large
// outcome. A part never changes: what comes first stands, so that two runs of one task cannot disagree about it.
import type { Attributes, Key, StateStore } from "../stores/state-store.ts";
import type { Blobs } from "./blobs.ts";

/** The run that has kept a step. */
export interface StepMaker {
  /** 0: none has. */
  readonly fence: number;
  /** Which attempt it was. */
  readonly attempts: number;
}

const PAGE = 100;

export class TaskParts {
  readonly #store: StateStore;
  readonly #blobs: Blobs;

  constructor(store: StateStore, blobs: Blobs) {
    this.#store = store;
    this.#blobs = blobs;
  }

  /** Puts JSON text, and some attributes beside it, where none stands. Resolves to the text that stands. @throws AppError `too_large`. */
  async put(
    key: Key,
    attribute: string,
    text: string,
    { beside, ...options }: { id: string; expiresAt: number; beside?: Attributes },
  ): Promise<string> {
    const placed = await this.#blobs.prepare(key.pk, attribute, text);
    const put = await this.#store.create(key, { ...placed.attributes, ...beside }, options);
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

  /** Which run has kept the last of the steps whose keys begin so. Reads all of them. */
  async lastStep({ pk, sk: prefix }: Key): Promise<StepMaker> {
    let last = { fence: 0, attempts: 0 };
    let after: string | undefined;
    do {
      const page = await this.#store.list(pk, { prefix, limit: PAGE, ...(after !== undefined && { after }) });
      for (const { attributes } of page.entries) {
        const fence = Number(attributes.fence ?? 0);
        if (fence > last.fence) last = { fence, attempts: Number(attributes.attempts) };
      }
      after = page.next;
    } while (after !== undefined);
    return last;
  }
}

/** Begins the sentence of an error. */
const WHAT = "A part of the task";
