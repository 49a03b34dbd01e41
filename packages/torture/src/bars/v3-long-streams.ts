// V3: every kind of stream that may be silent for long stays open through middleboxes that cut silent connections, and then still
// delivers what it was opened for.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Fleet, IdleCutter } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { LegacySession, type Opened, openModern, streamOf, type WireEvent } from "../streams.ts";
import { callServer } from "./calls.ts";
import { Cluster, tableAt, talkingServer } from "./rig.ts";
import { Tally } from "./tally.ts";

const NOTES = "session://watched/notes";

interface Scale {
  readonly silenceMs: number;
  readonly cutAfterMs: readonly number[];
}

interface Kind {
  readonly what: string;
  readonly stream: Promise<Opened>;
  /** Whether this is what the stream was opened for. */
  readonly isAwaited: (event: WireEvent) => boolean;
}

const isAnswer = ({ message }: WireEvent): boolean => message?.result !== undefined;
const isUpdate = ({ message }: WireEvent): boolean => message?.method === "notifications/resources/updated";

async function beginWatching(address: string): Promise<LegacySession> {
  const session = await LegacySession.begin(address);
  await session.ask(address, "resources/subscribe", { uri: NOTES });
  return session;
}

/** Every kind at once. The calls answer when the silence is over; the others are told of a change then. */
function openAll(session: LegacySession, address: string, silenceMs: number): Kind[] {
  const input = { label: "long", lines: 0, silenceMs };
  const call = { name: "talk", arguments: input };
  const notifications = { resourceSubscriptions: [NOTES] };
  return [
    { what: "the stream of a 2025-era session", stream: session.listen(address), isAwaited: isUpdate },
    { what: "a long 2025-era call", stream: session.call(address, "talk", input), isAwaited: isAnswer },
    {
      what: "subscriptions/listen",
      stream: openModern(address, "subscriptions/listen", { notifications }),
      isAwaited: isUpdate,
    },
    { what: "a long modern call", stream: openModern(address, "tools/call", call), isAwaited: isAnswer },
  ];
}

/** Reads until what it was opened for has come. False when it ends before. */
async function delivers(opened: Promise<Opened>, isAwaited: Kind["isAwaited"]): Promise<boolean> {
  for await (const event of streamOf(await opened, "it").events) if (isAwaited(event)) return true;
  return false;
}

/** Whether the cutter cuts at all: a connection to somebody who never says anything. */
async function cutsSilence(silenceMs: number, cutAfterMs: number): Promise<boolean> {
  const held = new Set<Socket>();
  const silent = createServer((socket) => held.add(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  await using cutter = await IdleCutter.start(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, cutAfterMs);
  const socket = connect(Number(new URL(cutter.address).port), "127.0.0.1");
  const leaving = new AbortController();
  const cut = await Promise.race([
    once(socket, "close").then(() => true),
    sleep(silenceMs, false, { signal: leaving.signal }),
  ]);
  leaving.abort();
  socket.destroy();
  silent.close();
  for (const one of held) one.destroy();
  return cut;
}

export default defineBar<Scale>({
  id: "V3",
  title: "silent streams outlive middleboxes that cut silence",
  test: { silenceMs: 35_000, cutAfterMs: [30_000] },
  full: { silenceMs: 600_000, cutAfterMs: [30_000, 60_000] },
  async run({ scale, random, progress }) {
    const { silenceMs, cutAfterMs } = scale;
    await using cluster = await Cluster.start(random);
    await using fleet = await Fleet.start({
      size: 2,
      ...talkingServer(tableAt(`http://127.0.0.1:${cluster.engine.port}`)),
    });
    const [near = "", other = ""] = fleet.live.map(({ address }) => address);
    const tally = new Tally(progress, 5 * cutAfterMs.length);
    const cuts = cutAfterMs.map((milliseconds) => cutsSilence(silenceMs, milliseconds));
    await using cutters = new AsyncDisposableStack();
    /** For each stream, in the end: what became of it, when that is not what it was opened for. */
    const streams: Promise<string | undefined>[] = [];
    for (const milliseconds of cutAfterMs) {
      const { address } = cutters.use(await IdleCutter.start(near, milliseconds));
      for (const { what, stream, isAwaited } of openAll(await beginWatching(address), address, silenceMs)) {
        const failed = (reason: unknown) => `${what} did not outlive a cutter of ${milliseconds / 1000} s: ${reason}.`;
        streams.push(delivers(stream, isAwaited).then((came) => (came ? undefined : failed("it ended")), failed));
      }
    }
    await sleep(silenceMs);
    await callServer(other, "add_note", { session_id: "watched", note: "after a long silence" });
    for (const stream of streams) {
      const complaint = await stream;
      tally.count();
      tally.expect(complaint === undefined, () => String(complaint));
    }
    for (const cut of cuts) {
      tally.count();
      tally.expect(await cut, () => "A cutter let a silent connection live, so the run shows nothing.");
    }
    return tally.outcome({ "silent connections cut": cuts.length });
  },
});
