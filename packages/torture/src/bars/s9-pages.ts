// S9: a listing read page by page is complete although others write meanwhile, and a tampered cursor is refused or stays inside
// the caller's own list. Cases are drawn by fast-check, so a failure comes back as its smallest form.
import { type App, AppError, LOCAL_PRINCIPAL, type Principal } from "@stateful-mcp/core";
import fc from "fast-check";
import { defineBar } from "../bars.ts";
import type { Result } from "./calls.ts";
import { startGround } from "./rig.ts";
import { Tally } from "./tally.ts";

/** Each case has a principal of its own: anything else that it is shown belongs to another. */
interface World {
  readonly app: App;
  readonly other: App;
  readonly principal: Principal;
}

interface List {
  readonly tool: string;
  readonly args: Result;
  /** What identifies each entry of a page. */
  ids(page: Result): string[];
  /** Adds the entry of this number. */
  add(world: World, serial: number): Promise<void>;
  /** What others may do between two pages, besides adding. */
  disturb(world: World, serial: number): Promise<void>;
}

async function call({ app, principal }: Pick<World, "app" | "principal">, name: string, args: Result): Promise<Result> {
  return (await app.call({ name, arguments: args, principal })).structured;
}

const two = (serial: number): string => String(serial).padStart(2, "0");
const session_id = "pages";

const LISTS: Readonly<Record<string, List>> = {
  "notes, oldest first": {
    tool: "get_notes",
    args: { session_id, order: "oldest" },
    ids: (page) => page.notes as string[],
    add: async (world, serial) => void (await call(world, "add_note", { session_id, note: `note ${serial}` })),
    disturb: async (world) => void (await call(world, "add_note", { session_id, note: "meanwhile" })),
  },
  "notes, newest first": {
    tool: "get_notes",
    args: { session_id, order: "newest" },
    ids: (page) => page.notes as string[],
    add: async (world, serial) => void (await call(world, "add_note", { session_id, note: `note ${serial}` })),
    disturb: async (world) => void (await call(world, "add_note", { session_id, note: "meanwhile" })),
  },
  values: {
    tool: "list_values",
    args: { session_id, prefix: "k/é #" },
    ids: (page) => (page.values as { key: string }[]).map(({ key }) => key),
    add: async (world, serial) =>
      void (await call(world, "store_value", { session_id, key: `k/é #${two(serial)}`, value: serial })),
    // Neighbours come and go on both sides of every entry, and the entry itself is written again.
    disturb: async (world, serial) => {
      await call(world, "store_value", { session_id, key: `k/é #${two(serial)}!`, value: 0 });
      await call(world, "delete_value", { session_id, key: `k/é #${two(serial + 1)}!` });
      await call(world, "increment_value", { session_id, key: `k/é #${two(serial)}` });
    },
  },
  sessions: {
    tool: "list_sessions",
    args: {},
    ids: (page) => (page.sessions as { session_id: string }[]).map((one) => one.session_id),
    add: async (world, serial) => void (await call(world, "create_session", { name: `session ${serial}` })),
    // A reset is a use, which moves a session to the front of the list.
    disturb: async (world, serial) => {
      await call(world, "create_session", {});
      await call(world, "reset_session", { session_id: `session ${serial}` });
    },
  },
};

interface Case {
  readonly list: keyof typeof LISTS;
  readonly entries: number;
  readonly limits: number[];
  readonly disturbances: number[];
  readonly cursors: string[];
}

/** Texts that a cursor holds, and ones that it should not. */
const cursorPart = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("oldest", "newest", "", "#", "V#", "N#", "../", "\ud800", "~".repeat(800), null, [], {}),
);
const forgedCursor = fc.oneof(
  fc.array(cursorPart, { maxLength: 4 }).map((parts) => Buffer.from(JSON.stringify(parts)).toString("base64url")),
  fc.string({ maxLength: 40 }),
  fc.base64String({ maxLength: 80 }),
);
const aCase: fc.Arbitrary<Case> = fc.record({
  list: fc.constantFrom(...Object.keys(LISTS)),
  entries: fc.integer({ min: 0, max: 12 }),
  limits: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
  disturbances: fc.array(fc.nat({ max: 12 }), { maxLength: 8 }),
  cursors: fc.array(forgedCursor, { maxLength: 4 }),
});

/** Reads all pages, with one disturbance after each, and returns what was listed and the cursors that were given. */
async function listAll(world: World, list: List, { limits, disturbances, entries }: Case) {
  const listed: string[] = [];
  const cursors: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; ; page++) {
    // Bounded, because a list that grows with every page need not end: 2 more of 12 at most are then still to come.
    if (page > 200) throw new Error("The pages do not end.");
    const limit = limits[page % limits.length] as number;
    const answer = await call(page % 2 === 0 ? world : { ...world, app: world.other }, list.tool, {
      ...list.args,
      limit,
      ...(cursor !== undefined && { cursor }),
    });
    const ids = list.ids(answer);
    if (ids.length > limit) throw new Error(`A page of at most ${limit} held ${ids.length}.`);
    listed.push(...ids);
    cursor = answer.next_cursor as string | undefined;
    if (cursor === undefined) return { listed, cursors };
    cursors.push(cursor);
    const serial = disturbances[page];
    if (serial !== undefined && entries > 0) await list.disturb(world, serial % entries);
  }
}

/** Everything of the list, asked for in one page. */
const everything = async (world: World, list: List): Promise<Set<string>> =>
  new Set(list.ids(await call(world, list.tool, { ...list.args, limit: 1000 })));

/** Cursors that differ from a good one: in one bit, and in what they hold last. */
function tampered(cursor: string, at: number): string[] {
  const parts = JSON.parse(Buffer.from(cursor, "base64url").toString()) as unknown[];
  const ends = ["\ud800", "~".repeat(800), "#", "", 0, Number.MAX_SAFE_INTEGER];
  const grafted = JSON.stringify([...parts.slice(0, -1), ends[at % ends.length]]);
  const bytes = Buffer.from(cursor, "base64url");
  bytes[at % Math.max(1, bytes.length)] = (bytes[at % bytes.length] ?? 0) ^ (1 << (at % 7));
  return [bytes.toString("base64url"), Buffer.from(grafted).toString("base64url")];
}

async function checkForged(world: World, list: List, own: ReadonlySet<string>, cursor: string): Promise<void> {
  try {
    const page = await call(world, list.tool, { ...list.args, limit: 5, cursor });
    const foreign = list.ids(page).find((id) => !own.has(id));
    if (foreign !== undefined) throw new Error(`The cursor ${cursor} led to ${foreign}, which is not in the list.`);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code !== "invalid_input")
      throw new Error(`The cursor ${cursor} was answered with ${error.code}.`, { cause: error });
  }
}

async function check(world: World, one: Case): Promise<void> {
  const list = LISTS[one.list] as List;
  const before: string[] = [];
  for (let serial = 0; serial < one.entries; serial++) await list.add(world, serial);
  before.push(...(await everything(world, list)));
  const { listed, cursors } = await listAll(world, list, one);
  const missing = before.find((id) => !listed.includes(id));
  if (missing !== undefined) throw new Error(`${missing} was there all the time and on no page.`);
  const unique = new Set(listed);
  // A session that is used while the list is read has two places in it, one after the other.
  const moved = one.list === "sessions" || listed.includes("meanwhile");
  if (unique.size !== listed.length && !moved) throw new Error(`An entry was on two pages: ${listed}.`);
  const inOrder = listed.filter((id) => before.includes(id));
  const moves = one.list === "sessions" && one.disturbances.length > 0;
  if (!moves && inOrder.join("\n") !== before.join("\n")) throw new Error(`Not in order: ${inOrder}.`);

  const own = await everything(world, list);
  for (const cursor of one.cursors) await checkForged(world, list, own, cursor);
  for (const [at, cursor] of cursors.entries())
    for (const bad of tampered(cursor, at * 7 + one.entries)) await checkForged(world, list, own, bad);
  // A good cursor of one list is a tampered one everywhere else.
  const [good] = cursors;
  if (good === undefined) return;
  for (const elsewhere of Object.values(LISTS))
    await checkForged(world, elsewhere, await everything(world, elsewhere), good);
}

const principalOf = (serial: number): Principal => ({
  ...LOCAL_PRINCIPAL,
  id: `principal${serial}`,
  kind: "token",
  subject: `caller ${serial}`,
});

export default defineBar<{ cases: number }>({
  id: "S9",
  title: "pages are complete under concurrent writes, cursors stay at home",
  test: { cases: 200 },
  full: { cases: 5_000 },
  places: ["table", "file"],
  async run({ place, scale, random, progress }) {
    await using ground = await startGround(place, random);
    const [one, two] = [await ground.join(), await ground.join()];
    const tally = new Tally(progress, scale.cases);
    let serial = 0;
    const property = fc.asyncProperty(aCase, async (given) => {
      await check({ app: one.app, other: two.app, principal: principalOf(serial++) }, given);
      tally.count();
    });
    const result = await fc.check(property, { numRuns: scale.cases, seed: random.seed });
    const { counterexample, errorInstance } = result;
    tally.expect(
      !result.failed,
      () =>
        `${String(errorInstance)} Smallest case: ${JSON.stringify(counterexample)}, path ${result.counterexamplePath}`,
    );
    return tally.outcome({});
  },
});
