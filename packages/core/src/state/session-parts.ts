// What sessions are made of, put together once per app: their items, notes and values, over one store.
import type { Clock } from "../clock.ts";
import type { Limits } from "../limits.ts";
import type { StateStore } from "../stores/state-store.ts";
import type { Background } from "./background.ts";
import type { Blobs } from "./blobs.ts";
import type { Crowd } from "./crowd.ts";
import { EntryWriter, type EntryWriterOptions } from "./entry-writer.ts";
import { DenseLog } from "./log.ts";
import { Notes } from "./notes.ts";
import { type SearchPage, searchSessions } from "./search.ts";
import { type SessionSettings, Sessions } from "./sessions.ts";
import { sweepSession } from "./sweep.ts";
import { ValueRoom } from "./value-room.ts";
import { Values } from "./values.ts";

/** On top of the longest a call may take: retries under way and clocks that differ. */
const SWEEP_MARGIN_MS = 60_000;

export interface SessionPartsOptions {
  store: StateStore;
  blobs: Blobs;
  clock: Clock;
  limits: Limits;
  settings: SessionSettings & { defaultSession?: string | undefined; localSession?: string };
  /** Slots of calls that are complete, which an entry may forget. */
  completedSlots: NonNullable<EntryWriterOptions["completedSlots"]>;
  background: Background;
  crowd: Crowd;
}

export class SessionParts {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly settings: SessionPartsOptions["settings"];
  readonly crowd: Crowd;
  readonly writer: EntryWriter;
  readonly log: DenseLog;
  readonly sessions: Sessions;
  readonly notes: Notes;
  readonly values: Values;
  readonly #options: SessionPartsOptions;

  constructor(options: SessionPartsOptions) {
    const { store, blobs, clock, limits, settings, completedSlots } = options;
    this.#options = options;
    this.clock = clock;
    this.limits = limits;
    this.settings = settings;
    this.crowd = options.crowd;
    this.writer = new EntryWriter({ store, clock, completedSlots });
    this.log = new DenseLog(store);
    const maxPerPrincipal = limits.sessionsPerPrincipal;
    this.sessions = new Sessions({ store, writer: this.writer, clock, settings, maxPerPrincipal });
    this.notes = new Notes({ store, log: this.log, writer: this.writer, clock, limits });
    const room = new ValueRoom(store, limits.valuesPerSession);
    this.values = new Values({ store, blobs, writer: this.writer, clock, room });
  }

  /** Looks for text in these sessions. */
  search(
    ...given: Parameters<typeof searchSessions> extends [unknown, ...infer Rest] ? Rest : never
  ): Promise<SearchPage> {
    return searchSessions(this.#options.store, ...given);
  }

  /**
   * Removes a generation's entries once no writer can still be adding to it: an append in flight that found its log half swept
   * would count from the beginning again. A process that ends earlier leaves them to TTL.
   */
  sweepLater(owner: string, session: string, generation: string): void {
    const { background, limits } = this.#options;
    background.runLater(limits.callTimeoutMs + SWEEP_MARGIN_MS, () =>
      sweepSession(this.#options, owner, session, generation),
    );
  }
}
