// The messages of a 2025-era stream, kept so that a client whose connection broke reads on elsewhere: a dense log per stream, so
// that nothing is missing and nothing comes twice. Knows no HTTP.
import { type Clock, epochSeconds } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import { eventPartsPartition, eventsPartition, sequenceText } from "../../state/keys.ts";
import { DenseLog, type LogPlace, sequenceOf } from "../../state/log.ts";
import { mintGeneration } from "../../state/sessions.ts";
import type { Attributes, Entry, Key, StateStore } from "../../stores/state-store.ts";

/** UTF-16 units per part: at most 48 KB as UTF-8, so that a part stays under an entry's bound. */
const PART_UNITS = 16_000;
const EVENTS_PER_STREAM = 1_000_000_000;
/** A client that has been away for longer makes its call again. */
const CALL_STREAM_SECONDS = 3600;
const PAGE = 50;
/**
 * How much of a session's own stream stays to go on from: at one change a second a quarter of an hour, which is longer than
 * clients try to come back. What a resource says now is read from the resource, so older news is worth nothing.
 */
const KEPT = 1000;
/** Seldom, so that an event costs one removal and no search for what to remove. */
const TRIM_EVERY = 100;

export interface StreamEvent {
  readonly sequence: number;
  /** The JSON-RPC message as JSON text. */
  readonly message: string;
}

/** One session's stream. */
export interface StreamPlace {
  readonly principal: string;
  readonly session: string;
  readonly stream: string;
  /**
   * Epoch seconds: the session's hard end for a stream that is appended to as long as the session lives, so that its numbering
   * cannot begin again; its last 1,000 events are kept. Undefined for a stream that ends with its call: all of it is kept, each
   * event for an hour.
   */
  readonly expiresAt?: number | undefined;
}

export class EventLog {
  readonly #store: StateStore;
  readonly #log: DenseLog;
  readonly #clock: Clock;
  readonly #inBackground: (work: Promise<unknown>) => void;

  constructor(store: StateStore, clock: Clock, inBackground: (work: Promise<unknown>) => void) {
    this.#store = store;
    this.#log = new DenseLog(store);
    this.#clock = clock;
    this.#inBackground = inBackground;
  }

  /**
   * Appends a message; resolves to its sequence. A large one is laid down in parts first, then becomes visible as one event.
   * An append that stalls while 1,000 others are made to a lasting stream may come twice.
   */
  async append(stream: StreamPlace, message: string): Promise<number> {
    const id = mintGeneration();
    const expiresAt = stream.expiresAt ?? epochSeconds(this.#clock) + CALL_STREAM_SECONDS;
    const parts = message.length <= PART_UNITS ? 0 : Math.ceil(message.length / PART_UNITS);
    const attributes: Attributes = parts === 0 ? { message } : { parts, id };
    for (const [part, key] of partKeys(stream, attributes).entries()) {
      // Parts are kept as JSON strings: one may end inside a surrogate pair, which alone is no valid text.
      const text = JSON.stringify(message.slice(part * PART_UNITS, (part + 1) * PART_UNITS));
      await this.#store.create(key, { text }, { id: `${id}.${part}`, expiresAt });
    }
    const options = { id, expiresAt, maxEntries: EVENTS_PER_STREAM };
    const sequence = await this.#log.append(placeOf(stream), attributes, options);
    if (stream.expiresAt === undefined) return sequence;
    if (sequence > KEPT && sequence % TRIM_EVERY === 0) this.#inBackground(this.#trim(stream, sequence - KEPT));
    if ((await this.tail(stream)) - sequence < KEPT) return sequence;
    // A position that has been trimmed looks free to a process that remembers an old tail, and no reader goes there any more.
    return this.append(stream, message);
  }

  /** The last sequence in the stream. */
  tail(stream: StreamPlace): Promise<number> {
    return this.#log.tail(placeOf(stream));
  }

  /**
   * The first read of a client that comes back after an event it has seen.
   * @throws AppError `not_found` also when that event is gone and nothing came after it: whether something did is not known.
   */
  async resume(stream: StreamPlace, after: number): Promise<StreamEvent[]> {
    const events = await this.read(stream, after);
    if (after > 0 && events.length === 0 && (await this.tail(stream)) < after) throw cannotResume();
    return events;
  }

  /**
   * Up to 50 events after a sequence, in order.
   * @throws AppError `not_found` when events after it have been removed: to go on would hide a gap.
   */
  async read(stream: StreamPlace, after: number): Promise<StreamEvent[]> {
    const place = placeOf(stream);
    const page = await this.#log.read(place, { after, limit: PAGE });
    // A page of nothing but expired events.
    if (page.entries.length === 0 && page.more) throw cannotResume();
    // So far behind, what stands at a position need not be what stood there first.
    if (stream.expiresAt !== undefined && page.more && (await this.tail(stream)) - after > KEPT) throw cannotResume();
    const events: StreamEvent[] = [];
    for (const entry of page.entries) {
      const sequence = sequenceOf(place, entry);
      if (sequence !== after + events.length + 1) throw cannotResume();
      events.push({ sequence, message: await this.#messageOf(stream, entry) });
    }
    return events;
  }

  /** Removes events up to a sequence, also those that an earlier trimming should have removed. Never the newest. */
  async #trim(stream: StreamPlace, upTo: number): Promise<void> {
    const place = placeOf(stream);
    for (;;) {
      const page = await this.#log.read(place, { limit: PAGE });
      const old = page.entries.filter((entry) => sequenceOf(place, entry) <= upTo);
      for (const entry of old) {
        // Before the event that leads to them.
        for (const key of partKeys(stream, entry.attributes)) await this.#store.delete(key);
        await this.#store.delete(entry.key);
      }
      if (old.length < PAGE) return;
    }
  }

  async #messageOf(stream: StreamPlace, entry: Entry): Promise<string> {
    const { message } = entry.attributes;
    if (message !== undefined) return String(message);
    const texts: string[] = [];
    for (const key of partKeys(stream, entry.attributes)) {
      const found = await this.#store.get(key);
      if (!found) throw cannotResume();
      texts.push(JSON.parse(String(found.attributes.text)) as string);
    }
    return texts.join("");
  }
}

export const cannotResume = (): AppError =>
  new AppError(
    "not_found",
    "This stream cannot be resumed: what came after the given event is no longer kept. Start a new one.",
  );

const placeOf = ({ principal, session, stream }: StreamPlace): LogPlace => ({
  pk: eventsPartition(principal, session, stream),
  prefix: "",
});
/** Where the parts of an event's message stand; none for one that is whole. */
function partKeys({ principal, session, stream }: StreamPlace, { id, parts }: Attributes): Key[] {
  const pk = eventPartsPartition(principal, session, stream);
  return Array.from({ length: Number(parts ?? 0) }, (_, part) => ({ pk, sk: `${id}#${sequenceText(part)}` }));
}
