// What a process leaves of its requests in the state table: counts each minute and hour and, where that is wanted, a record of each call.
// Everything is one plain put in the background; an answer never waits for one, and a process that does nothing asks nothing.
// Knows no protocol and no route. docs/operate.md says what it costs.
import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import type { CallRecord, Happening, Observer } from "../call-record.ts";
import { type Clock, epochSeconds } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Attributes, Key, StateStore } from "../stores/state-store.ts";
import type { Background } from "./background.ts";
import { callsText, mergeRollUp, newRollUp, type RollUp, rollUpText } from "./journal-format.ts";
import { callsKey, hourKey, minuteKey } from "./keys.ts";

/** What is kept, and how it is shown. */
export interface JournalOptions {
  /** `rollup`: counts; `calls`: a record of each call too. */
  readonly mode: "rollup" | "calls";
  /** What an operator knows the process by, such as its host and number; at most 100 characters. */
  readonly label: string;
  /** Seconds after which records are written at the latest. Default 60. */
  readonly callsEverySeconds?: number;
  /** Seconds after which counts are written at the latest. Default 60. */
  readonly rollUpEverySeconds?: number;
}

/** Records that one entry holds; so many are written before their time. */
export const CALLS_PER_ENTRY = 500;
/** Records that wait for the table; more are dropped and counted. */
const WAITING_MAX = 4 * CALLS_PER_ENTRY;
export const CALLS_SECONDS = 24 * 3_600;
const MINUTES_SECONDS = 48 * 3_600;
const HOURS_SECONDS = 30 * 86_400;
/** Milliseconds that a table which does not answer may hold up the end of the process. */
const CLOSE_MS = 3_000;

/** Such as `2026-11-27T14`. */
export const hourOf = (ms: number): string => new Date(ms).toISOString().slice(0, 13);

interface Unwritten {
  readonly key: Key;
  readonly attributes: Attributes;
  readonly expiresAt: number;
  readonly id: string;
}

export interface JournalParts {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly background: Background;
  readonly version: string;
}

/** Writes the journal of one process. */
export class Journal implements Observer {
  readonly #parts: JournalParts;
  readonly #options: JournalOptions;
  readonly #process = randomBytes(6).toString("base64url");
  readonly #startedMs: number;
  /** What the journal does belongs to no call: neither to its span nor to its use of the table. */
  readonly #outside = AsyncLocalStorage.snapshot();
  #minute = newRollUp();
  #hour: { name: string; counts: RollUp } | undefined;
  #calls: CallRecord[] = [];
  #part = 0;
  #streams = 0;
  #state: "running" | "draining" | "ended" = "running";
  /** Counts whose put has failed: it is repeated as it was, since it may have been done. */
  #unwritten: Unwritten | undefined;
  #flushing: Promise<void> | undefined;
  #writingCalls: Promise<void> | undefined;
  #flushedMs: number;
  #seen = false;
  readonly #timers = new Map<"calls" | "minute" | "hour", NodeJS.Timeout>();
  #utilization = performance.eventLoopUtilization();

  constructor(parts: JournalParts, options: JournalOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#startedMs = parts.clock.now();
    this.#flushedMs = this.#startedMs;
  }

  call(call: CallRecord): void {
    const { counts, table } = this.#minute;
    counts.add(call);
    if (call.table) {
      table.requests += call.table.requests;
      table.attempts += call.table.attempts;
      table.units += call.table.units;
    }
    this.#arm("minute");
    if (this.#options.mode !== "calls") return;
    if (this.#calls.length >= WAITING_MAX) this.#minute.dropped += 1;
    else this.#calls.push(call);
    if (this.#calls.length >= CALLS_PER_ENTRY) this.#outside(() => this.#parts.background.run(this.#writeCalls()));
    else this.#arm("calls");
  }

  happened(happening: Happening): void {
    if (happening.kind === "listen") this.#streams += happening.open;
    if (happening.kind !== "refused") return;
    const { refused } = this.#minute;
    refused[happening.status] = (refused[happening.status] ?? 0) + 1;
    this.#arm("minute");
  }

  /** Writes what is there where a minute has passed. For a platform that may freeze the process after each request. */
  async settle(): Promise<void> {
    if (this.#parts.clock.now() - this.#flushedMs < 60_000) return;
    await Promise.all([this.#flush(), this.#writeCalls()]);
  }

  /** Says that the process is about to end, and writes what is there. */
  drain(): void {
    if (this.#state !== "running") return;
    this.#state = "draining";
    if (this.#seen) this.#parts.background.run(this.#flush());
  }

  /** Writes what is left, and that the process has ended. Takes three seconds at most. */
  async close(): Promise<void> {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#state = "ended";
    if (!this.#seen) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.#last(), late]).catch(() => {});
    clearTimeout(timer);
  }

  async #last(): Promise<void> {
    while (this.#calls.length > 0) await this.#writeCalls();
    await this.#flushing;
    if (this.#unwritten) await this.#flush();
    await this.#flush();
    await this.#writeHour();
  }

  #arm(what: "calls" | "minute" | "hour"): void {
    this.#seen = true;
    if (this.#timers.has(what) || this.#state === "ended") return;
    const run = () => {
      this.#timers.delete(what);
      this.#parts.background.run(
        what === "calls" ? this.#writeCalls() : what === "minute" ? this.#flush() : this.#writeHour(),
      );
    };
    this.#outside(() => this.#timers.set(what, setTimeout(run, this.#delayMs(what)).unref()));
  }

  #delayMs(what: "calls" | "minute" | "hour"): number {
    const { callsEverySeconds = 60, rollUpEverySeconds = 60 } = this.#options;
    if (what === "calls") return callsEverySeconds * 1_000;
    if (what === "minute") return rollUpEverySeconds * 1_000;
    // Behind the last minute that counts for the hour.
    return 3_600_000 - (this.#parts.clock.now() % 3_600_000) + rollUpEverySeconds * 1_000;
  }

  /** Writes the counts since the last time. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#writeMinute().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #writeMinute(): Promise<void> {
    if (!this.#unwritten) {
      const now = this.#parts.clock.now();
      this.#flushedMs = now;
      const counts = this.#minute;
      this.#minute = newRollUp();
      if (this.#hour && this.#hour.name !== hourOf(now)) await this.#writeHour().catch(() => {});
      this.#hour ??= { name: hourOf(now), counts: newRollUp() };
      mergeRollUp(this.#hour.counts, counts);
      this.#arm("hour");
      this.#unwritten = await this.#entry(minuteKey, now, counts, MINUTES_SECONDS);
    }
    const { key, attributes, ...options } = this.#unwritten;
    try {
      await this.#parts.store.create(key, attributes, options);
      this.#unwritten = undefined;
    } catch (error) {
      // What the table will never take must not stand in the way of what follows.
      if (!(error instanceof AppError) || error.code !== "unavailable") this.#unwritten = undefined;
      this.#arm("minute");
    }
  }

  async #entry(keyOf: typeof minuteKey, now: number, counts: RollUp, seconds: number): Promise<Unwritten> {
    const { clock, version } = this.#parts;
    const utilization = performance.eventLoopUtilization();
    const since = performance.eventLoopUtilization(utilization, this.#utilization);
    this.#utilization = utilization;
    this.#part += 1;
    const minute = new Date(now).toISOString().slice(14, 16);
    return {
      key: keyOf(hourOf(now), minute, this.#process, this.#part),
      attributes: {
        ...{ label: this.#options.label, version, startedMs: this.#startedMs, atMs: now, state: this.#state },
        streams: this.#streams,
        busy: Math.round(since.utilization * 100),
        rssMb: Math.round(process.memoryUsage.rss() / 1_048_576),
        data: await rollUpText(counts),
      },
      id: `${this.#process}${this.#part}`,
      expiresAt: epochSeconds(clock) + seconds,
    };
  }

  /** The copy that is kept for a month. One that the table does not take is lost; its minutes are there. */
  async #writeHour(): Promise<void> {
    const hour = this.#hour;
    if (!hour) return;
    this.#hour = undefined;
    const key = (_: string, __: string, process: string, part: number) => hourKey(hour.name, process, part);
    const {
      key: at,
      attributes,
      ...options
    } = await this.#entry(key, this.#parts.clock.now(), hour.counts, HOURS_SECONDS);
    await this.#parts.store.create(at, attributes, options);
  }

  /** Writes records, one entry at a time. */
  #writeCalls(): Promise<void> {
    this.#writingCalls ??= this.#writeSomeCalls().finally(() => {
      this.#writingCalls = undefined;
      if (this.#calls.length > 0) this.#arm("calls");
    });
    return this.#writingCalls;
  }

  async #writeSomeCalls(): Promise<void> {
    const { store, clock } = this.#parts;
    do {
      const calls = this.#calls.splice(0, CALLS_PER_ENTRY);
      if (calls.length === 0) return;
      const now = clock.now();
      this.#part += 1;
      const key = callsKey(hourOf(now), now, this.#process, this.#part);
      const attributes = { label: this.#options.label, count: calls.length, data: await callsText(calls) };
      const options = { id: `${this.#process}${this.#part}`, expiresAt: epochSeconds(clock) + CALLS_SECONDS };
      await store.create(key, attributes, options).catch(() => {
        this.#minute.dropped += calls.length;
      });
    } while (this.#calls.length >= CALLS_PER_ENTRY);
  }
}
