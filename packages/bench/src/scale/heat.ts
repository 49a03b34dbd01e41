// A store in memory that keeps what DynamoDB would bill, by partition and by item. Knows keys as text, and nothing of tools.
import type { Clock, Entry, Key } from "@stateful-mcp/core";
import { MemoryStore } from "@stateful-mcp/core/testing";

/** What one partition takes in a second, at most. */
export const PARTITION_READS = 3_000;
export const PARTITION_WRITES = 1_000;
const READ_UNIT_BYTES = 4_096;
const WRITE_UNIT_BYTES = 1_024;
/** Names of attributes, version and slots that an entry has besides what it says. */
const LAYOUT_BYTES = 60;

export interface Units {
  reads: number;
  writes: number;
}

export const KINDS = {
  sessions: "sessions of one principal",
  session: "notes and values of one session",
  shared: "one shared cached result",
  own: "one cached result of one principal",
  claim: "one idempotency key",
  limit: "calls per minute of one principal",
  other: "other",
} as const;
export type Kind = keyof typeof KINDS;

export function kindOf(pk: string): Kind {
  const [first, , kind] = pk.split("#");
  if (first !== "P") return first === "shared" ? "shared" : "other";
  const kinds: Readonly<Record<string, Kind>> = { S: "session", C: "own", I: "claim", L: "limit" };
  return kind === undefined ? "sessions" : (kinds[kind] ?? "other");
}

const bytesOf = (entry: Entry | undefined): number =>
  entry === undefined
    ? 0
    : LAYOUT_BYTES + JSON.stringify([entry.key, entry.attributes, entry.slots, entry.expiresAt]).length;
const unitsFor = (bytes: number, unitBytes: number): number => Math.max(1, Math.ceil(bytes / unitBytes));

/** Strongly consistent reads and plain writes, as `stores/dynamodb-state-store.ts` sends them. */
export class HeatStore extends MemoryStore {
  readonly partitions = new Map<string, Units>();
  readonly items = new Map<string, Units>();
  readonly all: Units = { reads: 0, writes: 0 };

  constructor(clock: Clock) {
    super({ clock });
  }

  reset(): void {
    this.partitions.clear();
    this.items.clear();
    Object.assign(this.all, { reads: 0, writes: 0 });
  }

  #count(pk: string, sk: string | undefined, what: keyof Units, units: number): void {
    this.all[what] += units;
    add(this.partitions, pk, what, units);
    if (sk !== undefined) add(this.items, `${pk} ${sk}`, what, units);
  }

  #read(key: Key, entry: Entry | undefined): void {
    this.#count(key.pk, key.sk, "reads", unitsFor(bytesOf(entry), READ_UNIT_BYTES));
  }

  override async get(key: Key) {
    const entry = await super.get(key);
    this.#read(key, entry);
    return entry;
  }

  override async getMany(keys: readonly Key[]) {
    const entries = await super.getMany(keys);
    for (const [at, key] of keys.entries()) this.#read(key, entries[at]);
    return entries;
  }

  override async list(...[pk, options]: Parameters<MemoryStore["list"]>) {
    const page = await super.list(pk, options);
    const bytes = page.entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
    this.#count(pk, undefined, "reads", unitsFor(bytes, READ_UNIT_BYTES));
    return page;
  }

  override async create(...given: Parameters<MemoryStore["create"]>) {
    const result = await super.create(...given);
    this.#written(given[0], result.written ? result.entry : result.current);
    return result;
  }

  override async update(...given: Parameters<MemoryStore["update"]>) {
    const result = await super.update(...given);
    this.#written(given[0], result.applied ? result.entry : result.current);
    return result;
  }

  override async delete(key: Key) {
    this.#written(key, undefined);
    return super.delete(key);
  }

  #written({ pk, sk }: Key, entry: Entry | undefined): void {
    this.#count(pk, sk, "writes", unitsFor(bytesOf(entry), WRITE_UNIT_BYTES));
  }
}

function add(to: Map<string, Units>, id: string, what: keyof Units, units: number): void {
  const known = to.get(id);
  if (known) known[what] += units;
  else to.set(id, { reads: 0, writes: 0, [what]: units });
}

export interface Hot extends Units {
  /** Calls a second of the whole fleet at which the first request is throttled. */
  readonly throttlesAt: number;
}

/** Where throttling begins, when this many calls have cost so many units in one place. */
export function hot({ reads, writes }: Units, calls: number): Hot {
  const throttlesAt = calls * Math.min(PARTITION_READS / reads, PARTITION_WRITES / writes);
  return { reads: (1_000 * reads) / calls, writes: (1_000 * writes) / calls, throttlesAt };
}

/** The place of each kind where throttling begins first. */
export function hottest(places: ReadonlyMap<string, Units>, calls: number): ReadonlyMap<Kind, Hot> {
  const found = new Map<Kind, Hot>();
  for (const [id, units] of places) {
    const kind = kindOf(id.split(" ", 1)[0] ?? "");
    const heat = hot(units, calls);
    if (heat.throttlesAt < (found.get(kind)?.throttlesAt ?? Number.POSITIVE_INFINITY)) found.set(kind, heat);
  }
  return found;
}
