// A reset is one write however much the session holds, and notes that race with resets never give a list in which what was
// cleared stands beside what came after, or in which something in between is missing.

import { type Rule, WRITES } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import type { Client } from "../client.ts";
import { type FileRig, type Rig, startRigOn } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

interface Scale {
  readonly notes: number;
  readonly resets: number;
  readonly adds: number;
}

const WIDTH = 16;
const SESSION = "resets";

interface Span {
  readonly start: number;
  readonly end: number;
}
interface Added extends Span {
  readonly text: string;
  readonly generation: string;
  readonly sequence: number;
}
interface Listed extends Span {
  readonly notes: readonly { readonly text: string; readonly id: string }[];
}

async function timed<T>(work: () => Promise<T>): Promise<T & Span> {
  const start = performance.now();
  const result = await work();
  return { ...result, start, end: performance.now() };
}

/** Counts the writes of one reset at the proxy. Deletes of entries are the sweep, for which no call waits. */
async function resetIsOneWrite(rig: Rig, run: Tally, notes: number): Promise<void> {
  const session_id = `of-${notes}`;
  await rig.client.must("create_session", { name: session_id });
  await inParallel(notes, WIDTH, async (index) => {
    await rig.client.must("add_note", { session_id, note: `note ${index}` });
    run.count();
  });
  const writes: string[] = [];
  const watch: Rule = {
    fault: { kind: "drop-before" },
    operations: WRITES,
    when: ({ operation, body }) => {
      const { sk } = (body.Key ?? body.Item ?? {}) as { sk?: { S?: string } };
      const swept = operation === "DeleteItem" && /^[NV]#/.test(sk?.S ?? "");
      if (!swept) writes.push(`${operation} of ${sk?.S}`);
      return false;
    },
  };
  rig.proxy.rules = [watch];
  const { cleared } = await rig.client.must("reset_session", { session_id });
  const after = await rig.client.must("get_notes", { session_id });
  rig.proxy.rules = [];
  run.count();
  run.expect(cleared === notes, () => `a reset of ${notes} notes said that it cleared ${cleared}`);
  run.expect(
    writes.join() === `UpdateItem of S#${session_id}`,
    () => `a reset of ${notes} wrote: ${writes.join(", ")}`,
  );
  run.expect(JSON.stringify(after.notes) === "[]", () => `after a reset the notes are ${JSON.stringify(after.notes)}`);
}

async function add(client: Client, text: string): Promise<Added> {
  const { note_id, start, end } = await timed(() => client.must("add_note", { session_id: SESSION, note: text }));
  return { text, start, end, ...partsOf(String(note_id)) };
}

async function list(client: Client): Promise<Listed> {
  const page = await timed(() => client.must("get_notes", { session_id: SESSION, limit: 1000, details: true }));
  const ids = (page.details as { note_id: string }[]).map((detail) => detail.note_id);
  const { start, end } = page;
  return { notes: (page.notes as string[]).map((text, at) => ({ text, id: String(ids[at]) })), start, end };
}

function partsOf(id: string): { generation: string; sequence: number } {
  const at = id.lastIndexOf("_");
  return { generation: id.slice(0, at), sequence: Number(id.slice(at + 1)) };
}

/** What resets mean for one note: from when on it may be gone, and from when on it must be. */
function fateOf(added: Added, resets: readonly Span[]): { mayGoAt: number; goneAt: number } {
  let mayGoAt = Number.POSITIVE_INFINITY;
  let goneAt = Number.POSITIVE_INFINITY;
  for (const { start, end } of resets) {
    if (end > added.start) mayGoAt = Math.min(mayGoAt, start);
    if (start > added.end) goneAt = Math.min(goneAt, end);
  }
  return { mayGoAt, goneAt };
}

function checkList(run: Tally, list: Listed, fates: ReadonlyMap<string, Added & ReturnType<typeof fateOf>>): void {
  const generations = new Set(list.notes.map(({ id }) => partsOf(id).generation));
  run.expect(generations.size <= 1, () => `one list holds notes of ${generations.size} generations`);
  const dense = list.notes.every(({ id }, at) => partsOf(id).sequence === at + 1);
  run.expect(dense, () => `a list has a gap: ${list.notes.map(({ id }) => partsOf(id).sequence)}`);
  const present = new Map(list.notes.map(({ text, id }) => [text, id]));
  run.expect(present.size === list.notes.length, () => "a list holds one note twice");
  for (const [text, { start, end, mayGoAt, goneAt, generation, sequence }] of fates) {
    const id = present.get(text);
    if (id === undefined) {
      run.expect(
        end >= list.start || mayGoAt <= list.end,
        () => `${text} is missing, and no reset can have cleared it`,
      );
      continue;
    }
    run.expect(id === `${generation}_${sequence}`, () => `${text} was added as ${generation}_${sequence}, is ${id}`);
    run.expect(start <= list.end && goneAt >= list.start, () => `${text} was cleared before the list was read`);
  }
}

async function race(rig: Rig | FileRig, run: Tally, { resets, adds }: Scale): Promise<void> {
  await rig.client.must("create_session", { name: SESSION });
  const added: Added[] = [];
  const reset: Span[] = [];
  const lists: Listed[] = [];
  const every = Math.floor(adds / resets);
  await inParallel(adds, WIDTH, async (index) => {
    const work: Promise<unknown>[] = [add(rig.client, `note ${index}`).then((one) => added.push(one))];
    if (index % every === 0) {
      const one = timed(() => rig.client.must("reset_session", { session_id: SESSION }));
      work.push(one.then(({ start, end }) => reset.push({ start, end })));
    }
    if (index % every === Math.floor(every / 2)) work.push(list(rig.client).then((one) => lists.push(one)));
    await Promise.all(work);
    run.count();
  });
  lists.push(await list(rig.client));
  const fates = new Map(added.map((one) => [one.text, { ...one, ...fateOf(one, reset) }]));
  for (const one of lists) checkList(run, one, fates);
}

export default defineBar<Scale>({
  id: "S4",
  title: "reset is one write, and no list is torn",
  test: { notes: 1_000, resets: 100, adds: 1_000 },
  full: { notes: 10_000, resets: 1_000, adds: 10_000 },
  places: ["table", "file"],
  async run({ place, scale, random, progress }) {
    await using rig = await startRigOn(place, { random });
    const run = new Tally(progress, (place === "table" ? scale.notes + 13 : 0) + scale.adds, rig);
    // Writes are counted at the proxy before the table; a file has none.
    if (rig.place === "table") for (const notes of [0, 10, scale.notes]) await resetIsOneWrite(rig, run, notes);
    await race(rig, run, scale);
    return run.outcome();
  },
});
