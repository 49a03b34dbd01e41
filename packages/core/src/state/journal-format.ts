// What the journal's entries hold, to and from compressed text: the counts of a time, and records of calls. An entry is text, so it is
// base64, and columns compress better than rows. Knows no store and no time but what stands in a record.
import { promisify } from "node:util";
import { deflateRaw, inflateRaw } from "node:zlib";
import { CallCounts, type CallSeries } from "../call-counts.ts";
import { type CallRecord, DURATION_BOUNDS_SECONDS } from "../call-record.ts";

const pack = promisify(deflateRaw);
const unpack = promisify(inflateRaw);

/** Counts of one process over a time. */
export interface RollUp {
  readonly counts: CallCounts;
  /** Requests turned away, by HTTP status. */
  readonly refused: Record<string, number>;
  /** What was asked of the table, where that is counted. */
  readonly table: { requests: number; attempts: number; units: number };
  /** Records of calls that were not kept, because the table was slow. */
  dropped: number;
}

export const newRollUp = (): RollUp => ({
  counts: new CallCounts(),
  refused: {},
  table: { requests: 0, attempts: 0, units: 0 },
  dropped: 0,
});

/** Adds what another has counted. */
export function mergeRollUp(into: RollUp, other: RollUp): void {
  into.counts.merge(other.counts.all);
  for (const [status, n] of Object.entries(other.refused)) into.refused[status] = (into.refused[status] ?? 0) + n;
  into.table.requests += other.table.requests;
  into.table.attempts += other.table.attempts;
  into.table.units += other.table.units;
  into.dropped += other.dropped;
}

type SeriesRow = [
  string,
  string,
  string,
  string,
  string,
  milliseconds: number,
  hits: number,
  misses: number,
  ...number[],
];

/** A series with its buckets as pairs of place and number: most are empty. */
const rowOf = (series: CallSeries): SeriesRow => {
  const { method, tool, outcome, transport, era, milliseconds, hits, misses, buckets } = series;
  const filled = [...buckets.entries()].filter(([, n]) => n > 0).flat();
  return [method, tool, outcome, transport, era, Math.round(milliseconds * 10) / 10, hits, misses, ...filled];
};

function seriesOf([
  method,
  tool,
  outcome,
  transport,
  era,
  milliseconds,
  hits,
  misses,
  ...pairs
]: SeriesRow): CallSeries {
  const buckets = Array<number>(DURATION_BOUNDS_SECONDS.length + 1).fill(0);
  for (let at = 0; at < pairs.length; at += 2) buckets[pairs[at]!] = pairs[at + 1]!;
  return { method, tool, outcome, transport, era, milliseconds, hits, misses, buckets };
}

/** As text of an entry. */
export function rollUpText({ counts, refused, table, dropped }: RollUp): Promise<string> {
  const { requests, attempts, units } = table;
  return packed([[...counts.all].map(rowOf), refused, [requests, attempts, units], dropped]);
}

/** The inverse of `rollUpText`. */
export async function readRollUp(text: string): Promise<RollUp> {
  const [series, refused, [requests, attempts, units], dropped] = (await unpacked(text)) as [
    SeriesRow[],
    Record<string, number>,
    [number, number, number],
    number,
  ];
  const counts = new CallCounts();
  counts.merge(series.map(seriesOf));
  return { counts, refused, table: { requests, attempts, units }, dropped };
}

/** A call as the journal keeps it. */
export interface JournalCall extends Omit<CallRecord, "requestId" | "durationMs" | "table"> {
  readonly durationMs: number;
  /** The first 12 hexadecimal digits of the request's id: whole ids would be most of a record. */
  readonly requestIdPrefix: string;
  readonly tableRequests: number;
  readonly tableUnits: number;
}

/** Of texts that repeat: each once, and the places. */
function dictionary(texts: readonly string[]): [known: string[], places: number[]] {
  const places = new Map<string, number>();
  const at = texts.map((text) => {
    const place = places.get(text) ?? places.size;
    places.set(text, place);
    return place;
  });
  return [[...places.keys()], at];
}

const REPEATING = [
  "method",
  "tool",
  "outcome",
  "transport",
  "era",
  "principal",
  "principalName",
  "client",
  "session",
] as const;

/** Records as text of an entry: times as differences, texts that repeat once. */
export function callsText(calls: readonly CallRecord[]): Promise<string> {
  let before = 0;
  const times = calls.map(({ at }) => {
    const since = at - before;
    before = at;
    return since;
  });
  const digits = (id: string) => id.replaceAll("-", "").slice(0, ID_DIGITS).padEnd(ID_DIGITS, "0");
  const rows = dictionary(calls.map((call) => JSON.stringify(REPEATING.map((name) => call[name]))));
  const bytes = Buffer.from(calls.map(({ requestId }) => digits(requestId)).join(""), "hex");
  const head = Buffer.from(
    JSON.stringify([
      times,
      calls.map(({ durationMs }) => Math.round(durationMs * 10)),
      calls.map(({ cached }) => (cached === undefined ? 0 : cached ? 1 : 2)),
      calls.map(({ table }) => table?.requests ?? 0),
      calls.map(({ table }) => Math.round((table?.units ?? 0) * 10)),
      calls.map(({ traceId }) => traceId),
      rows[0].map((row) => JSON.parse(row) as string[]),
      rows[1],
      calls.map(({ argumentBytes }) => argumentBytes),
      calls.map(({ resultBytes }) => resultBytes),
    ]),
  );
  return packedBytes(Buffer.concat([head, bytes]));
}
const ID_DIGITS = 12;
const ID_BYTES = ID_DIGITS / 2;

/** The inverse of `callsText`, of so many calls. */
export async function readCalls(text: string, count: number): Promise<JournalCall[]> {
  const whole = await unpack(Buffer.from(text, "base64"));
  const ids = whole.subarray(whole.length - count * ID_BYTES);
  // An entry of before sizes were kept has none.
  const [times, durations, cached, requests, units, traces, known, places, given = [], results = []] = JSON.parse(
    whole.subarray(0, whole.length - ids.length).toString("utf8"),
  ) as [number[], number[], number[], number[], number[], string[], string[][], number[], number[]?, number[]?];
  let at = 0;
  return times.map((since, n): JournalCall => {
    at += since;
    const texts = Object.fromEntries(REPEATING.map((name, place) => [name, known[places[n]!]?.[place] ?? ""]));
    return {
      ...(texts as Record<(typeof REPEATING)[number], string>),
      at,
      durationMs: durations[n]! / 10,
      cached: cached[n] === 0 ? undefined : cached[n] === 1,
      tableRequests: requests[n]!,
      tableUnits: units[n]! / 10,
      argumentBytes: given[n] ?? 0,
      resultBytes: results[n] ?? 0,
      traceId: traces[n]!,
      requestIdPrefix: ids.subarray(n * ID_BYTES, (n + 1) * ID_BYTES).toString("hex"),
    };
  });
}

const packed = (value: unknown): Promise<string> => packedBytes(Buffer.from(JSON.stringify(value)));
const packedBytes = async (bytes: Buffer): Promise<string> => (await pack(bytes, { level: 9 })).toString("base64");
const unpacked = async (text: string): Promise<unknown> =>
  JSON.parse((await unpack(Buffer.from(text, "base64"))).toString("utf8"));
