// Callers that use the same JSON-RPC ids at the same time on the same processes, some of them hanging up in the middle: every
// answer goes to the call it belongs to.
import { randomBytes } from "node:crypto";
import { defineBar } from "../bars.ts";
import { type CallOptions, messageOf, type RawReply, read } from "../client.ts";
import { startRig } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

interface Scale {
  readonly calls: number;
}

const WIDTH = 24;
const IDS: readonly (number | string)[] = [0, 1, "1", 2];
const HUNG_UP = 0.05;
const HANG_UP_AFTER_MILLISECONDS = 5;
const USERS = ["alice", "bob"].map((name) => ({ name, token: randomBytes(32).toString("base64url") }));
const VALUES = 20;
/** Each is used by one call at a time, as the ids within one session must differ. */
const LEGACY_SESSIONS = 2 * WIDTH;

export default defineBar<Scale>({
  id: "C2",
  title: "colliding request ids: no answer goes to the wrong call",
  test: { calls: 5_000 },
  full: { calls: 100_000 },
  async run({ scale, random, progress }) {
    const env = { MCP_AUTH_TOKEN: USERS.map(({ name, token }) => `${name}=${token}`).join(",") };
    await using rig = await startRig({ random, size: 2, env });
    const { client } = rig;
    const run = new Tally(progress, scale.calls, rig);
    for (const { name, token } of USERS)
      for (let at = 0; at < VALUES; at++)
        await client.must("store_value", { session_id: "own", key: `key ${at}`, value: `${name} ${at}` }, { token });
    const legacy = new Map<string, string[]>();
    for (const { token } of USERS) {
      const sessions: string[] = [];
      await inParallel(LEGACY_SESSIONS, WIDTH, async () => void sessions.push(await client.initialize(token)));
      legacy.set(token, sessions);
    }
    let hungUp = 0;
    await inParallel(scale.calls, WIDTH, async () => {
      const { name, token } = random.pick(USERS);
      const at = random.int(0, VALUES - 1);
      const id = random.pick(IDS);
      const session = random.chance(0.3) ? legacy.get(token)?.shift() : undefined;
      const options: CallOptions = { token, id, ...(session !== undefined && { wire: { legacy: session } }) };
      const input = { session_id: "own", key: `key ${at}` };
      run.count();
      if (random.chance(HUNG_UP)) {
        const signal = AbortSignal.timeout(random.int(0, HANG_UP_AFTER_MILLISECONDS));
        // Its session is not used again: the call that was left may still run in it.
        await client.raw("get_value", input, { ...options, signal }).catch(() => hungUp++);
        return;
      }
      client.sent++;
      const answer = await client.raw("get_value", input, options).catch((error: Error) => error);
      if (session !== undefined) legacy.get(token)?.push(session);
      if (answer instanceof Error) return;
      client.answered++;
      const wrong = problemOf(answer, id, `${name} ${at}`);
      run.expect(wrong === undefined, () => `${name} asked for value ${at} as ${JSON.stringify(id)}: ${wrong}`);
    });
    return run.outcome({ "hung up": hungUp });
  },
});

function problemOf(answer: RawReply, id: number | string, value: string): string | undefined {
  const message = messageOf(answer.body);
  if (message.id !== id) return `the answer is for ${JSON.stringify(message.id)}`;
  const reply = read(answer);
  if (reply.outcome !== "ok") return JSON.stringify(reply);
  return reply.result.value === value ? undefined : `the value is ${JSON.stringify(reply.result.value)}`;
}
