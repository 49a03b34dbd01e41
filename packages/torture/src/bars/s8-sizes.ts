// No stored item grows large, however much and however awkwardly a session is used, and many notes are listed in pages whose
// size and cost do not depend on how many there are.
import { setTimeout as sleep } from "node:timers/promises";
import { defineBar } from "../bars.ts";
import { type Rig, type StoredItem, startRig } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

interface Scale {
  readonly notes: number;
}

const WIDTH = 16;
const ITEM_MAX_BYTES = 65_536;
const SESSION_ITEM_MAX_BYTES = 1_024;
/** A session that was reset under many keys within seconds remembers them for these seconds. */
const BURST_ITEM_MAX_BYTES = 6 * 1_024;
const FORGOTTEN_AFTER_MILLISECONDS = 20_000;
const NOTE_MAX_BYTES = 32_768;
const VALUE_MAX_BYTES = 60_000;
const PAGE_MAX_BYTES = 65_536;
const PAGE_MAX_ENTRIES = 1_000;
/** The session, and a page of notes that may come in two parts. */
const PAGE_MAX_REQUESTS = 3;
const KEYED_WRITES = 100;
/** Names are as long as they may be, of characters that need the longest encoding. */
const LONG_NAME = "é".repeat(64);
const OFTEN_RESET = "è".repeat(64);
const LONG_KEY = "é".repeat(128);

const LONG_NOTES = 10;

/** Mostly short, now and then as long as a note may be. */
const noteText = (index: number, count: number): string =>
  index % Math.floor(count / LONG_NOTES) === 1 ? `${index} `.padEnd(NOTE_MAX_BYTES, "x") : `${index} a note`;

/** Resolves to the notes in the order of their acknowledged positions. */
async function fillNotes({ client }: Rig, run: Tally, count: number): Promise<string[]> {
  const notes: string[] = [];
  // One process writes: many would spend most of their requests on losing races for the same end of the list.
  const address = client.next();
  await inParallel(count, WIDTH, async (index) => {
    const note = noteText(index, count);
    const added = await client.must("add_note", { session_id: LONG_NAME, note }, { address });
    notes[Number(added.count) - 1] = note;
    run.count();
  });
  return notes;
}

/** Entries that remember many operations, beside values, notes and answers of the largest size. The table is looked at meanwhile. */
async function fillAwkwardly(rig: Rig, run: Tally): Promise<void> {
  const { client } = rig;
  const value = "x".repeat(VALUE_MAX_BYTES - 2);
  const many = (tool: string, input: (index: number) => object) =>
    inParallel(KEYED_WRITES, WIDTH, async (index) => {
      await client.settle(tool, input(index), { key: `${tool}-${index}`.padEnd(255, "-") });
      run.count();
      if (index % WIDTH === 0) checkItems(run, await rig.items());
    });
  await client.must("create_session", { name: OFTEN_RESET });
  await many("store_value", () => ({ session_id: LONG_NAME, key: LONG_KEY, value }));
  await many("increment_value", () => ({ session_id: LONG_NAME, key: `count ${LONG_KEY}`.slice(0, 100), by: 0.1 }));
  await many("reset_session", () => ({ session_id: OFTEN_RESET }));
  await many("echo_cached", (index) => ({ text: "€".repeat(10_000 - index) }));
}

/** What a burst of keyed calls has left in a session's item is forgotten with a later write. */
async function awaitForgetting({ client, items }: Rig, run: Tally): Promise<void> {
  const deadline = performance.now() + FORGOTTEN_AFTER_MILLISECONDS;
  for (;;) {
    await client.must("reset_session", { session_id: OFTEN_RESET });
    const item = (await items()).find(({ sk }) => sk?.S === `S#${encodeURIComponent(OFTEN_RESET)}`);
    const bytes = itemBytes(item ?? {});
    if (bytes < SESSION_ITEM_MAX_BYTES) return;
    if (performance.now() > deadline) return run.expect(false, () => `a session's item stays at ${bytes} bytes`);
    await sleep(500);
  }
}

const itemBytes = (item: StoredItem): number =>
  Object.entries(item).reduce((sum, [name, value]) => {
    const text = value.S ?? value.N ?? "";
    return (
      sum +
      Buffer.byteLength(name) +
      (value.N === undefined ? Math.max(1, Buffer.byteLength(text)) : text.length / 2 + 2)
    );
  }, 0);

function checkItems(run: Tally, items: readonly StoredItem[]): void {
  for (const item of items) {
    const bytes = itemBytes(item);
    const sk = item.sk?.S ?? "";
    const inBurst = sk === `S#${encodeURIComponent(OFTEN_RESET)}`;
    const sessionMax = inBurst ? BURST_ITEM_MAX_BYTES : SESSION_ITEM_MAX_BYTES;
    const max = sk.startsWith("S#") ? sessionMax : ITEM_MAX_BYTES;
    run.expect(
      bytes < max,
      () => `${item.sk?.S?.slice(0, 60)}… has ${bytes} bytes in ${Object.keys(item).length} attributes`,
    );
  }
}

/** Pages come from one process after the other; together they are the list, each is bounded in entries, bytes and requests. */
async function listAll({ client, proxy }: Rig, run: Tally, expected: readonly string[], order: string): Promise<void> {
  const listed: string[] = [];
  let cursor: unknown;
  do {
    const before = proxy.total;
    const input = { session_id: LONG_NAME, limit: PAGE_MAX_ENTRIES, order, ...(cursor !== undefined && { cursor }) };
    const page = await client.must("get_notes", input);
    const requests = proxy.total - before;
    const notes = page.notes as string[];
    const bytes = notes.reduce((sum, note) => sum + Buffer.byteLength(note), 0);
    run.count();
    run.expect(requests <= PAGE_MAX_REQUESTS, () => `a page of ${notes.length} notes took ${requests} requests`);
    run.expect(notes.length <= PAGE_MAX_ENTRIES, () => `a page has ${notes.length} notes`);
    run.expect(bytes <= PAGE_MAX_BYTES, () => `a page of ${notes.length} notes has ${bytes} bytes`);
    run.expect(notes.length > 0, () => `the page after ${listed.length} notes is empty`);
    listed.push(...notes);
    cursor = page.next_cursor;
  } while (cursor !== undefined && listed.length <= expected.length);
  const wrong = expected.findIndex((note, at) => listed[at] !== note);
  const complete = wrong === -1 && listed.length === expected.length;
  run.expect(
    complete,
    () => `${order} first: ${listed.length} of ${expected.length} notes, the first wrong at ${wrong}`,
  );
}

export default defineBar<Scale>({
  id: "S8",
  title: "no item grows large, and lists come in bounded pages",
  test: { notes: 5_000 },
  full: { notes: 100_000 },
  async run({ scale, random, progress }) {
    await using rig = await startRig({ random });
    const run = new Tally(progress, scale.notes + 5 * KEYED_WRITES, rig);
    await rig.client.must("create_session", { name: LONG_NAME });
    await fillAwkwardly(rig, run);
    await awaitForgetting(rig, run);
    const notes = await fillNotes(rig, run, scale.notes);
    checkItems(run, await rig.items());
    await listAll(rig, run, notes, "oldest");
    await listAll(rig, run, notes.toReversed(), "newest");
    return run.outcome();
  },
});
