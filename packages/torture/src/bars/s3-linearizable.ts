// S3: what values and notes answer could have come from one copy, under every fault of the network and the death of any instance.
// Histories with a bug planted between an app and its store show that the bar would see one.
import { type StateStore, tokenPrincipal } from "@stateful-mcp/core";
import type { Random } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { firstFailure, type Verdict } from "../checkers/linearizability.ts";
import { checkNotes, type NotesInput, type NotesOutput } from "../checkers/notes.ts";
import { checkRegister, type RegisterInput, type RegisterOutput } from "../checkers/register.ts";
import { History } from "../history.ts";
import { PLANTED } from "../planted-stores.ts";
import { callApp, isOpen, type Reply, type Result, resend } from "./calls.ts";
import type { Ground, Instance } from "./ground.ts";
import { ROUGH, startGround } from "./rig.ts";
import { addAll, inParallel, Tally } from "./tally.ts";

const INSTANCES = 4;
const CLIENTS = 4;
const CALLS_PER_CLIENT = 15;
const AT_ONCE = 12;
/** One instance is killed and replaced after about so many calls. */
const CALLS_PER_KILL = 150;
/** A planted bug that so many histories do not show is not seen. */
const HISTORIES_PER_BUG = 60;

interface Scale {
  readonly histories: number;
  readonly planted: number;
}

/** The instances of a run; any of them serves any call, and now and then one dies. */
class Crowd {
  readonly ground: Ground;
  kills = 0;
  readonly #random: Random;
  readonly #around: ((store: StateStore) => StateStore) | undefined;
  #members: Instance[] = [];
  #calls = 0;

  private constructor(ground: Ground, random: Random, around?: (store: StateStore) => StateStore) {
    this.ground = ground;
    this.#random = random;
    this.#around = around;
  }

  static async gather(ground: Ground, random: Random, around?: (store: StateStore) => StateStore): Promise<Crowd> {
    const crowd = new Crowd(ground, random, around);
    crowd.#members = await Promise.all(Array.from({ length: INSTANCES }, () => crowd.#join()));
    return crowd;
  }

  /** A keyed call is sent again, to any instance, until its answer is known: one operation from first to last. */
  async call(name: string, args: Result): Promise<Reply> {
    const send = () => {
      if (++this.#calls % CALLS_PER_KILL === 0) void this.#replaceOne();
      // Every history has a caller of its own, who never comes to a limit of sessions.
      return callApp(this.#random.pick(this.#members).app, name, args, tokenPrincipal(String(args.session_id)));
    };
    return args.idempotency_key === undefined ? send() : resend(send);
  }

  async leave(): Promise<void> {
    await Promise.all(this.#members.map((member) => this.ground.kill(member)));
  }

  #join(): Promise<Instance> {
    return this.ground.join(this.#around && { around: this.#around });
  }

  async #replaceOne(): Promise<void> {
    const victim = this.#random.pick(this.#members);
    const next = await this.#join();
    this.#members = this.#members.map((member) => (member === victim ? next : member));
    this.kills++;
    await this.ground.kill(victim);
  }
}

type Unexpected = (reply: Reply) => undefined;

/** What the reply says about the operation; undefined: nothing is known. Refusals that no caller asked for are unexpected. */
function registerOutput(input: RegisterInput, reply: Reply, unexpected: Unexpected): RegisterOutput | undefined {
  if (isOpen(reply)) return undefined;
  if ("code" in reply) {
    if (reply.code !== "conflict" || input.op === "get") return unexpected(reply);
    return { conflict: true, version: Number(reply.details.current_version) };
  }
  const { found, deleted, value, version } = reply.result as { [K in keyof RegisterOutput]: RegisterOutput[K] };
  switch (input.op) {
    case "get":
      return found ? { found: true, value, version: version ?? 0 } : { found: false };
    case "delete":
      return { deleted: deleted === true };
    case "store":
      return { version: version ?? 0 };
    case "increment":
      return { value, version: version ?? 0 };
  }
}

const REGISTER_TOOLS = { get: "get_value", store: "store_value", increment: "increment_value", delete: "delete_value" };

function nextRegisterInput(random: Random, last: RegisterOutput | undefined, serial: number): RegisterInput {
  const dice = random.int(1, 100);
  const seen = last === undefined ? {} : { ifVersion: last.version ?? 0 };
  if (dice <= 30) return { op: "get" };
  if (dice <= 62) return { op: "increment", by: random.int(1, 3) };
  // No delete can ask for version 0: there is nothing to delete then.
  if (dice <= 74) return { op: "delete", ...(dice > 68 && seen.ifVersion ? seen : {}) };
  const value = random.chance(0.2) ? `text ${serial}` : 1000 * (serial + 1);
  return { op: "store", value, ...(dice > 86 && seen) };
}

async function registerHistory(crowd: Crowd, name: string, random: Random, unexpected: Unexpected) {
  const history = new History<RegisterInput, RegisterOutput>();
  await inParallel(Array.from({ length: CLIENTS }), CLIENTS, async (_, client) => {
    let last: RegisterOutput | undefined;
    for (let call = 0; call < CALLS_PER_CLIENT; call++) {
      const serial = client * CALLS_PER_CLIENT + call;
      const input = nextRegisterInput(random, last, serial);
      const { op, ...rest } = input;
      const { ifVersion, ...fields } = rest as { ifVersion?: number };
      const args = {
        session_id: name,
        key: "register",
        ...fields,
        ...(ifVersion !== undefined && { if_version: ifVersion }),
        ...(op !== "get" && random.chance(0.35) && { idempotency_key: `${name} ${serial}` }),
      };
      last = await history.record(name, input, async () =>
        registerOutput(input, await crowd.call(REGISTER_TOOLS[op], args), unexpected),
      );
    }
  });
  return history;
}

function notesOutput(input: NotesInput, reply: Reply, unexpected: Unexpected): NotesOutput | undefined {
  if (isOpen(reply)) return undefined;
  if ("code" in reply) return unexpected(reply);
  switch (input.op) {
    case "append":
      return { count: Number(reply.result.count), id: String(reply.result.note_id) };
    case "read":
      return { notes: reply.result.notes as string[] };
    // How many were cleared is documented as inexact while others add; `cleared` is held to its bound instead.
    case "reset":
      return {};
  }
}

const NOTES_TOOLS = { append: "add_note", read: "get_notes", reset: "reset_session" };

async function notesHistory(crowd: Crowd, name: string, random: Random, unexpected: Unexpected, tally: Tally) {
  const history = new History<NotesInput, NotesOutput>();
  let appends = 0;
  await inParallel(Array.from({ length: CLIENTS }), CLIENTS, async (_, client) => {
    for (let call = 0; call < CALLS_PER_CLIENT; call++) {
      const serial = client * CALLS_PER_CLIENT + call;
      const dice = random.int(1, 100);
      const input: NotesInput =
        dice <= 55 ? { op: "append", note: `note ${serial}` } : dice <= 88 ? { op: "read" } : { op: "reset" };
      if (input.op === "append") appends++;
      const args = {
        session_id: name,
        ...(input.op === "append" && { note: input.note }),
        ...(input.op === "read" && { limit: 1000 }),
        ...(input.op !== "read" && random.chance(0.35) && { idempotency_key: `${name} ${serial}` }),
      };
      await history.record(name, input, async () => {
        const reply = await crowd.call(NOTES_TOOLS[input.op], args);
        if (input.op === "reset" && "result" in reply)
          tally.expect(
            Number(reply.result.cleared) <= appends,
            () => `${name}: cleared more notes than were ever added.`,
          );
        return notesOutput(input, reply, unexpected);
      });
    }
  });
  return history;
}

/** Runs one history of either kind and says what is wrong with it. */
async function oneHistory(crowd: Crowd, name: string, random: Random, tally: Tally): Promise<string | undefined> {
  const strange: string[] = [];
  const unexpected: Unexpected = (reply) => {
    if ("code" in reply) strange.push(`${name}: ${reply.code}: ${reply.message}`);
    return undefined;
  };
  if (random.chance(0.5)) {
    const history = await registerHistory(crowd, name, random, unexpected);
    for (const operation of history.operations) tally.count(operation.output !== undefined);
    return strange[0] ?? explain(name, firstFailure(history.operations, checkRegister)?.verdict);
  }
  const history = await notesHistory(crowd, name, random, unexpected, tally);
  for (const operation of history.operations) tally.count(operation.output !== undefined);
  return strange[0] ?? explain(name, firstFailure(history.operations, checkNotes)?.verdict);
}

function explain<I, O>(name: string, verdict: Verdict<I, O> | undefined): string | undefined {
  if (verdict === undefined || verdict.verdict === "linearizable") return undefined;
  if (verdict.verdict === "undecided") return `${name}: undecided after ${verdict.steps} steps.`;
  const { explained, state, unexplained } = verdict;
  return `${name}: after ${explained} operations (${state}) none of these fits: ${JSON.stringify(unexplained)}`;
}

/** Runs histories against a store with a bug until one shows it. True when one did. */
async function isSeen(ground: Ground, bug: keyof typeof PLANTED, random: Random, tally: Tally): Promise<boolean> {
  const crowd = await Crowd.gather(ground, random.fork("instances"), (store) =>
    PLANTED[bug](store, random.fork("bug")),
  );
  let seen = false;
  await inParallel(Array.from({ length: HISTORIES_PER_BUG }), AT_ONCE, async (_, at) => {
    if (seen) return;
    const wrong = await oneHistory(crowd, `${bug} ${at}`, random.fork(at), tally);
    if (wrong !== undefined) seen = true;
  });
  await crowd.leave();
  return seen;
}

export default defineBar<Scale>({
  id: "S3",
  title: "values and notes are linearizable",
  test: { histories: 50, planted: 5 },
  full: { histories: 1_000, planted: 10 },
  places: ["table", "file"],
  async run({ place, scale, random, progress }) {
    await using ground = await startGround(place, random, ROUGH);
    const tally = new Tally(progress, scale.histories * CLIENTS * CALLS_PER_CLIENT);
    const crowd = await Crowd.gather(ground, random.fork("instances"));
    await inParallel(Array.from({ length: scale.histories }), AT_ONCE, async (_, at) => {
      const wrong = await oneHistory(crowd, `history ${at}`, random.fork(at), tally);
      tally.expect(wrong === undefined, () => wrong ?? "");
    });
    const { kills } = crowd;
    await crowd.leave();

    let seen = 0;
    const blind = new Tally({ update() {} }, 0);
    for (const bug of random.shuffle(Object.keys(PLANTED) as (keyof typeof PLANTED)[]).slice(0, scale.planted)) {
      const caught = await isSeen(ground, bug, random.fork(bug), blind);
      tally.expect(caught, () => `The planted bug "${bug}" was not seen in ${HISTORIES_PER_BUG} histories.`);
      if (caught) seen++;
    }
    const faults = { ...ground.faults };
    addAll(faults, { kill: kills, "planted bugs, all seen": seen });
    return tally.outcome(faults);
  },
});
