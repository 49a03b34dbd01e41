// One caller's handle in another caller's hands is worth nothing: every tool answers exactly as for a handle that never existed.
// A renewed token loses nothing.
import { randomBytes } from "node:crypto";
import type { Random } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { type CallOptions, messageOf } from "../client.ts";
import { type Rig, startRig } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

interface Scale {
  /** Calls of each tool with a foreign handle. */
  readonly calls: number;
}

const WIDTH = 12;
/** Below the limit of sessions of one caller; beyond it handles are used again. */
const HANDLES_MAX = 400;
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Each answer has its own, for every handle. */
const REQUEST_ID = /("io\.github\.stateful-mcp\/request-id":")[0-9a-f-]{36}/;

const token = (): string => randomBytes(32).toString("base64url");
const ALICE = token();
const ALICE_RENEWED = token();
const BOB = token();

const TOOLS: readonly { readonly tool: string; readonly input?: object; readonly writes?: true }[] = [
  { tool: "session_info" },
  { tool: "get_notes", input: { details: true } },
  { tool: "get_value", input: { key: "secret" } },
  { tool: "list_values" },
  { tool: "add_note", input: { note: "from bob" }, writes: true },
  { tool: "update_note", input: { note_id: "note_a_1", note: "from bob" }, writes: true },
  { tool: "delete_note", input: { note_id: "note_a_1" }, writes: true },
  { tool: "store_value", input: { key: "secret", value: "from bob" }, writes: true },
  { tool: "increment_value", input: { key: "number" }, writes: true },
  { tool: "delete_value", input: { key: "secret" }, writes: true },
  { tool: "reset_session", writes: true },
  { tool: "delete_session", writes: true },
];

/** Of the form of a minted handle, and never minted. */
const neverMinted = (random: Random): string =>
  `ses_${Array.from({ length: 26 }, () => ALPHABET[random.int(0, 31)]).join("")}`;

interface Owned {
  readonly session: string;
  readonly cursor: string;
}

async function own({ client }: Rig, run: Tally, index: number): Promise<Owned> {
  const created = await client.must("create_session", {}, { token: ALICE });
  const session = String(created.session_id);
  const input = { session_id: session };
  for (const note of ["one", "two"]) await client.must("add_note", { ...input, note }, { token: ALICE });
  await client.must("store_value", { ...input, key: "secret", value: index }, { token: ALICE });
  const page = await client.must("get_notes", { ...input, limit: 1 }, { token: ALICE });
  run.count();
  return { session, cursor: String(page.next_cursor) };
}

/** The same call twice, through different processes: with the foreign handle, and with one that never existed. */
async function compare(
  rig: Rig,
  run: Tally,
  random: Random,
  legacy: string,
  call: (typeof TOOLS)[number],
  foreign: string,
) {
  const { tool, input = {}, writes } = call;
  const never = neverMinted(random);
  const options: CallOptions = {
    token: BOB,
    wire: random.pick(["modern", "rest", { legacy }] as const),
    // One that he has not used: the handles come round again, and his own repeat would be answered as one.
    ...(writes && random.chance(0.5) && { key: `a key of bob's for ${never}` }),
  };
  const answers = [];
  for (const handle of [foreign, never]) {
    const { status, body } = await rig.client.raw(tool, { session_id: handle, ...input }, options);
    // On a stream the message comes under an event id of its own.
    const message = options.wire === "rest" ? body : JSON.stringify(messageOf(body));
    answers.push({ status, message: message.replaceAll(handle, "<handle>").replace(REQUEST_ID, "$1<id>") });
  }
  const [one, other] = answers.map((answer) => JSON.stringify(answer));
  run.count();
  run.expect(one === other, () => `${tool} tells handles apart: ${one} and ${other}`);
  // Deleting what is not there has always succeeded; everything else says so.
  const nothing = tool === "delete_session" ? /\\?"deleted\\*":false/ : /There is no session/;
  run.expect(nothing.test(String(one)), () => `${tool} with a foreign handle: ${one}`);
}

/** What has no handle must not lead to another caller's state either. */
async function checkTheRest({ client }: Rig, run: Tally, owned: readonly Owned[]): Promise<void> {
  const { sessions } = await client.must("list_sessions", { limit: 1000 }, { token: BOB });
  run.expect(JSON.stringify(sessions) === "[]", () => `bob is shown ${JSON.stringify(sessions).slice(0, 200)}`);
  const { hits } = await client.must("search_memory", { query: "one" }, { token: BOB });
  run.expect(JSON.stringify(hits) === "[]", () => `bob finds ${JSON.stringify(hits).slice(0, 200)}`);
  await client.must("create_session", { name: "plan" }, { token: ALICE });
  await client.must("add_note", { session_id: "plan", note: "alice's" }, { token: ALICE });
  const { notes } = await client.must("get_notes", { session_id: "plan" }, { token: BOB });
  run.expect(JSON.stringify(notes) === "[]", () => `alice's plan shows bob ${JSON.stringify(notes)}`);
  await client.must("create_session", { name: "plan" }, { token: BOB });
  await client.must("echo_cached", { text: "shared?" }, { token: ALICE });
  const { cached } = await client.must("echo_cached", { text: "shared?" }, { token: BOB });
  run.expect(cached === false, () => "bob is answered from alice's cache");
  for (const { cursor } of owned.slice(0, 100)) {
    const reply = await client.call("get_notes", { session_id: "plan", cursor }, { token: BOB });
    const refused = reply.outcome === "error" && reply.code === "invalid_input";
    run.expect(refused, () => `alice's cursor gives bob ${JSON.stringify(reply)}`);
    run.count();
  }
  const keyed = { key: "the same key" };
  await client.must("add_note", { session_id: "plan", note: "keyed" }, { ...keyed, token: ALICE });
  const reply = await client.call("add_note", { session_id: "plan", note: "keyed" }, { ...keyed, token: BOB });
  const own = reply.outcome === "ok" && !reply.replayed && reply.result.count === 1;
  run.expect(own, () => `alice's idempotency key gives bob ${JSON.stringify(reply)}`);
}

/** With the renewed token: everything is as it was. */
async function checkUnharmed({ client }: Rig, run: Tally, { session }: Owned, index: number): Promise<void> {
  const options = { token: ALICE_RENEWED };
  const { notes } = await client.must("get_notes", { session_id: session }, options);
  const { value, version } = await client.must("get_value", { session_id: session, key: "secret" }, options);
  run.count();
  const unharmed = JSON.stringify(notes) === '["one","two"]' && value === index && version === 1;
  run.expect(unharmed, () => `${session} holds ${JSON.stringify({ notes, value, version })}`);
}

export default defineBar<Scale>({
  id: "C1",
  title: "a foreign handle is answered like one that never existed",
  test: { calls: 100 },
  full: { calls: 10_000 },
  async run({ scale: { calls }, random, progress }) {
    const env = { MCP_AUTH_TOKEN: `alice=${ALICE},bob=${BOB},alice=${ALICE_RENEWED}` };
    await using rig = await startRig({ random, size: 2, env });
    const handles = Math.min(calls, HANDLES_MAX);
    const run = new Tally(progress, TOOLS.length * calls + 2 * handles + 100, rig);
    const owned: Owned[] = [];
    await inParallel(handles, WIDTH, async (index) => {
      owned[index] = await own(rig, run, index);
    });
    const choices = random.fork("choices");
    const legacy = await rig.client.initialize(BOB);
    await inParallel(calls * TOOLS.length, WIDTH, (index) => {
      const { session } = owned[Math.floor(index / TOOLS.length) % handles]!;
      return compare(rig, run, choices, legacy, TOOLS[index % TOOLS.length]!, session);
    });
    await checkTheRest(rig, run, owned);
    await inParallel(handles, WIDTH, (index) => checkUnharmed(rig, run, owned[index]!, index));
    return run.outcome();
  },
});
