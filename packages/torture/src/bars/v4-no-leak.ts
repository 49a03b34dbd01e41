// V4: sessions whose clients never come back, and requests that are refused, leave next to nothing in the process and no timer;
// what is refused writes nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { type FaultProxy, Fleet, WRITES } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { LegacySession, streamOf } from "../streams.ts";
import { Cluster, tableAt, talkingServer } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

const AT_ONCE = 16;
/** Compilers, caches and connections fill up with the first requests: the cheap ones, and then the first sessions. */
const WARM_UP = { refused: 1_000, abandoned: 200 };
const BYTES_EACH = 1_024;
/** Those to the table, of which there may be more or fewer at any moment. They have no timers. */
const CONNECTIONS_SLACK = 4 * AT_ONCE;
const SETTLE_MS = 60_000;
/** For a second after each answer, that to a measurement included, Node keeps a timer for the Date header of the next one. */
const QUIET_MS = 1_100;
const LONG_CALL_MS = 600;

interface Scale {
  readonly sessions: number;
}

interface Measured {
  readonly heapBytes: number;
  readonly timers: number;
  readonly connections: number;
}

/** Begins a session and leaves it, every fourth one in the middle of a call. */
async function abandon(address: string, at: number): Promise<void> {
  const session = await LegacySession.begin(address);
  await session.ask(address, "tools/call", {
    name: "store_value",
    arguments: { session_id: "one", key: "k", value: at },
  });
  const stream = streamOf(await session.listen(address), "the stream of a session");
  await stream.events.next();
  stream.cut();
  if (at % 4 > 0) return;
  const call = streamOf(
    await session.call(address, "talk", { label: "left", lines: 1, silenceMs: LONG_CALL_MS }),
    "talk",
  );
  await call.events.next();
  call.cut();
}

const ACCEPT = { accept: "application/json, text/event-stream", "content-type": "application/json" };
const UNKNOWN = { ...ACCEPT, "mcp-session-id": "A".repeat(32) };
const rpc = (method: string, params?: object) => JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
const note = rpc("tools/call", { name: "add_note", arguments: { note: "from nowhere" } });

/** What must be refused: method, headers, body, and the status that says so. */
const REFUSED: readonly (readonly [
  method: string,
  headers: Record<string, string>,
  body: string | undefined,
  status: number,
])[] = [
  ["POST", ACCEPT, note, 400],
  ["POST", UNKNOWN, note, 404],
  ["POST", { ...UNKNOWN, "mcp-protocol-version": "1999-01-01" }, note, 400],
  ["POST", { "content-type": "application/json", accept: "text/html" }, rpc("initialize"), 406],
  [
    "POST",
    { ...UNKNOWN },
    // With a client it would open another session: the one it carries has ended.
    rpc("initialize", { protocolVersion: "2025-11-25", capabilities: {} }),
    400,
  ],
  ["POST", ACCEPT, `[${rpc("initialize", {})},${note}]`, 400],
  ["POST", ACCEPT, "[]", 400],
  ["POST", ACCEPT, "{", 400],
  ["POST", { ...ACCEPT, origin: "https://evil.example" }, note, 403],
  ["GET", UNKNOWN, undefined, 404],
  ["GET", { ...UNKNOWN, "last-event-id": "get.1" }, undefined, 404],
  ["DELETE", UNKNOWN, undefined, 404],
];

const writesOf = (proxy: FaultProxy): number => WRITES.reduce((sum, write) => sum + (proxy.requests[write] ?? 0), 0);

async function measure(address: string): Promise<Measured> {
  await sleep(QUIET_MS);
  return (await (await fetch(new URL("/measured", address))).json()) as Measured;
}

/** As soon as no more timers live than in a server that has not been called yet, or else what there is in the end. */
async function settled(address: string, timers: number): Promise<Measured> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const now = await measure(address);
    if (now.timers <= timers || performance.now() > deadline) return now;
  }
}

export default defineBar<Scale>({
  id: "V4",
  title: "abandoned and refused sessions leave no memory, no timer and, if refused, no write",
  test: { sessions: 2_000 },
  full: { sessions: 100_000 },
  async run({ scale, random, progress }) {
    await using cluster = await Cluster.start(random);
    const proxy = await cluster.proxy();
    await using closing = new AsyncDisposableStack();
    closing.defer(() => proxy.close());
    await using fleet = await Fleet.start({ size: 1, ...talkingServer(tableAt(proxy.endpoint), ["--expose-gc"]) });
    const address = fleet.live[0]?.address ?? "";
    const tally = new Tally(progress, 2 * scale.sessions);
    const figures: string[] = [];
    // Closes the connections of those who asked whether the server is ready.
    await measure(address);
    const { timers: own } = await measure(address);

    const refuse = async (at: number) => {
      const [method, headers, body, status] = REFUSED[at % REFUSED.length] as (typeof REFUSED)[number];
      const response = await fetch(new URL("/mcp", address), { method, headers, ...(body !== undefined && { body }) });
      const text = await response.text();
      tally.expect(response.status === status, () => `${method} ${body}: ${response.status}, not ${status}: ${text}`);
    };
    /** Does it so often, after a warm-up, and complains about what that leaves. */
    const leaves = async (what: string, warmUp: number, once: (at: number) => Promise<void>) => {
      await inParallel(Array.from({ length: warmUp }), AT_ONCE, (_, at) => once(at));
      const before = await settled(address, own);
      await inParallel(Array.from({ length: scale.sessions }), AT_ONCE, async (_, at) => {
        await once(at);
        tally.count();
      });
      const after = await settled(address, own);
      const bytesEach = Math.round((after.heapBytes - before.heapBytes) / scale.sessions);
      const timers = after.timers - own;
      figures.push(`${scale.sessions} ${what}: ${bytesEach} bytes of heap each and ${timers} timers are left.`);
      tally.expect(bytesEach <= BYTES_EACH, () => `Each of the ${what} leaves ${bytesEach} bytes.`);
      tally.expect(timers === 0, () => `The ${what} leave ${timers} timers.`);
      const connections = after.connections - before.connections;
      tally.expect(connections <= CONNECTIONS_SLACK, () => `The ${what} leave ${connections} connections.`);
    };

    // First, while nothing else is under way that writes.
    await leaves("refused requests", WARM_UP.refused, refuse);
    tally.expect(writesOf(proxy) === 0, () => `Refused requests have written ${writesOf(proxy)} times.`);
    await leaves("abandoned sessions", WARM_UP.abandoned, (at) => abandon(address, at));
    return { ...tally.outcome(proxy.faults), figures };
  },
});
