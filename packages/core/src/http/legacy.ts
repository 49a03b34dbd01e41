// 2025-era sessions over Streamable HTTP, on any instance: no transport outlives its request. What a session is lies in the
// table; each POST builds a server, restores the session in it, and connects it to an Exchange.
import {
  type AuthInfo,
  isInitializeRequest,
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type McpServerFactory,
  parseJSONRPCMessage,
  SUPPORTED_PROTOCOL_VERSIONS,
} from "@modelcontextprotocol/server";
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Principal } from "../principal.ts";
import { cannotResume, type EventLog, type StreamPlace } from "../state/events.ts";
import type { LegacySession, LegacySessions } from "../state/legacy-sessions.ts";
import { cancelAddress, Exchange, newStreamName, responseAddress, streamBeganAt } from "./exchange.ts";
import { openSse } from "./sse.ts";

export interface LegacyOptions {
  sessions: LegacySessions;
  events: EventLog;
  factory: McpServerFactory;
  logger: Logger;
  clock: Clock;
  /** The longest that a call takes before it answers or asks its client something. */
  callTimeoutMs: number;
  /** False: a stream is served only to resume a call. */
  standingStreams: boolean;
  inBackground: (work: Promise<unknown>) => void;
  /** Tells of changes that the session's client subscribed to. False when it has subscribed to nothing. */
  tellChanges: (
    of: { principal: Principal; session: string; signal: AbortSignal },
    tell: (message: JSONRPCMessage) => Promise<unknown>,
  ) => Promise<boolean>;
}

/** Who sends the request, and as whom the SDK knows them. */
export interface LegacyCaller {
  readonly principal: Principal;
  readonly authInfo: AuthInfo;
}

const SESSION_HEADER = "mcp-session-id";
const BATCH_MAX = 100;
/** From this revision on clients read an event without data. */
const PRIMING_SINCE = "2025-11-25";
const STANDALONE = "get";
const POLL_FIRST_MS = 100;
const POLL_MAX_MS = 2_000;
/** How often an open stream asks whether its session has been ended elsewhere. */
const ALIVE_CHECK_MS = 5_000;
/** A resumed call that says nothing for so long has lost its instance. */
const SILENCE_MS = 120_000;
/** On top of the longest that a call takes: retries under way and clocks that differ. */
const CALL_MARGIN_MS = 60_000;

export class LegacyHttp {
  readonly #options: LegacyOptions;
  /** Exchanges under way in this process, by principal and session: the short way for answers and cancellations. */
  readonly #exchanges = new Map<string, Set<Exchange>>();
  readonly #streams = new Set<() => void>();
  #closed = false;

  constructor(options: LegacyOptions) {
    this.#options = options;
  }

  /** Answers GET, POST and DELETE of 2025-era clients. `body` is the parsed body of a POST. */
  async fetch(request: Request, caller: LegacyCaller, body: unknown): Promise<Response> {
    try {
      if (request.method === "POST") return await this.#post(request, caller, body);
      if (request.method === "GET") return await this.#get(request, caller);
      if (request.method === "DELETE") return await this.#delete(request, caller);
      return rpcError(405, -32_000, "Method not allowed.", { Allow: "GET, POST, DELETE" });
    } catch (error) {
      if (error instanceof AppError) return rpcError(error.status, -32_000, error.message);
      throw error;
    }
  }

  /** Ends all streams, so that their clients go on elsewhere. Calls under way are answered first by whoever waits for them. */
  close(): void {
    this.#closed = true;
    for (const end of this.#streams) end();
  }

  async #post(request: Request, caller: LegacyCaller, body: unknown): Promise<Response> {
    const accept = request.headers.get("accept") ?? "";
    if (!accepts(accept, "application/json") || !accepts(accept, "text/event-stream"))
      return rpcError(406, -32_000, "Not Acceptable: accept both application/json and text/event-stream.");
    const batch = Array.isArray(body);
    const given: unknown[] = Array.isArray(body) ? body : [body];
    if (given.length === 0 || given.length > BATCH_MAX)
      return rpcError(400, -32_600, `A batch holds 1 to ${BATCH_MAX} messages; this one has ${given.length}.`);
    const messages: JSONRPCMessage[] = [];
    for (const one of given) {
      try {
        messages.push(parseJSONRPCMessage(one));
      } catch {
        return rpcError(400, -32_600, "Invalid Request: not a JSON-RPC message.");
      }
    }
    if (messages.some(isInitializeRequest)) return this.#initialize(request, caller, messages);

    const session = await this.#session(request, caller);
    if (session instanceof Response) return session;
    this.#options.inBackground(this.#options.sessions.touch(caller.principal.id, session));
    const requests = messages.filter(isJSONRPCRequest);
    if (requests.length > 0) return this.#exchange(request, caller, session, messages, batch);
    for (const message of messages) await this.#relay(caller, session, message);
    return new Response(null, { status: 202 });
  }

  async #initialize(request: Request, caller: LegacyCaller, messages: readonly JSONRPCMessage[]): Promise<Response> {
    const [message] = messages;
    if (messages.length !== 1 || !message || !isInitializeRequest(message) || !isJSONRPCRequest(message))
      return rpcError(400, -32_600, "initialize must be alone in its request.");
    if (request.headers.has(SESSION_HEADER))
      return rpcError(400, -32_600, "This session is initialized. Leave Mcp-Session-Id out to begin another.");
    const exchange = this.#newExchange(caller, undefined, "");
    await this.#connect(exchange, request, caller);
    const response = await exchange.respond([message], false, { authInfo: caller.authInfo, request });
    const answer = (await response.json()) as { result?: { protocolVersion?: string } };
    // Refused: nothing was created, so nothing is left.
    if (!answer.result?.protocolVersion) return Response.json(answer);
    const session = await this.#options.sessions.create(
      caller.principal.id,
      message.params,
      answer.result.protocolVersion,
    );
    return Response.json(answer, { headers: { [SESSION_HEADER]: session.id } });
  }

  async #exchange(
    request: Request,
    caller: LegacyCaller,
    session: LegacySession,
    messages: readonly JSONRPCMessage[],
    batch: boolean,
  ): Promise<Response> {
    const exchange = this.#newExchange(caller, session, session.protocolVersion);
    await this.#connect(exchange, request, caller);
    await exchange.prepare(restoring(session));
    const key = `${caller.principal.id} ${session.id}`;
    const siblings = this.#exchanges.get(key) ?? new Set();
    this.#exchanges.set(key, siblings.add(exchange));
    const closeServer = exchange.onclose;
    exchange.onclose = () => {
      siblings.delete(exchange);
      if (siblings.size === 0) this.#exchanges.delete(key);
      closeServer?.();
    };
    for (const message of messages) {
      if (!isJSONRPCRequest(message) || message.method !== "logging/setLevel") continue;
      const { level } = (message.params ?? {}) as { level?: unknown };
      if (typeof level === "string" && level.length <= 20)
        await this.#options.sessions.setLogLevel(caller.principal.id, session.id, level);
    }
    return exchange.respond(messages, batch, { authInfo: caller.authInfo, request });
  }

  #newExchange(caller: LegacyCaller, session: LegacySession | undefined, protocolVersion: string): Exchange {
    const { events, sessions, logger } = this.#options;
    const principal = caller.principal.id;
    const id = session?.id ?? "";
    const exchange = new Exchange({
      sessionId: id,
      stream: newStreamName(this.#options.clock.now()),
      headers: session ? { [SESSION_HEADER]: id } : {},
      priming: protocolVersion >= PRIMING_SINCE,
      keep: async (stream, message) =>
        eventId(stream, await events.append({ principal, session: id, stream }, message)),
      takeMessage: (address) => sessions.message(principal, id, address),
    });
    exchange.onerror = (error) => logger.warn({ err: error.message }, "an event was not kept");
    return exchange;
  }

  async #connect(exchange: Exchange, request: Request, caller: LegacyCaller): Promise<void> {
    const server = await this.#options.factory({ era: "legacy", authInfo: caller.authInfo, requestInfo: request });
    const onerror = exchange.onerror;
    await server.connect(exchange);
    exchange.onerror = onerror;
  }

  /** A response or a cancellation: to the exchange that waits for it, here or, through the table, elsewhere. */
  async #relay(caller: LegacyCaller, session: LegacySession, message: JSONRPCMessage): Promise<void> {
    const address = addressOf(message);
    if (address === undefined) return;
    const here = this.#exchanges.get(`${caller.principal.id} ${session.id}`) ?? [];
    for (const exchange of here) if (exchange.deliver(address, message)) return;
    await this.#options.sessions.leaveMessage(caller.principal.id, session.id, address, message);
  }

  async #delete(request: Request, caller: LegacyCaller): Promise<Response> {
    const session = await this.#session(request, caller);
    if (session instanceof Response) return session;
    await this.#options.sessions.end(caller.principal.id, session.id);
    return new Response(null, { status: 200 });
  }

  async #get(request: Request, caller: LegacyCaller): Promise<Response> {
    const resume = request.headers.get("last-event-id");
    const from = resume === null ? undefined : parseEventId(resume);
    const stream = from?.stream ?? STANDALONE;
    if (stream === STANDALONE && !this.#options.standingStreams)
      return rpcError(405, -32_000, "This server keeps no stream open without a call.", { Allow: "POST, DELETE" });
    if (!accepts(request.headers.get("accept") ?? "", "text/event-stream"))
      return rpcError(406, -32_000, "Not Acceptable: accept text/event-stream.");
    const session = await this.#session(request, caller);
    if (session instanceof Response) return session;
    const principal = caller.principal.id;
    if (resume !== null && !from) return rpcError(400, -32_000, "Last-Event-ID is not one that this server sent.");
    const place: StreamPlace = {
      principal,
      session: session.id,
      stream,
      ...(stream === STANDALONE && { expiresAt: session.hardEnd }),
    };
    const { events: log } = this.#options;
    const after = from?.sequence ?? (await log.tail(place));
    // The first read decides whether the stream can be resumed at all; later ones only go on from there.
    const first = from ? await log.resume(place, after) : [];
    if (stream !== STANDALONE && after === 0 && first.length === 0 && this.#isOver(stream)) throw cannotResume();
    const abort = new AbortController();
    const sse = openSse({ headers: { [SESSION_HEADER]: session.id }, onClose: () => abort.abort() });
    // Also a stream that is cut before its first event has a place to go on from.
    if (!from && session.protocolVersion >= PRIMING_SINCE) sse.send({ id: eventId(stream, after), data: "" });
    const end = () => sse.close();
    this.#streams.add(end);
    if (this.#closed) end();
    request.signal.addEventListener("abort", end, { once: true });
    const of = { principal: caller.principal, session: session.id, signal: abort.signal };
    const tellChanges = () =>
      this.#options.tellChanges(of, (message) => this.#options.events.append(place, JSON.stringify(message)));
    const deliver = async () => {
      let subscribed = stream === STANDALONE;
      let events = first;
      let position = after;
      let quietSince = performance.now();
      let checkedAt = performance.now();
      for (let pollMs = POLL_FIRST_MS; !sse.closed; ) {
        for (const event of events) {
          sse.send({ id: eventId(stream, event.sequence), data: event.message });
          position = event.sequence;
        }
        if (stream !== STANDALONE && events.some((event) => isAnswer(event.message))) return;
        pollMs = events.length > 0 ? POLL_FIRST_MS : Math.min(pollMs * 1.5, POLL_MAX_MS);
        if (events.length > 0) quietSince = performance.now();
        if (stream !== STANDALONE && performance.now() - quietSince > SILENCE_MS) return;
        await pause(pollMs, abort.signal);
        if (sse.closed) return;
        if (performance.now() - checkedAt > ALIVE_CHECK_MS) {
          checkedAt = performance.now();
          if (!(await this.#options.sessions.find(principal, session.id))) return;
          // What changed since the subscription is told of all the same: it holds the version of its own time.
          subscribed = stream === STANDALONE;
        }
        if (subscribed) subscribed = await tellChanges();
        events = await this.#options.events.read(place, position);
      }
    };
    void deliver()
      .catch((error: unknown) => this.#options.logger.warn({ err: error }, "a stream ended early"))
      .finally(() => {
        this.#streams.delete(end);
        end();
      });
    return sse.response;
  }

  /** Whether a call, on whichever instance, can no longer say its first word: it has, and that has expired, or it was lost. */
  #isOver(stream: string): boolean {
    const { clock, callTimeoutMs } = this.#options;
    return clock.now() - streamBeganAt(stream) > callTimeoutMs + CALL_MARGIN_MS;
  }

  /** The session a request belongs to, or the response that refuses it. */
  async #session(request: Request, caller: LegacyCaller): Promise<LegacySession | Response> {
    const id = request.headers.get(SESSION_HEADER);
    if (id === null)
      return rpcError(400, -32_000, "Mcp-Session-Id is missing. Send initialize first and pass on its header.");
    const version = request.headers.get("mcp-protocol-version");
    if (version !== null && !SUPPORTED_PROTOCOL_VERSIONS.includes(version)) {
      const known = SUPPORTED_PROTOCOL_VERSIONS.join(", ");
      return rpcError(
        400,
        -32_000,
        `Bad Request: unsupported protocol version ${JSON.stringify(version.slice(0, 20))} (supported: ${known}).`,
      );
    }
    const session = id.length > 128 ? undefined : await this.#options.sessions.find(caller.principal.id, id);
    return session ?? rpcError(404, -32_001, "Session not found. Send initialize to begin a new one.");
  }
}

/** What brings a new server to where the session stands. */
function restoring(session: LegacySession): JSONRPCMessage[] {
  const messages: JSONRPCMessage[] = [
    { jsonrpc: "2.0", id: "restore", method: "initialize", params: JSON.parse(session.initialize) },
    { jsonrpc: "2.0", method: "notifications/initialized" },
  ];
  if (session.logLevel !== "")
    messages.push({
      jsonrpc: "2.0",
      id: "restore-level",
      method: "logging/setLevel",
      params: { level: session.logLevel },
    });
  return messages;
}

function addressOf(message: JSONRPCMessage): string | undefined {
  if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message))
    return message.id === undefined ? undefined : responseAddress(message.id);
  if (!isJSONRPCNotification(message) || message.method !== "notifications/cancelled") return undefined;
  const { requestId } = (message.params ?? {}) as { requestId?: unknown };
  return typeof requestId === "string" || typeof requestId === "number" ? cancelAddress(requestId) : undefined;
}

const isAnswer = (message: string): boolean => {
  const parsed = JSON.parse(message) as JSONRPCMessage;
  return isJSONRPCResultResponse(parsed) || isJSONRPCErrorResponse(parsed);
};

const eventId = (stream: string, sequence: number): string => `${stream}.${sequence}`;
function parseEventId(id: string): { stream: string; sequence: number } | undefined {
  const [, stream, sequence] = /^([A-Za-z0-9_-]{1,32})\.(\d{1,12})$/.exec(id) ?? [];
  return stream === undefined || sequence === undefined ? undefined : { stream, sequence: Number(sequence) };
}

/** `*\/*` counts: curl and simple clients send it. */
const accepts = (header: string, type: string): boolean => header.includes(type) || header.includes("*/*");

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    timer.unref();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

function rpcError(status: number, code: number, message: string, headers: Record<string, string> = {}): Response {
  return Response.json({ jsonrpc: "2.0", error: { code, message }, id: null }, { status, headers });
}
