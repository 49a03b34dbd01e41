// Reads what the processes of a deployment have left in the journal: single calls, how well it goes, and which processes there are.
// For an operator, who may see who has called. Knows no route and no terminal.
import { type CallCounts, CallCounts as Counts, countOf } from "../call-counts.ts";
import { DURATION_BOUNDS_SECONDS, hasFailed } from "../call-record.ts";
import type { Clock } from "../clock.ts";
import type { Entry, ListOptions, StateStore } from "../stores/state-store.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { CALLS_SECONDS, hourOf } from "./journal.ts";
import { type JournalCall, mergeRollUp, newRollUp, type RollUp, readCalls, readRollUp } from "./journal-format.ts";
import { CALLS_PREFIX, journalPartition, MINUTE_PREFIX } from "./keys.ts";

const HOUR_MS = 3_600_000;
/** A record is written within a minute of its call; a slow table makes it later. */
const LATE_MS = 300_000;
/** Entries of calls that one page reads at most: some 25,000 calls. */
const ENTRIES_PER_PAGE = 50;
const ENTRIES_PER_REQUEST = 10;
/** Calls of a page, where its reader does not say. */
const CALLS_DEFAULT = 100;
/** Calls of a page at most. */
export const CALLS_MAX = 500;
/** Minutes that are looked through for processes: a process that did nothing has none. */
const FLEET_ENTRIES = 500;

/** Which calls are wanted; without any, all. */
export interface CallFilter {
  readonly tool?: string | undefined;
  readonly method?: string | undefined;
  /** `failed`, or one outcome by its name. */
  readonly outcome?: string | undefined;
  /** Part of what the client says of itself. */
  readonly client?: string | undefined;
  /** A principal's id or name. */
  readonly principal?: string | undefined;
  /** The id of a process, or its label. */
  readonly process?: string | undefined;
  /** A request's id, or its beginning. */
  readonly requestId?: string | undefined;
  readonly traceId?: string | undefined;
  /** Milliseconds that a call has taken at least. */
  readonly slowerThanMs?: number | undefined;
  /** 1 to 500; default 100. */
  readonly limit?: number | undefined;
  /** From an earlier page. */
  readonly cursor?: string | undefined;
}

/** A call, and the process that it was made in. */
export interface ToldCall extends JournalCall {
  readonly process: string;
  readonly label: string;
}

/** Calls that match, and where older ones go on. */
export interface CallPage {
  /** The newest first. */
  readonly calls: readonly ToldCall[];
  /** How many were looked at. */
  readonly searched: number;
  /** Where older ones go on; absent: there are none that are kept. */
  readonly next?: string;
}

/** How a tool, or a method of the protocol, does. Quantiles are upper bounds of the range they fall into, in milliseconds. */
export interface ServiceRow {
  readonly method: string;
  readonly tool: string;
  readonly calls: number;
  readonly failed: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly hits: number;
  readonly misses: number;
}

/** How requests went in a window of time. */
export interface Service {
  readonly fromMs: number;
  readonly toMs: number;
  readonly rows: readonly ServiceRow[];
  /** Of all rows together, by minute or hour, the oldest first. */
  readonly points: readonly { atMs: number; calls: number; failed: number; p99Ms: number }[];
  /** Requests turned away, by HTTP status. */
  readonly refused: Readonly<Record<string, number>>;
  readonly table: RollUp["table"];
  /** Records of calls that were not kept. */
  readonly dropped: number;
}

/** Windows that can be asked for, with their lengths in milliseconds. */
export const SERVICE_WINDOWS = { "1h": HOUR_MS, "24h": 24 * HOUR_MS, "7d": 7 * 24 * HOUR_MS } as const;
/** A window of time up to now. */
export type ServiceWindow = keyof typeof SERVICE_WINDOWS;

/** A process by the last it said. */
export interface FleetProcess {
  readonly process: string;
  readonly label: string;
  readonly version: string;
  readonly startedMs: number;
  /** When it last wrote: a process without requests writes nothing. */
  readonly seenMs: number;
  readonly state: "running" | "draining" | "ended";
  readonly streams: number;
  /** Share of the time since its entry before that its event loop was busy, in percent. */
  readonly busyPercent: number;
  readonly rssMb: number;
  /** Requests that its last entry counts. */
  readonly calls: number;
}

/** Reads the journal of a deployment. Errors are the store's: AppError `unavailable`. */
export class JournalReader {
  readonly #store: StateStore;
  readonly #clock: Clock;

  constructor(store: StateStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The newest calls that match. @throws AppError `invalid_input` for a cursor that is none. */
  async calls(filter: CallFilter = {}): Promise<CallPage> {
    const limit = Math.min(filter.limit ?? CALLS_DEFAULT, CALLS_MAX);
    const now = this.#clock.now();
    const [givenMs, beforeId] =
      filter.cursor === undefined ? [now + 1, ""] : decodeCursor(filter.cursor, ["number", "string"]);
    const beforeMs = Math.min(givenMs, now + 1);
    const oldestMs = now - CALLS_SECONDS * 1_000;
    const found: ToldCall[] = [];
    let searched = 0;
    let entries = 0;
    const page = (from: number): CallPage => {
      const sure = found
        .filter(({ at }) => at >= from)
        .sort(newestFirst)
        .slice(0, limit);
      const last = sure.at(-1);
      const next =
        sure.length === limit && last ? [last.at, last.requestIdPrefix] : from > oldestMs ? [from, ""] : undefined;
      return { calls: sure, searched, ...(next && { next: encodeCursor(next as [number, string]) }) };
    };
    for (let hour = Math.min(beforeMs + LATE_MS, now); hour > oldestMs - HOUR_MS; hour -= HOUR_MS) {
      const after = `${CALLS_PREFIX}${beforeMs + LATE_MS}`;
      for await (const entry of this.#entries(hourOf(hour), { prefix: CALLS_PREFIX, after, order: "descending" })) {
        const [, writtenMs = "", process = ""] = entry.key.sk.split("#");
        // What is left was written before this, and so are its calls.
        if (found.filter(({ at }) => at > Number(writtenMs)).length >= limit || entries >= ENTRIES_PER_PAGE)
          return page(Number(writtenMs) + 1);
        entries += 1;
        const { data, count, label } = entry.attributes;
        const calls = await readCalls(String(data), Number(count));
        searched += calls.length;
        for (const call of calls) {
          const told = { ...call, process, label: String(label) };
          const isOlder = call.at < beforeMs || (call.at === beforeMs && call.requestIdPrefix < beforeId);
          if (isOlder && matches(told, filter)) found.push(told);
        }
      }
    }
    return page(oldestMs);
  }

  /** How requests went in the last hour, day or week. */
  async service(window: ServiceWindow = "1h"): Promise<Service> {
    const toMs = this.#clock.now();
    const fromMs = toMs - SERVICE_WINDOWS[window];
    const sum = newRollUp();
    const points = new Map<number, CallCounts>();
    const stepMs = window === "1h" ? 60_000 : HOUR_MS;
    const add = async (entry: Entry, atMs: number) => {
      const counts = await readRollUp(String(entry.attributes.data));
      mergeRollUp(sum, counts);
      const at = Math.floor(atMs / stepMs) * stepMs;
      const point = points.get(at) ?? new Counts();
      points.set(at, point);
      point.merge(counts.counts.all);
    };
    const copied = new Set<string>();
    if (window !== "1h") {
      for (let day = fromMs; hourOf(day).slice(0, 10) <= hourOf(toMs).slice(0, 10); day += 24 * HOUR_MS)
        for await (const entry of this.#entries(hourOf(day).slice(0, 10), { prefix: "H#" })) {
          const [, hour = "", process = ""] = entry.key.sk.split("#");
          const atMs = Date.parse(`${hour}:00:00Z`);
          if (atMs + HOUR_MS <= fromMs) continue;
          copied.add(`${hour} ${process}`);
          await add(entry, atMs);
        }
    }
    // The hours that have no copy yet.
    for (const hour of [toMs - HOUR_MS, toMs].map(hourOf))
      for await (const entry of this.#entries(hour, { prefix: MINUTE_PREFIX })) {
        const [, , process = ""] = entry.key.sk.split("#");
        const atMs = Number(entry.attributes.atMs);
        if (atMs > fromMs && !copied.has(`${hour} ${process}`)) await add(entry, atMs);
      }
    return {
      ...{ fromMs, toMs, rows: rowsOf(sum.counts), refused: sum.refused, table: sum.table, dropped: sum.dropped },
      points: [...points]
        .sort(([a], [b]) => a - b)
        .map(([atMs, counts]) => {
          const all = mergedBuckets([...counts.all]);
          const failed = [...counts.all]
            .filter(({ outcome }) => hasFailed(outcome))
            .reduce((n, one) => n + countOf(one), 0);
          return { atMs, calls: countOf({ buckets: all }), failed, p99Ms: quantileMs(all, 0.99) };
        }),
    };
  }

  /** The processes that wrote in this hour or the one before, the one that was seen last first. */
  async fleet(): Promise<readonly FleetProcess[]> {
    const now = this.#clock.now();
    const newest = new Map<string, FleetProcess>();
    let read = 0;
    for (const hour of [now, now - HOUR_MS].map(hourOf))
      for await (const entry of this.#entries(hour, { prefix: MINUTE_PREFIX, order: "descending" })) {
        if (read >= FLEET_ENTRIES) break;
        read += 1;
        const [, , process = ""] = entry.key.sk.split("#");
        const { label, version, startedMs, atMs, state, streams, busy, rssMb, data } = entry.attributes;
        if ((newest.get(process)?.seenMs ?? 0) >= Number(atMs)) continue;
        const { counts } = await readRollUp(String(data));
        newest.set(process, {
          ...{ process, label: String(label), version: String(version), startedMs: Number(startedMs) },
          ...{ seenMs: Number(atMs), state: state as FleetProcess["state"], streams: Number(streams) },
          ...{
            busyPercent: Number(busy),
            rssMb: Number(rssMb),
            calls: [...counts.all].reduce((n, one) => n + countOf(one), 0),
          },
        });
      }
    return [...newest.values()].sort((a, b) => b.seenMs - a.seenMs);
  }

  async *#entries(name: string, options: Omit<ListOptions, "limit">): AsyncGenerator<Entry> {
    let { after } = options;
    do {
      const asked = { ...options, limit: options.prefix === CALLS_PREFIX ? ENTRIES_PER_REQUEST : 200 };
      const page = await this.#store.list(journalPartition(name), { ...asked, ...(after !== undefined && { after }) });
      yield* page.entries;
      after = page.next;
    } while (after !== undefined);
  }
}

const newestFirst = (a: JournalCall, b: JournalCall): number =>
  b.at - a.at || (a.requestIdPrefix < b.requestIdPrefix ? 1 : -1);

function matches(call: ToldCall, filter: CallFilter): boolean {
  const { tool, method, outcome, client, principal, process, requestId, traceId, slowerThanMs } = filter;
  const is = (wanted: string | undefined, ...values: string[]) => wanted === undefined || values.includes(wanted);
  const id = requestId?.replaceAll("-", "").toLowerCase().slice(0, call.requestIdPrefix.length);
  return (
    is(tool, call.tool) &&
    is(method, call.method) &&
    (outcome === "failed" ? hasFailed(call.outcome) : is(outcome, call.outcome)) &&
    is(principal, call.principal, call.principalName) &&
    is(process, call.process, call.label) &&
    is(traceId, call.traceId) &&
    (client === undefined || call.client.toLowerCase().includes(client.toLowerCase())) &&
    (id === undefined || call.requestIdPrefix.startsWith(id)) &&
    (slowerThanMs === undefined || call.durationMs >= slowerThanMs)
  );
}

function rowsOf(counts: CallCounts): ServiceRow[] {
  const rows = Map.groupBy(counts.all, ({ method, tool }) => `${method} ${tool}`);
  return [...rows.values()]
    .map((series): ServiceRow => {
      const { method = "", tool = "" } = series[0] ?? {};
      const outcomes: Record<string, number> = {};
      for (const one of series) outcomes[one.outcome] = (outcomes[one.outcome] ?? 0) + countOf(one);
      const all = mergedBuckets(series);
      const failed = Object.entries(outcomes).reduce((sum, [outcome, n]) => sum + (hasFailed(outcome) ? n : 0), 0);
      return {
        ...{ method, tool, calls: countOf({ buckets: all }), failed, outcomes },
        ...{ p50Ms: quantileMs(all, 0.5), p95Ms: quantileMs(all, 0.95), p99Ms: quantileMs(all, 0.99) },
        hits: series.reduce((sum, one) => sum + one.hits, 0),
        misses: series.reduce((sum, one) => sum + one.misses, 0),
      };
    })
    .sort((a, b) => b.calls - a.calls);
}

const mergedBuckets = (series: readonly { readonly buckets: readonly number[] }[]): number[] =>
  Array.from({ length: DURATION_BOUNDS_SECONDS.length + 1 }, (_, at) =>
    series.reduce((sum, { buckets }) => sum + buckets[at]!, 0),
  );

/** The upper bound of the range that the quantile falls into; above all bounds the largest of them. */
function quantileMs(buckets: readonly number[], share: number): number {
  const rank = Math.ceil(countOf({ buckets: [...buckets] }) * share);
  let below = 0;
  for (const [at, n] of buckets.entries()) {
    below += n;
    if (below >= rank && n > 0) return (DURATION_BOUNDS_SECONDS[at] ?? DURATION_BOUNDS_SECONDS.at(-1)!) * 1_000;
  }
  return 0;
}
