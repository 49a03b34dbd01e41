// S11: a call with an idempotency key has one effect and one answer, however often, wherever and however concurrently it is
// sent, while processes are killed and replies are lost; with other arguments the key is refused. A tool whose effect lies
// outside the table runs at least once, never twice at the same time, and has one recorded answer all the same.
import { fileURLToPath } from "node:url";
import { Fleet, type Member, type Random, WRITES } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { RunCounter } from "../run-counter.ts";
import { callServer, isOpen, type Reply, type Result, resend } from "./calls.ts";
import { startGround } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

const PROCESSES = 4;
const AT_ONCE = 12;
const RUN_MS = 20;
const SESSION = "keyed";
/** Keys that share a value, so that their increments meet on one entry. */
const KEYS_PER_COUNTER = 50;
/** Runs that a process holds while it is paused for longer than its claims are believed. */
const HELD = 5;

interface Scale {
  readonly keys: number;
  readonly sends: number;
  /** A process is killed after so many keys. */
  readonly keysPerKill: number;
  readonly pauses: number;
}

interface Keyed {
  readonly key: string;
  readonly tool: string;
  readonly args: Result;
  readonly otherArgs: Result;
}

const KINDS = ["increment_value", "add_note", "store_value", "charge"] as const;
type Kind = (typeof KINDS)[number] | "create_session";
/** A principal may have 500 sessions: only one key in so many creates one. */
const KEYS_PER_SESSION = 25;

function keyedCall(at: number, random: Random): Keyed {
  const tool: Kind = at % KEYS_PER_SESSION === 0 ? "create_session" : random.pick(KINDS);
  const key = `key ${at}`;
  const counter = `counter ${Math.floor(at / KEYS_PER_COUNTER)}`;
  switch (tool) {
    case "increment_value": {
      const args = { session_id: SESSION, key: counter, by: random.int(1, 9) };
      return { key, tool, args, otherArgs: { ...args, by: args.by + 1 } };
    }
    case "add_note": {
      const args = { session_id: SESSION, note: `note ${at}` };
      return { key, tool, args, otherArgs: { ...args, note: `other note ${at}` } };
    }
    case "store_value": {
      const args = { session_id: SESSION, key: `value ${at}`, value: at, if_version: 0 };
      return { key, tool, args, otherArgs: { ...args, value: "other" } };
    }
    case "create_session":
      return { key, tool, args: { ttl_seconds: 86_400 + at }, otherArgs: { ttl_seconds: 7 } };
    case "charge":
      return { key, tool, args: { id: key, amount: at }, otherArgs: { id: key, amount: at + 1 } };
  }
}

/** Processes that now and then are killed and replaced; those that are starting are not called. */
class Servers {
  readonly fleet: Fleet;
  kills = 0;
  #replacing: Promise<unknown> = Promise.resolve();

  constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  /** Calls a live process. A reply may be lost because it is killed meanwhile. */
  send(random: Random, { key, tool, args }: Keyed, given = args): Promise<Reply> {
    const { address } = random.pick(this.fleet.live);
    return callServer(address, tool, { ...given, idempotency_key: key });
  }

  killOne(random: Random): void {
    this.#replacing = this.#replacing.then(async () => {
      this.kills++;
      await this.fleet.replace(random.pick(this.fleet.live));
    });
  }

  async settled(): Promise<void> {
    await this.#replacing;
  }
}

/** Sends one key several times, some together and some after each other, and checks that there is one answer. */
async function tryKey(
  call: Keyed,
  { sends }: Scale,
  servers: Servers,
  random: Random,
  tally: Tally,
): Promise<Result | undefined> {
  const together = random.int(1, sends);
  const settle = () => resend(() => servers.send(random, call));
  const replies = await Promise.all(Array.from({ length: together }, settle));
  while (replies.length < sends) replies.push(await settle());
  for (const reply of replies) {
    tally.count(!isOpen(reply));
    tally.expect(isOpen(reply) || "result" in reply, () => `${call.key} (${call.tool}): ${JSON.stringify(reply)}`);
  }
  const answers = new Set(replies.flatMap((reply) => ("result" in reply ? [JSON.stringify(reply.result)] : [])));
  tally.expect(
    answers.size <= 1,
    () => `${call.key} (${call.tool}) was answered in ${answers.size} ways: ${[...answers]}`,
  );
  const other = await resend(() => servers.send(random, call, call.otherArgs));
  const refused = "code" in other && other.code === "key_reused";
  tally.expect(refused || isOpen(other), () => `${call.key} with other arguments: ${JSON.stringify(other)}`);
  const [answer] = replies.flatMap((reply) => ("result" in reply ? [reply.result] : []));
  return answer;
}

async function ask(servers: Servers, random: Random, tool: string, args: Result): Promise<Result> {
  const reply = await resend(() => callServer(random.pick(servers.fleet.live).address, tool, args));
  if ("result" in reply) return reply.result;
  throw new Error(`${tool}: ${reply.message}`);
}

async function allPages(
  servers: Servers,
  random: Random,
  tool: string,
  args: Result,
  field: string,
): Promise<unknown[]> {
  const entries: unknown[] = [];
  let cursor: unknown;
  do {
    const page = await ask(servers, random, tool, { ...args, limit: 1000, ...(cursor !== undefined && { cursor }) });
    entries.push(...(page[field] as unknown[]));
    cursor = page.next_cursor;
  } while (cursor !== undefined);
  return entries;
}

const countOf = <T>(list: readonly T[], wanted: T): number => list.filter((one) => one === wanted).length;

/** Counts each key's effect where it stands: exactly one. */
async function checkEffects(
  calls: readonly Keyed[],
  answers: ReadonlyMap<string, Result>,
  servers: Servers,
  random: Random,
  tally: Tally,
) {
  const of = (tool: Kind) => calls.filter((call) => call.tool === tool && answers.has(call.key));
  const notes = await allPages(servers, random, "get_notes", { session_id: SESSION }, "notes");
  const numbers = Map.groupBy(notes, (note) => note);
  for (const { key, args } of of("add_note")) {
    const times = numbers.get(args.note)?.length ?? 0;
    tally.expect(times === 1, () => `${key}: its note stands there ${times} times.`);
    const at = Number(answers.get(key)?.count) - 1;
    tally.expect(notes[at] === args.note, () => `${key}: its note is not at the place it was told.`);
  }
  for (const [counter, increments] of Map.groupBy(of("increment_value"), ({ args }) => args.key)) {
    const { value, version } = await ask(servers, random, "get_value", { session_id: SESSION, key: counter });
    const sum = increments.reduce((total, { args }) => total + Number(args.by), 0);
    tally.expect(
      value === sum && version === increments.length,
      () => `${counter} is ${value} after ${version} writes, not ${sum} after ${increments.length}.`,
    );
    const versions = new Set(increments.map(({ key }) => answers.get(key)?.version));
    tally.expect(versions.size === increments.length, () => `${counter}: two increments were told the same version.`);
  }
  for (const { key, args } of of("store_value")) {
    const { value, version } = await ask(servers, random, "get_value", { session_id: SESSION, key: args.key });
    tally.expect(
      value === args.value && version === 1,
      () => `${key}: stored ${JSON.stringify(value)} at version ${version}.`,
    );
  }
  const sessions = (await allPages(servers, random, "list_sessions", {}, "sessions")) as { session_id: string }[];
  const handles = sessions.map((session) => session.session_id).filter((id) => id !== SESSION);
  const created = of("create_session").map(({ key }) => String(answers.get(key)?.session_id));
  for (const handle of created)
    tally.expect(countOf(handles, handle) === 1, () => `The session ${handle} was created and is not there.`);
  tally.expect(
    handles.length === created.length,
    () => `${handles.length} sessions stand there for ${created.length} keys.`,
  );
}

/** An effect outside: at least one run, never two at a time, and the answer is that of a run that really was. */
function checkRuns(
  calls: readonly Keyed[],
  answers: ReadonlyMap<string, Result>,
  counter: RunCounter,
  tally: Tally,
): number {
  let repeated = 0;
  for (const { key } of calls.filter(({ tool }) => tool === "charge")) {
    const runs = counter.of(key);
    repeated += Math.max(0, runs.length - 1);
    const overlap = runs.some(
      (run, at) => at > 0 && (runs[at - 1]?.endedMs ?? Number.POSITIVE_INFINITY) > run.startedMs,
    );
    tally.expect(!overlap, () => `${key} ran twice at the same time.`);
    const receipt = answers.get(key)?.receipt;
    tally.expect(
      receipt === undefined || runs.some((run) => run.answer === receipt),
      () => `${key}: no run gave ${receipt}.`,
    );
  }
  return repeated;
}

/** A process that slept through its claim wakes up with an answer of its own: the recorded one stays. */
async function staleCompletion(
  servers: Servers,
  counter: RunCounter,
  random: Random,
  tally: Tally,
  round: number,
): Promise<void> {
  const [sleeper, ...others] = random.shuffle(servers.fleet.live);
  if (!sleeper) throw new Error("A process is needed.");
  const ids = Array.from({ length: HELD }, (_, at) => `held ${round}.${at}`);
  const send = (member: Member, id: string) =>
    resend(() => callServer(member.address, "charge", { id, amount: 1, idempotency_key: id }));
  const early = ids.map((id) => send(sleeper, id));
  const first = await Promise.all(ids.map((id) => counter.began(id, 1)));
  sleeper.process.pause();
  const later = ids.map((id) => send(random.pick(others), id));
  const second = await Promise.all(ids.map((id) => counter.began(id, 2)));
  for (const run of second) run.release();
  await Promise.all(later);
  for (const run of first) run.release();
  sleeper.process.resume();
  for (const [at, id] of ids.entries()) {
    const replies = [await early[at], await later[at], await send(sleeper, id), await send(random.pick(others), id)];
    const receipts = replies.map((reply) =>
      reply && "result" in reply ? reply.result.receipt : JSON.stringify(reply),
    );
    tally.count();
    tally.expect(
      new Set(receipts).size === 1 && receipts[0] === second[at]?.answer,
      () => `${id}: a stale completion shows: ${receipts}`,
    );
  }
}

export default defineBar<Scale>({
  id: "S11",
  title: "an idempotency key has one effect and one answer",
  test: { keys: 500, sends: 5, keysPerKill: 60, pauses: 1 },
  full: { keys: 10_000, sends: 5, keysPerKill: 100, pauses: 10 },
  places: ["table", "file"],
  async run({ place, scale, random, progress }) {
    await using ground = await startGround(place, random, [
      { fault: { kind: "commit-then-drop" }, chance: 0.05, operations: WRITES },
      { fault: { kind: "late-duplicate", milliseconds: 500 }, chance: 0.02, operations: ["PutItem"] },
      { fault: { kind: "delay-before", milliseconds: 10 }, chance: 0.05 },
    ]);
    await using counter = await RunCounter.start(RUN_MS, (id) => id.startsWith("held"));
    const server = fileURLToPath(new URL("../servers/counting-effects.ts", import.meta.url));
    await using fleet = await Fleet.start({
      size: PROCESSES,
      env: { ...(await ground.forServers()), COUNTER_URL: counter.url },
      serve: (port) => ({ command: process.execPath, args: ["--import", "tsx", server, String(port)] }),
    });
    const servers = new Servers(fleet);
    const tally = new Tally(progress, scale.keys * scale.sends + scale.pauses * HELD);
    const dice = random.fork("calls");
    const calls = Array.from({ length: scale.keys }, (_, at) => keyedCall(at, dice));
    const answers = new Map<string, Result>();
    await inParallel(calls, AT_ONCE, async (call, at) => {
      if (at % scale.keysPerKill === scale.keysPerKill - 1) servers.killOne(dice);
      const answer = await tryKey(call, scale, servers, random.fork(at), tally);
      if (answer) answers.set(call.key, answer);
    });
    await servers.settled();
    await checkEffects(calls, answers, servers, dice, tally);
    const repeated = checkRuns(calls, answers, counter, tally);
    for (let round = 0; round < scale.pauses; round++) await staleCompletion(servers, counter, dice, tally, round);
    const faults = {
      ...ground.faults,
      kill: servers.kills,
      pause: scale.pauses,
      "outside effect repeated after a kill": repeated,
    };
    return tally.outcome(faults);
  },
});
