// V2: instances that are restarted one after the other, gently under load and with kill -9, behind a load balancer: no accepted
// request fails, nothing acknowledged is lost, and no client has to begin again.
import { setTimeout as sleep } from "node:timers/promises";
import { type CallSettings, ERAS, Fleet, type Member, OfficialClient, RoundRobin, ToolError } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { openModern, streamOf } from "../streams.ts";
import { startGround, talkingServer } from "./rig.ts";
import { Tally } from "./tally.ts";

const PROCESSES = 3;
const DRAIN_MS = 25_000;
const WORKERS = 6;
const LONG_CALL_EVERY = 8;
const LONG_CALL_MS = 2_500;
const CONVERSATION_CALLS = 200;
/** A call whose process was killed is not answered any more; its claim is held for some seconds. */
const GIVE_UP_MS = 8_000;
const SETTLE_MS = 90_000;

interface Scale {
  readonly restarts: number;
  /** Instances killed during each conversation. */
  readonly kills: number;
}

interface Rig {
  readonly fleet: Fleet;
  readonly balancer: RoundRobin;
  readonly tally: Tally;
  /** Told to end, so no longer sent anything, as when a target is taken out before it is stopped. */
  readonly leaving: Set<Member>;
}

const connect = (era: "legacy" | "modern", { balancer }: Rig) =>
  OfficialClient.connect(era, { address: () => balancer.address });

/** Calls without pause, some of them long. Nothing is sent twice: every failure counts. */
async function work(rig: Rig, worker: number, isOver: () => boolean): Promise<void> {
  const { tally } = rig;
  const era = ERAS[worker % ERAS.length] ?? "modern";
  const client = await connect(era, rig);
  const session_id = `worker ${worker}`;
  for (let call = 1; !isOver(); call++) {
    const long = call % LONG_CALL_EVERY === worker % LONG_CALL_EVERY;
    try {
      if (long) await client.call("talk", { label: session_id, lines: 3, silenceMs: LONG_CALL_MS });
      const { value } = await client.call("increment_value", { session_id, key: "calls" });
      tally.count();
      tally.expect(value === call, () => `${era} ${session_id}: call ${call} was answered with ${value}.`);
    } catch (error) {
      tally.count(false);
      tally.expect(false, () => `${era} ${session_id}: call ${call} failed: ${error}`);
    }
  }
  tally.expect(client.sent.initialize === (era === "legacy" ? 1 : 0), () => `${era} ${session_id} began again.`);
  await client.close();
}

/** Takes a member out, starts its successor, ends it, and complains unless it ends by itself in time, streams and all. */
async function restart({ fleet, leaving, tally }: Rig, member: Member): Promise<void> {
  const watching = { notifications: { resourceSubscriptions: ["session://worker 0/notes"] } };
  const stream = streamOf(await openModern(member.address, "subscriptions/listen", watching), "subscriptions/listen");
  const answered = (async () => {
    for await (const { message } of stream.events) if (message?.result) return true;
    return false;
  })();
  leaving.add(member);
  const next = await fleet.roll(member);
  tally.expect(member.process.exitCode === 0, () => `A restarted process ended with ${member.process.exitCode}.`);
  tally.expect(await answered, () => "A stream of changes was cut instead of ended by a process that drained.");
  tally.expect(next.process.running, () => "A restarted process is not running.");
}

async function rollingRestart(rig: Rig, restarts: number): Promise<void> {
  let over = false;
  let slowestMs = 0;
  const workers = Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(rig, worker, () => over)));
  try {
    for (let at = 0; at < restarts; at++) {
      const member = rig.fleet.live[0];
      if (!member) throw new Error("No process is running.");
      const started = performance.now();
      await restart(rig, member);
      slowestMs = Math.max(slowestMs, performance.now() - started);
    }
  } finally {
    over = true;
    await workers;
  }
  rig.tally.expect(slowestMs < DRAIN_MS, () => `A restart took ${Math.round(slowestMs)} ms.`);
}

/** Sends a call with an idempotency key until it is answered for good. */
async function settle(client: OfficialClient, name: string, input: Record<string, unknown>, settings: CallSettings) {
  const deadline = performance.now() + SETTLE_MS;
  for (let attempts = 1; ; attempts++) {
    try {
      return { result: await client.call(name, input, { ...settings, timeoutMs: GIVE_UP_MS }), attempts };
    } catch (error) {
      if ((error instanceof ToolError && !error.retryable) || performance.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

/** What a client says between two kills. */
async function say({ tally }: Rig, client: OfficialClient, from: number, to: number, onCall: (call: number) => void) {
  const session_id = `conversation ${client.era}`;
  let resent = 0;
  for (let call = from; call < to; call++) {
    onCall(call);
    const key = `${session_id} ${call}`;
    const { result, attempts } = await settle(client, "add_note", { session_id, note: key }, { key });
    resent += attempts - 1;
    tally.count();
    tally.expect(result.count === call + 1, () => `${key}: acknowledged as note ${result.count}.`);
  }
  return resent;
}

/** Conversations of both eras, in each part of which an instance is killed and another one started. */
async function conversations(rig: Rig, kills: number): Promise<number> {
  const { fleet, tally } = rig;
  const clients = await Promise.all(ERAS.map((era) => connect(era, rig)));
  const [legacy] = clients;
  let told = 0;
  let heard = Promise.withResolvers<void>();
  await legacy?.subscribe("session://signals/notes", () => {
    told++;
    heard.resolve();
  });
  const signaller = await connect("modern", rig);
  const signal = (note: string) => settle(signaller, "add_note", { session_id: "signals", note }, { key: note });
  let resent = 0;
  for (let part = 0; part < kills; part++) {
    const from = Math.floor((CONVERSATION_CALLS * part) / kills);
    const to = Math.floor((CONVERSATION_CALLS * (part + 1)) / kills);
    const victim = fleet.live[0];
    let replaced: Promise<unknown> | undefined;
    const onCall = (call: number) => {
      if (call === Math.floor((from + to) / 2) && victim) replaced ??= fleet.replace(victim);
    };
    for (const count of await Promise.all(clients.map((client) => say(rig, client, from, to, onCall)))) resent += count;
    await replaced;
    heard = Promise.withResolvers<void>();
    await signal(`signal ${part}`);
    await Promise.race([heard.promise, sleep(SETTLE_MS, undefined, { ref: false })]);
    tally.count();
    tally.expect(told > part, () => `After kill ${part + 1} the stream told of ${told} changes.`);
  }
  for (const client of clients) {
    const { era, sent } = client;
    const session_id = `conversation ${era}`;
    const expected = Array.from({ length: CONVERSATION_CALLS }, (_, call) => `${session_id} ${call}`);
    const { result } = await settle(client, "get_notes", { session_id, limit: CONVERSATION_CALLS }, {});
    tally.expect(
      JSON.stringify(result.notes) === JSON.stringify(expected),
      () => `${session_id}: what was acknowledged is not what is there: ${JSON.stringify(result.notes).slice(0, 300)}`,
    );
    tally.expect(sent.initialize === (era === "legacy" ? 1 : 0), () => `The ${era} client had to begin again.`);
  }
  tally.expect((legacy?.sent.resumed ?? 0) > 0, () => "The stream was never interrupted, so the run shows nothing.");
  await Promise.all([...clients, signaller].map((client) => client.close()));
  return resent;
}

export default defineBar<Scale>({
  id: "V2",
  title: "restarts one after the other, gentle or not: nothing accepted fails, no session is lost",
  test: { restarts: 2, kills: 3 },
  full: { restarts: 10, kills: 20 },
  places: ["table", "file"],
  async run({ place, scale, random, progress }) {
    await using ground = await startGround(place, random);
    const tally = new Tally(progress, ERAS.length * CONVERSATION_CALLS + scale.kills);
    await using fleet = await Fleet.start({ size: PROCESSES, ...talkingServer(await ground.forServers()) });
    const leaving = new Set<Member>();
    const addresses = () => fleet.live.filter((member) => !leaving.has(member)).map(({ address }) => address);
    await using balancer = await RoundRobin.start(addresses);
    const rig: Rig = { fleet, balancer, tally, leaving };
    await rollingRestart(rig, scale.restarts);
    const resent = await conversations(rig, scale.kills);
    return tally.outcome({ restart: scale.restarts, kill: scale.kills, "call sent again": resent });
  },
});
