// Deletes race with updates of what they delete. Whichever wins, the raw table holds no entry that an update has brought back.
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { type Rig, type StoredItem, startRig } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

interface Scale {
  readonly races: number;
}

const WIDTH = 12;
const SESSION = "races";
/** So that a read a second later moves the session's expiry: that update races with the delete. */
const TOUCHY_TTL_SECONDS = 40;
const TOUCHED_AFTER_MILLISECONDS = TOUCHY_TTL_SECONDS * 250 + 1_500;

/** What the racers were told, and with it what the table must hold. */
interface Race {
  /** How the raw entry's sort key ends, or starts for a session. */
  readonly entry: string;
  /** The value that must stand there; undefined: nothing live. */
  readonly value: number | undefined;
}

const isLive = (item: StoredItem): boolean =>
  item.dead === undefined && (item.expiresAt?.N === undefined || Number(item.expiresAt.N) * 1000 > Date.now());

/** Both at once, in an order left to chance, through different processes. */
async function both<A, B>(random: Random, one: () => Promise<A>, other: () => Promise<B>): Promise<[A, B]> {
  if (random.chance(0.5)) return Promise.all([one(), other()]);
  const [b, a] = await Promise.all([other(), one()]);
  return [a, b];
}

/** An update that expects the version it has seen can only fail or be deleted with the rest. */
async function updateOfSeenVersion({ client }: Rig, run: Tally, random: Random, key: string): Promise<Race> {
  const input = { session_id: SESSION, key };
  await client.must("store_value", { ...input, value: 1 });
  const [deleted, stored] = await both(
    random,
    () => client.must("delete_value", input),
    () => client.call("store_value", { ...input, value: 2, if_version: 1 }),
  );
  run.expect(deleted.deleted === true, () => `deleting ${key} said ${deleted.deleted}`);
  const expected = stored.outcome === "ok" || (stored.outcome === "error" && stored.code === "conflict");
  run.expect(expected, () => `updating ${key} said ${JSON.stringify(stored)}`);
  return { entry: `#${key}`, value: undefined };
}

/** An increment either was deleted with what it added to, or has begun again from nothing. */
async function increment({ client }: Rig, run: Tally, random: Random, key: string): Promise<Race> {
  const input = { session_id: SESSION, key };
  await client.must("store_value", { ...input, value: 1000 });
  const [, { value }] = await both(
    random,
    () => client.must("delete_value", input),
    () => client.must("increment_value", input),
  );
  run.expect(value === 1 || value === 1001, () => `incrementing ${key} gave ${value}`);
  return { entry: `#${key}`, value: value === 1 ? 1 : undefined };
}

/** A session that is deleted while it is written to, and while its expiry is moved. */
async function sessionInUse(
  { client }: Rig,
  run: Tally,
  random: Random,
  session: string,
  index: number,
): Promise<Race> {
  const input = { session_id: session };
  const use = () =>
    index % 2 === 0 ? client.call("add_note", { ...input, note: "too late?" }) : client.call("get_notes", input);
  const [deleted, used] = await both(random, () => client.must("delete_session", input), use);
  run.expect(deleted.deleted === true, () => `deleting ${session} said ${deleted.deleted}`);
  const expected = used.outcome === "ok" || (used.outcome === "error" && used.code === "session_not_found");
  run.expect(expected, () => `using ${session} said ${JSON.stringify(used)}`);
  const after = await client.call("get_notes", input);
  const gone = after.outcome === "error" && after.code === "session_not_found";
  run.expect(gone, () => `after its deletion ${session} answers ${JSON.stringify(after)}`);
  return { entry: `S#${session}`, value: undefined };
}

function checkTable(run: Tally, items: readonly StoredItem[], races: readonly Race[]): void {
  const byEntry = new Map<string, StoredItem>();
  for (const item of items) {
    const sk = item.sk?.S ?? "";
    byEntry.set(sk.startsWith("V#") ? sk.slice(sk.lastIndexOf("#")) : sk, item);
  }
  for (const { entry, value } of races) {
    const item = byEntry.get(entry);
    const live = item !== undefined && isLive(item);
    run.expect(item !== undefined, () => `${entry} has left no tombstone`);
    run.expect(live === (value !== undefined), () => `${entry} is a zombie: ${JSON.stringify(item)}`);
    if (value !== undefined)
      run.expect(item?.["a.value"]?.N === String(value), () => `${entry} holds ${JSON.stringify(item)}, not ${value}`);
    else {
      const attributes = Object.keys(item ?? {}).filter((name) => name.startsWith("a.") && name !== "a.generation");
      run.expect(attributes.length === 0, () => `dead ${entry} still holds ${attributes.join(", ")}`);
    }
  }
  // What landed in a deleted session just after its sweep is unreachable, and the table's own TTL has to find it.
  const stray = items.filter((item) => /^[NV]#/.test(item.sk?.S ?? "") && item.expiresAt === undefined);
  run.expect(
    stray.length === 0,
    () => `${stray.length} entries would stay for ever, such as ${JSON.stringify(stray[0])}`,
  );
}

export default defineBar<Scale>({
  id: "S6",
  title: "what is deleted stays deleted, whatever races with it",
  test: { races: 500 },
  full: { races: 10_000 },
  async run({ scale, random, progress }) {
    await using rig = await startRig({ random });
    const run = new Tally(progress, scale.races, rig);
    // A fifth of the races, and no more than a caller may have sessions.
    const inSessions = Math.min(Math.floor(scale.races / 5), 400);
    const races: Race[] = [];
    await inParallel(scale.races - inSessions, WIDTH, async (index) => {
      const kind = index % 2 === 0 ? updateOfSeenVersion : increment;
      races.push(await kind(rig, run, random, `race-${index}`));
      run.count();
    });
    // Only now: they live for a minute at most, and the races before take longer at full scale.
    const sessions: string[] = [];
    await inParallel(inSessions, WIDTH, async () => {
      const created = await rig.client.must("create_session", { ttl_seconds: TOUCHY_TTL_SECONDS });
      sessions.push(String(created.session_id));
    });
    const created = performance.now();
    await sleep(Math.max(0, created + TOUCHED_AFTER_MILLISECONDS - performance.now()));
    await inParallel(inSessions, WIDTH, async (index) => {
      races.push(await sessionInUse(rig, run, random, sessions[index]!, index));
      run.count();
    });
    checkTable(run, await rig.items(), races);
    return run.outcome();
  },
});
