// One GET of a 2025-era client: from where a stream goes on, and the loop that delivers what other instances keep for it. Knows the
// table's event log and an open stream; knows no HTTP.
import type { JSONRPCMessage, JSONRPCNotification } from "@modelcontextprotocol/server";
import { versionOf } from "../../calls/call-resource.ts";
import type { Services } from "../../calls/services.ts";
import type { Principal } from "../../principal.ts";
import { backoff, pause } from "../../waiting.ts";
import type { SseStream } from "../sse.ts";
import { cannotResume, type StreamEvent, type StreamPlace } from "./events.ts";
import type { LegacyState } from "./state.ts";
import { streamBeganAt } from "./transport.ts";
import type { LegacySession } from "./transport-sessions.ts";

/** From this revision on clients read an event without data. */
export const PRIMING_SINCE = "2025-11-25";
/** The stream that belongs to a session and to none of its calls. */
export const STANDALONE = "get";
const POLL_FIRST_MS = 100;
const POLL_MAX_MS = 2_000;
/** How often an open stream asks whether its session has been ended elsewhere. */
const ALIVE_CHECK_MS = 5_000;
/** A resumed call that says nothing for so long has lost its instance. */
const SILENCE_MS = 120_000;
/** On top of the longest that a call takes: retries under way and clocks that differ. */
const CALL_MARGIN_MS = 60_000;

/** An event a client names in `Last-Event-ID`. */
export interface EventPosition {
  readonly stream: string;
  readonly sequence: number;
}

export const eventId = (stream: string, sequence: number): string => `${stream}.${sequence}`;
export function parseEventId(id: string): EventPosition | undefined {
  const [, stream, sequence] = /^([A-Za-z0-9_-]{1,32})\.(\d{1,12})$/.exec(id) ?? [];
  return stream === undefined || sequence === undefined ? undefined : { stream, sequence: Number(sequence) };
}

/** Where a stream begins or goes on. */
export interface StartingPoint {
  readonly principal: Principal;
  readonly place: StreamPlace;
  /** Sequence of the last event that the client has. */
  readonly after: number;
  /** What follows, where the client resumes. */
  readonly first: readonly StreamEvent[];
  /** Of a stream that a session has one of: what the session says of it while no other has taken its place. */
  readonly holder?: string | undefined;
}

/** Decides from where a GET is served. @throws AppError `not_found` when what the client asks for is no longer kept. */
export async function startingPoint(
  services: Services,
  { events }: LegacyState,
  of: { principal: Principal; session: LegacySession; from: EventPosition | undefined },
): Promise<StartingPoint> {
  const { principal, session, from } = of;
  const stream = from?.stream ?? STANDALONE;
  const place: StreamPlace = {
    principal: principal.id,
    session: session.id,
    stream,
    ...(stream === STANDALONE && { expiresAt: session.hardEnd }),
  };
  const after = from?.sequence ?? (await events.tail(place));
  // The first read decides whether the stream can be resumed at all; later ones only go on from there.
  const first = from ? await events.resume(place, after) : [];
  if (stream !== STANDALONE && after === 0 && first.length === 0 && isOver(services, stream)) throw cannotResume();
  return { principal, place, after, first };
}

/** Sends events until the stream is closed, its call is answered, its session has ended, or another instance holds its stream. */
export async function deliver(
  services: Services,
  legacy: LegacyState,
  { principal, place, after, first, holder }: StartingPoint,
  sse: SseStream,
  signal: AbortSignal,
): Promise<void> {
  const { stream, session } = place;
  const ofCall = stream !== STANDALONE;
  const tell = (message: JSONRPCMessage) => legacy.events.append(place, JSON.stringify(message));
  const watching = services.state.watched.open(principal);
  let subscribed = !ofCall;
  let events = first;
  let position = after;
  let quietSince = performance.now();
  let checkedAt = performance.now();
  let pauseMs = backoff(POLL_FIRST_MS, POLL_MAX_MS, 1.5);
  try {
    while (!sse.closed) {
      for (const event of events) {
        await sse.room();
        sse.send({ id: eventId(stream, event.sequence), data: event.message });
        position = event.sequence;
      }
      if (ofCall && events.some((event) => isAnswer(event.message))) return;
      if (events.length > 0) {
        pauseMs = backoff(POLL_FIRST_MS, POLL_MAX_MS, 1.5);
        quietSince = performance.now();
      }
      if (ofCall && performance.now() - quietSince > SILENCE_MS) return;
      await pause(watching.pauseMs(pauseMs()), signal);
      if (sse.closed) return;
      if (performance.now() - checkedAt > ALIVE_CHECK_MS) {
        checkedAt = performance.now();
        const found = await legacy.sessions.find(principal.id, session);
        if (!found || (holder !== undefined && found.stream !== holder)) return;
        // A change since the subscription is told all the same: the subscription holds the version of its own time.
        subscribed = !ofCall;
      }
      if (subscribed) {
        const watched = await tellChanges(services, legacy, { principal, session, signal }, tell);
        watching.watches(watched);
        subscribed = watched > 0;
      }
      events = await legacy.events.read(place, position);
    }
  } finally {
    watching.end();
  }
}

/**
 * Tells of what has changed since a session's client was told last. Resolves to how much it has subscribed to. What is told is
 * noted afterwards: a crash in between tells twice, never not at all.
 */
async function tellChanges(
  services: Services,
  { subscriptions }: LegacyState,
  { principal, session, signal }: { principal: Principal; session: string; signal: AbortSignal },
  tell: (message: JSONRPCNotification) => Promise<unknown>,
): Promise<number> {
  const all = await subscriptions.list(principal.id, session);
  for (const { uri, version: seen } of all) {
    const version = await versionOf(services, { principal, transportSession: session }, { uri }, signal);
    if (version === seen) continue;
    await tell({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } });
    await subscriptions.told(principal.id, session, { uri, version });
  }
  return all.length;
}

/** True when the call that opened this stream must be over: its time limit and a margin have passed. */
function isOver({ state: { clock, limits } }: Services, stream: string): boolean {
  return clock.now() - streamBeganAt(stream) > limits.callTimeoutMs + CALL_MARGIN_MS;
}

/** Of a message that a server here has sent. */
const isAnswer = (message: string): boolean => !("method" in (JSON.parse(message) as object));
