// S15: streams of 2025-era sessions, cut anywhere and resumed on other processes: what was committed is delivered, in order, once,
// and to its own stream; what is no longer kept is said to be gone.
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import { createDynamoDBClient, DynamoDBStore, type SdkClient } from "@stateful-mcp/core/dynamodb";
import { Fleet, loopback, type Random, WRITES } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { LegacySession, streamOf, type WireEvent } from "../streams.ts";
import { Cluster, TABLE, tableAt, talkingServer } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

const PROCESSES = 3;
const LINES = 200;
const LARGE_EVERY = 40;
const LARGE_CHARACTERS = 25_001;
const AT_ONCE = 6;
const UPDATES = 5;
const NOTES = "session://watched/notes";

interface Scale {
  readonly events: number;
  readonly cuts: number;
  /** Streams whose process is killed in the middle. */
  readonly kills: number;
}

interface Rig {
  readonly fleet: Fleet;
  readonly tally: Tally;
  readonly random: Random;
  readonly table: SdkClient;
}

interface Followed {
  readonly session: LegacySession;
  readonly label: string;
  /** Up to where it could be read. */
  readonly events: WireEvent[];
}

const talk = (label: string, pauseMs = 0) => ({
  label,
  lines: LINES,
  pauseMs,
  largeEvery: LARGE_EVERY,
  largeCharacters: LARGE_CHARACTERS,
});

const idOf = (event: WireEvent | undefined): string => event?.id ?? "";
const sequenceOf = (id: string): number => Number(id.split(".")[1]);
const streamName = (id: string): string => id.split(".")[0] ?? "";
const isAnswer = ({ message }: WireEvent): boolean => message?.result !== undefined || message?.error !== undefined;
/** What an event says, without the place where it stands. */
const textOf = (event: WireEvent): string => JSON.stringify(event.message);

/** A call followed to its answer, through so many cuts at events of chance. */
async function follow({ fleet, random }: Rig, session: LegacySession, label: string, cuts: number): Promise<Followed> {
  const cutAt = new Set(random.shuffle(Array.from({ length: LINES }, (_, at) => at)).slice(0, cuts));
  let opened = streamOf(await session.call(random.pick(fleet.live).address, "talk", talk(label)), label);
  const events: WireEvent[] = [];
  for (;;) {
    let cut = false;
    for await (const event of opened.events) {
      events.push(event);
      if (isAnswer(event)) return { session, label, events };
      cut = cutAt.delete(sequenceOf(idOf(event)));
      if (cut) break;
    }
    if (!cut) throw new Error(`${label}: the stream ended after ${idOf(events.at(-1))}, without an answer.`);
    const next = await session.listen(random.pick(fleet.live).address, idOf(events.at(-1)));
    opened = streamOf(next, `${label} after ${idOf(events.at(-1))}`);
  }
}

/** Complains about events that are not line 0, 1, 2, … of this label, each at its own place, with everything they said. */
function checkLines(tally: Tally, { label, events }: Followed): void {
  const name = streamName(idOf(events[0]));
  for (const [at, event] of events.entries()) {
    tally.count();
    tally.expect(
      event.id === `${name}.${at}`,
      () => `${label}: event ${at} bears the id ${event.id}, not ${name}.${at}.`,
    );
    if (at === 0) continue;
    const { data } = (event.message?.params ?? {}) as { data?: { label?: string; line?: number; text?: string } };
    const { structuredContent } = event.message?.result ?? {};
    const large = at % LARGE_EVERY === 0;
    const expected =
      at <= LINES ? { label, line: at - 1, text: large ? "😀".repeat(LARGE_CHARACTERS) : "" } : undefined;
    const fits = expected
      ? data?.label === label && data.line === expected.line && data.text === expected.text
      : JSON.stringify(structuredContent) === JSON.stringify({ label, said: LINES });
    tally.expect(fits, () => `${label}: event ${at} says ${textOf(event).slice(0, 200)}`);
  }
}

/** A whole stream as the table has it, read on any process from its beginning to its `count`th event. */
async function replay({ fleet, random }: Rig, { session, events }: Followed, count: number): Promise<WireEvent[]> {
  const from = `${streamName(idOf(events[0]))}.0`;
  const opened = streamOf(await session.listen(random.pick(fleet.live).address, from), `the replay from ${from}`);
  const replayed: WireEvent[] = [];
  for await (const event of opened.events) {
    replayed.push(event);
    if (replayed.length === count) break;
  }
  return replayed;
}

/** What was delivered, through all cuts, is what the table has. */
async function checkReplay(rig: Rig, followed: Followed): Promise<void> {
  const delivered = followed.events.filter(({ message }) => message);
  const committed = await replay(rig, followed, delivered.length);
  rig.tally.expect(
    committed.map(textOf).join() === delivered.map(textOf).join(),
    () => `${followed.label}: ${delivered.length} delivered events are not the ${committed.length} committed ones.`,
  );
}

/** A process that is killed while a call speaks: what the client has seen can be read on, and ends where the table ends. */
async function killed(rig: Rig, round: number): Promise<void> {
  const { fleet, random, tally } = rig;
  const label = `killed ${round}`;
  const [victim] = random.shuffle(fleet.live);
  if (!victim) throw new Error("No process is running.");
  const session = await LegacySession.begin(victim.address);
  const opened = streamOf(await session.call(victim.address, "talk", talk(label, 5)), label);
  const events: WireEvent[] = [];
  for await (const event of opened.events) {
    events.push(event);
    if (events.length === LINES / 2) await fleet.replace(victim);
  }
  tally.expect(!events.some(isAnswer), () => `${label}: the call was answered by a process that had been killed.`);
  const followed = { session, label, events };
  checkLines(tally, followed);
  await checkReplay(rig, followed);
}

/** The session's own stream, whose events are found by one process after the other. */
async function standalone({ fleet, random, tally }: Rig): Promise<Followed> {
  const any = () => random.pick(fleet.live).address;
  const session = await LegacySession.begin(any());
  const label = "the session's own stream";
  await session.ask(any(), "resources/subscribe", { uri: NOTES });
  const events: WireEvent[] = [];
  let opened = streamOf(await session.listen(any()), label);
  for (let update = 0; update <= UPDATES; update++) {
    // The first event only says where the stream begins.
    const event: WireEvent | undefined = (await opened.events.next()).value;
    if (event) events.push(event);
    if (update > 0) {
      opened.cut();
      opened = streamOf(await session.listen(any(), idOf(events.at(-1))), label);
    }
    if (update < UPDATES)
      await session.ask(any(), "tools/call", { name: "add_note", arguments: { session_id: "watched", note: "x" } });
  }
  opened.cut();
  for (const [at, event] of events.entries()) {
    tally.count();
    const fits = event.id === `get.${at}` && (at === 0 || event.message?.params?.uri === NOTES);
    tally.expect(fits, () => `${label}: event ${at} is ${event.id}: ${textOf(event)}`);
  }
  return { session, label, events };
}

/** Nothing of a stream comes under another session, and nothing is skipped where a part of it is gone. */
async function refusals(rig: Rig, { session, label, events }: Followed, stranger: LegacySession): Promise<void> {
  const { fleet, random, tally, table } = rig;
  const name = streamName(idOf(events[0]));
  const refused = async (by: LegacySession, after: number, why: string) => {
    const opened = await by.listen(random.pick(fleet.live).address, `${name}.${after}`);
    tally.count();
    const said =
      "refused" in opened && opened.refused.status === 404 && opened.refused.body.includes("cannot be resumed");
    tally.expect(said, () => `${label}: ${why} was not refused: ${JSON.stringify(opened)}`);
    if (!("refused" in opened)) opened.cut();
  };
  await refused(stranger, LINES / 2, "a resumption under another session");
  await removeEvents(table, name, LINES / 2);
  await refused(session, LINES / 4, "a resumption before the trimmed part's end");
  const rest = streamOf(await session.listen(random.pick(fleet.live).address, `${name}.${LINES / 2}`), label);
  const first: WireEvent | undefined = (await rest.events.next()).value;
  rest.cut();
  tally.expect(
    idOf(first) === `${name}.${LINES / 2 + 1}`,
    () => `${label}: goes on with ${idOf(first)} where it was trimmed.`,
  );
  await removeEvents(table, name, LINES + 1);
  await refused(session, LINES / 2, "a resumption after everything was removed");
}

/** Removes a stream's events up to a sequence, as their expiry does. */
async function removeEvents(table: SdkClient, name: string, upTo: number): Promise<void> {
  const store = new DynamoDBStore({ client: table, table: TABLE });
  let after: Record<string, { S: string }> | undefined;
  do {
    const input = { TableName: TABLE, ...(after && { ExclusiveStartKey: after }) };
    const page = await table.send(new ScanCommand(input));
    for (const item of page.Items ?? []) {
      const { pk: { S: pk } = {}, sk: { S: sk } = {} } = item;
      if (pk?.endsWith(`#${name}`) && sk !== undefined && Number(sk) <= upTo) await store.delete({ pk, sk });
    }
    after = page.LastEvaluatedKey as typeof after;
  } while (after);
}

export default defineBar<Scale>({
  id: "S15",
  title: "streams deliver what was committed, in order and once, through every cut",
  test: { events: 5_000, cuts: 50, kills: 1 },
  full: { events: 100_000, cuts: 500, kills: 10 },
  async run({ scale, random, progress }) {
    await using cluster = await Cluster.start(random, [
      { fault: { kind: "commit-then-drop" }, chance: 0.01, operations: WRITES },
      { fault: { kind: "throttle" }, chance: 0.01 },
    ]);
    const proxy = await cluster.proxy();
    await using closing = new AsyncDisposableStack();
    closing.defer(() => proxy.close());
    await using fleet = await Fleet.start({ size: PROCESSES, ...talkingServer(tableAt(proxy.endpoint)) });
    const table = createDynamoDBClient(loopback(cluster.engine.port));
    closing.defer(() => table.destroy());
    const streams = Math.ceil(scale.events / LINES);
    const tally = new Tally(progress, (streams + scale.kills) * (LINES + 2));
    const rig: Rig = { fleet, tally, random, table };
    const address = fleet.live[0]?.address ?? "";
    const sessions = await Promise.all(Array.from({ length: AT_ONCE }, () => LegacySession.begin(address)));
    const own = standalone(rig);
    const followed: Followed[] = [];
    await inParallel(Array.from({ length: streams }), AT_ONCE, async (_, at) => {
      const session = sessions[at % sessions.length] as LegacySession;
      const cuts = Math.floor((scale.cuts * (at + 1)) / streams) - Math.floor((scale.cuts * at) / streams);
      const one = await follow(rig, session, `stream ${at}`, cuts);
      checkLines(tally, one);
      await checkReplay(rig, one);
      if (at < 2) followed.push(one);
    });
    await checkReplay(rig, await own);
    for (let round = 0; round < scale.kills; round++) await killed(rig, round);
    const stranger = await LegacySession.begin(fleet.live[0]?.address ?? "");
    for (const one of followed) await refusals(rig, one, stranger);
    const faults = { ...proxy.faults, cut: scale.cuts + UPDATES, kill: scale.kills };
    return tally.outcome(faults);
  },
});
