// 2025-era sessions over Streamable HTTP, on any instance: no transport outlives its request. What a session is lies in the
// table; a POST that is not plain builds a server, restores the session in it, and connects it to a LegacyTransport.
import type { AuthInfo, JSONRPCMessage, JSONRPCRequest, McpServerFactory } from "@modelcontextprotocol/server";
import { LRUCache } from "lru-cache";
import type { Services } from "../../calls/services.ts";
import type { UnsentAnswer } from "../../calls/unsent.ts";
import { AppError } from "../../errors.ts";
import { PAGE_MAX_BYTES } from "../../limits.ts";
import type { Principal } from "../../principal.ts";
import { LEGACY_REVISIONS } from "../../protocol.ts";
import { cutText } from "../../text.ts";
import { UNSENT_KEY } from "../call-source.ts";
import type { ServerInfo } from "../offer.ts";
import { openSse } from "../sse.ts";
import { HeldStreams } from "./held-streams.ts";
import { accepts, respond, rpcError, SESSION_HEADER } from "./http-answers.ts";
import { addressOf, isRequest, restoring } from "./messages.ts";
import {
  answerPlainly,
  ConstantLists,
  LOG_LEVELS,
  type PlainCall,
  type PlainClient,
  plainCall,
  plainClient,
} from "./plain.ts";
import type { LegacyState } from "./state.ts";
import { deliver, eventId, PRIMING_SINCE, parseEventId, STANDALONE, startingPoint } from "./stream.ts";
import { LegacyTransport } from "./transport.ts";
import { ageSeconds, type LegacySession } from "./transport-sessions.ts";

export interface LegacyOptions {
  services: Services;
  legacy: LegacyState;
  server: ServerInfo;
  factory: McpServerFactory;
  /** False: a stream is served only to resume a call. */
  standingStreams: boolean;
  /** Whether plain requests take the short way; default true. */
  plainPath?: boolean | undefined;
}

/** Who sends the request, and as whom the SDK knows them. */
export interface LegacyCaller {
  readonly principal: Principal;
  readonly authInfo: AuthInfo;
}

/** A POST as its carrier has it. */
export interface LegacyPost {
  readonly headers: Pick<Headers, "get">;
  /** For the SDK, which reads no other form. */
  request(): Request;
}

/** What a POST brings. */
interface Post {
  readonly messages: readonly JSONRPCMessage[];
  readonly batch: boolean;
  /** Whether one of them has been counted; a call counts where it runs. */
  readonly counted: boolean;
  /** Its one message, where that is a plain call. */
  readonly plain?: PlainCall;
}

/** What a POST brings whose message is a plain call, which has been checked. */
const onePlain = (message: unknown, plain: PlainCall): Post => ({
  messages: [message as JSONRPCMessage],
  batch: false,
  counted: false,
  plain,
});

const BATCH_MAX = 100;
/** Texts of up to 16 KB, of which most fleets see a handful. */
const CLIENTS_MAX = 50;

export class LegacyHttp {
  readonly #options: LegacyOptions;
  /** Exchanges under way in this process, by principal and session: the short way for answers and cancellations. */
  readonly #transports = new Map<string, Set<LegacyTransport>>();
  readonly #streams: HeldStreams;
  readonly #lists: ConstantLists;
  readonly #clients = new LRUCache<string, { readonly client: PlainClient | undefined }>({ max: CLIENTS_MAX });

  constructor(options: LegacyOptions) {
    this.#options = options;
    this.#lists = new ConstantLists(options.services, options.server);
    this.#streams = new HeldStreams(options.services);
  }

  /** The call that a POST is, where it is surely of the 2025 era, so that the SDK need not be asked: plain, with no word of another revision. */
  plainCall({ headers }: Pick<LegacyPost, "headers">, body: unknown): PlainCall | undefined {
    if (this.#options.plainPath === false || headers.get("mcp-method") !== null) return undefined;
    const version = headers.get("mcp-protocol-version");
    if (version !== null && !LEGACY_REVISIONS.includes(version)) return undefined;
    return plainCall(body, this.#options.services);
  }

  /**
   * Answers a plain call of a session that is there, once `admit` has let it in. A text is the JSON of an answer with status 200.
   * Undefined: it is for `fetch`, and nothing has happened.
   */
  async answerCall(
    call: PlainCall,
    message: unknown,
    post: LegacyPost,
    caller: LegacyCaller,
    admit: () => boolean,
  ): Promise<string | Response | undefined> {
    if (!accepts(post, "application/json") && !accepts(post, "text/event-stream")) return undefined;
    // Why it cannot be read is said by `fetch`, which reads it again.
    const session = await this.#session(post, caller).catch(() => undefined);
    if (!session || session instanceof Response || !admit()) return undefined;
    this.#touch(caller, session);
    return this.#exchange(post, caller, session, onePlain(message, call));
  }

  /** Answers GET, POST and DELETE of 2025-era clients. `body` is the parsed body of a POST. */
  async fetch(request: Request, caller: LegacyCaller, body: unknown): Promise<Response> {
    try {
      if (request.method === "POST") return await this.#post(request, caller, body);
      if (request.method === "GET") return await this.#get(request, caller);
      if (request.method === "DELETE") return await this.#delete(request, caller);
      return rpcError(405, -32_000, "Method not allowed.", { Allow: "GET, POST, DELETE" });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const { status, message, retryAfterSeconds } = error;
      return rpcError(status, -32_000, message, {
        ...(retryAfterSeconds !== undefined && { "Retry-After": String(retryAfterSeconds) }),
      });
    }
  }

  /** Ends all streams, so that their clients go on elsewhere. Calls under way are answered first, by the requests that wait for them. */
  close(): void {
    this.#streams.close();
  }

  async #post(request: Request, caller: LegacyCaller, body: unknown): Promise<Response> {
    const posted = { headers: request.headers, request: () => request };
    if (!accepts(request, "application/json") && !accepts(request, "text/event-stream"))
      return rpcError(406, -32_000, "Not Acceptable: accept application/json and text/event-stream.");
    const { services, plainPath = true } = this.#options;
    const plain = plainPath ? plainCall(body, services) : undefined;
    if (plain) return this.#inSession(posted, caller, onePlain(body, plain));
    const batch = Array.isArray(body);
    const given: unknown[] = Array.isArray(body) ? body : [body];
    if (given.length === 0 || given.length > BATCH_MAX)
      return rpcError(400, -32_600, `A batch holds 1 to ${BATCH_MAX} messages; this one has ${given.length}.`);
    const { faultOfInitialize, isCountedByItsCall, isInitialize, parsed } = await import("./checked-messages.ts");
    const messages = parsed(given);
    if (!messages) return rpcError(400, -32_600, "Invalid Request: not a JSON-RPC message.");
    const counted = messages.filter((message) => !isCountedByItsCall(message, services));
    await this.#admit(caller, counted.length);
    const requests = messages.filter(isRequest);
    if (batch) this.#requireRoom(caller, requests.filter((one) => counted.includes(one)).length);
    if (messages.some(isInitialize)) {
      const [initialize] = requests;
      if (messages.length !== 1 || !initialize)
        return rpcError(400, -32_600, "initialize must be alone in its request.");
      const fault = faultOfInitialize(initialize);
      if (fault !== undefined) return rpcError(400, -32_602, fault, {}, initialize.id);
      return this.#initialize(request, caller, initialize);
    }
    const twice = requests.find(({ id }, at) => requests.findIndex((other) => other.id === id) !== at);
    if (twice)
      return rpcError(
        400,
        -32_600,
        `Two requests of this batch have the id ${JSON.stringify(twice.id)}. Give each its own.`,
      );
    return this.#inSession(posted, caller, { messages, batch, counted: counted.length > 0 });
  }

  async #inSession(posted: LegacyPost, caller: LegacyCaller, post: Post): Promise<Response> {
    const session = await this.#session(posted, caller);
    if (session instanceof Response) {
      // What counts where it runs does not run, so that the look for the session counts instead.
      if (session.status === 404 && !post.counted) await this.#admit(caller, 1);
      return session;
    }
    this.#touch(caller, session);
    const list = this.#options.plainPath === false ? undefined : this.#lists.answer(post, session, caller);
    if (list !== undefined) return respond(list, session);
    if (post.messages.some(isRequest)) {
      const answer = await this.#exchange(posted, caller, session, post);
      return typeof answer === "string" ? respond(answer, session) : answer;
    }
    for (const message of post.messages) await this.#relay(caller, session, message);
    return new Response(null, { status: 202 });
  }

  #touch({ principal }: LegacyCaller, session: LegacySession): void {
    this.#options.services.state.background.run(this.#options.legacy.sessions.touch(principal.id, session));
  }

  async #initialize(request: Request, caller: LegacyCaller, message: JSONRPCRequest): Promise<Response> {
    // A client whose session has ended may still carry its id: it begins another one.
    const id = request.headers.get(SESSION_HEADER);
    if (id !== null && id.length <= 128 && (await this.#options.legacy.sessions.find(caller.principal.id, id)))
      return rpcError(400, -32_600, "This session is initialized. Leave Mcp-Session-Id out to begin another.");
    const transport = this.#newTransport(caller, undefined, "", false);
    await this.#connect(transport, request, caller);
    const text = await transport.respond([message], false, { authInfo: caller.authInfo, request });
    // This transport becomes no stream, so the answer is a text.
    const answer = JSON.parse(text as string) as { result?: { protocolVersion?: string } };
    // Refused: nothing was created, so nothing is left.
    if (!answer.result?.protocolVersion) return Response.json(answer);
    this.#options.services.state.crowd.admitSession(caller.principal);
    const session = await this.#options.legacy.sessions.create(
      caller.principal.id,
      message.params,
      answer.result.protocolVersion,
    );
    return Response.json(answer, { headers: { [SESSION_HEADER]: session.id } });
  }

  async #exchange(
    posted: LegacyPost,
    caller: LegacyCaller,
    session: LegacySession,
    post: Post,
  ): Promise<string | Response> {
    const { messages, batch, plain } = post;
    const streams = accepts(posted, "text/event-stream");
    const transport = this.#newTransport(caller, session, session.protocolVersion, streams);
    const { authInfo } = caller;
    const restore = async () => {
      await this.#connect(transport, posted.request(), caller);
      await transport.prepare(restoring(session));
    };
    const client = plain && this.#clientOf(session);
    if (plain && client)
      answerPlainly(this.#options.services, plain, transport, {
        ...caller,
        session,
        client,
        request: posted.request,
        restore,
      });
    else await restore();
    const key = `${caller.principal.id} ${session.id}`;
    const siblings = this.#transports.get(key) ?? new Set();
    this.#transports.set(key, siblings.add(transport));
    const closeServer = transport.onclose;
    transport.onclose = () => {
      siblings.delete(transport);
      if (siblings.size === 0) this.#transports.delete(key);
      closeServer?.();
    };
    for (const message of messages) {
      if (!isRequest(message) || message.method !== "logging/setLevel") continue;
      const { level } = (message.params ?? {}) as { level?: unknown };
      // The SDK refuses others.
      if (typeof level === "string" && LOG_LEVELS.includes(level))
        await this.#options.legacy.sessions.setLogLevel(caller.principal.id, session.id, level);
    }
    return transport.respond(messages, batch, { authInfo, ...(!client && { request: posted.request() }) });
  }

  /** Undefined where the SDK has to read what the client said of itself. Read once for all sessions of clients that say the same. */
  #clientOf({ initialize }: LegacySession): PlainClient | undefined {
    const known = this.#clients.get(initialize) ?? { client: plainClient({ initialize }) };
    this.#clients.set(initialize, known);
    return known.client;
  }

  #newTransport(
    caller: LegacyCaller,
    session: LegacySession | undefined,
    protocolVersion: string,
    streams: boolean,
  ): LegacyTransport {
    const { events, sessions } = this.#options.legacy;
    const { logger, state } = this.#options.services;
    const principal = caller.principal.id;
    const id = session?.id ?? "";
    const transport = new LegacyTransport({
      sessionId: id,
      headers: session ? { [SESSION_HEADER]: id } : {},
      streams,
      priming: protocolVersion >= PRIMING_SINCE,
      record: async (stream, message) =>
        state.crowd.keeps(caller.principal, Buffer.byteLength(message))
          ? eventId(stream, await events.append({ principal, session: id, stream }, message))
          : undefined,
      expectMessage: (address) => sessions.expectMessage(principal, id, address),
      takeMessage: (address, sinceMs) => sessions.message(principal, id, address, sinceMs),
      watch: () => state.watched.open(caller.principal),
      beganAtMs: state.clock.now(),
    });
    transport.onerror = (error) => logger.warn({ err: error.message }, "an event was not kept");
    return transport;
  }

  async #connect(transport: LegacyTransport, request: Request, caller: LegacyCaller): Promise<void> {
    const server = await this.#options.factory({ era: "legacy", authInfo: caller.authInfo, requestInfo: request });
    const onerror = transport.onerror;
    await server.connect(transport);
    transport.onerror = onerror;
  }

  /** A response or a cancellation: to the transport that waits for it, here or, through the table, elsewhere. */
  async #relay(caller: LegacyCaller, session: LegacySession, message: JSONRPCMessage): Promise<void> {
    const address = addressOf(message);
    if (address === undefined) return;
    const here = this.#transports.get(`${caller.principal.id} ${session.id}`) ?? [];
    for (const transport of here) if (transport.deliver(address, message)) return;
    const awaited = !("method" in message);
    await this.#options.legacy.sessions.leaveMessage(caller.principal.id, session.id, address, message, awaited);
  }

  /** Lets in so many requests that no call of the pipeline counts. Each reads or writes the table. @throws AppError `rate_limited` */
  async #admit({ principal }: LegacyCaller, requests: number): Promise<void> {
    for (let i = 0; i < requests; i++) await this.#options.services.state.admit(principal);
  }

  /** A batch of lists multiplies what no call counts: each is taken to have a page. @throws AppError `rate_limited` */
  #requireRoom({ authInfo }: LegacyCaller, lists: number): void {
    const unsent = authInfo.extra?.[UNSENT_KEY] as UnsentAnswer | undefined;
    unsent?.requireRoom(lists * PAGE_MAX_BYTES);
    unsent?.add(lists * PAGE_MAX_BYTES);
  }

  async #delete(request: Request, caller: LegacyCaller): Promise<Response> {
    await this.#admit(caller, 1);
    const session = await this.#session(request, caller);
    if (session instanceof Response) return session;
    // First, so that no later call writes into the state session while it is found empty and deleted.
    await this.#options.legacy.sessions.end(caller.principal.id, session.id);
    const { state, observer } = this.#options.services;
    const seconds = ageSeconds(session, state.clock);
    observer?.happened({ kind: "session_ended", seconds, transport: "http" });
    await state.forCaller({ principal: caller.principal, client: "", transportSession: session.id }).endConnection();
    return new Response(null, { status: 200 });
  }

  async #get(request: Request, caller: LegacyCaller): Promise<Response> {
    const resume = request.headers.get("last-event-id");
    const from = resume === null ? undefined : parseEventId(resume);
    if ((from?.stream ?? STANDALONE) === STANDALONE && !this.#options.standingStreams)
      return rpcError(405, -32_000, "This server keeps no stream open without a call.", { Allow: "POST, DELETE" });
    if (!accepts(request, "text/event-stream"))
      return rpcError(406, -32_000, "Not Acceptable: accept text/event-stream.");
    await this.#admit(caller, 1);
    const session = await this.#session(request, caller);
    if (session instanceof Response) return session;
    if (resume !== null && !from) return rpcError(400, -32_000, "Last-Event-ID is not one that this server sent.");
    const { services, legacy } = this.#options;
    const standing = (from?.stream ?? STANDALONE) === STANDALONE;
    const holder = { principal: caller.principal, standingOf: standing ? session.id : undefined };
    const refused = this.#streams.refusal(holder);
    if (refused !== undefined) return rpcError(429, -32_000, refused);
    const abort = new AbortController();
    const sse = openSse({ headers: { [SESSION_HEADER]: session.id }, onClose: () => abort.abort() });
    // Before anything is waited for: of many that are asked for at the same time, each counts for the next.
    const end = this.#streams.hold(holder, sse);
    request.signal.addEventListener("abort", end, { once: true });
    try {
      const start = await startingPoint(services, legacy, { principal: caller.principal, session, from });
      // One that was replaced meanwhile must not take the place of its successor.
      const taken =
        standing && !sse.closed ? await legacy.sessions.takeStream(caller.principal.id, session.id) : undefined;
      // A stream that is cut before its first event also needs a place to go on from.
      if (!from && session.protocolVersion >= PRIMING_SINCE && !sse.closed)
        sse.send({ id: eventId(start.place.stream, start.after), data: "" });
      void deliver(services, legacy, { ...start, holder: taken }, sse, abort.signal)
        .catch((error: unknown) => services.logger.warn({ err: error }, "a stream ended early"))
        .finally(end);
    } catch (error) {
      end();
      throw error;
    }
    return sse.response;
  }

  /** The session a request belongs to, or the response that refuses it. */
  async #session({ headers }: Pick<LegacyPost, "headers">, caller: LegacyCaller): Promise<LegacySession | Response> {
    const id = headers.get(SESSION_HEADER);
    if (id === null)
      return rpcError(400, -32_000, "Mcp-Session-Id is missing. Send initialize first and pass on its header.");
    const version = headers.get("mcp-protocol-version");
    if (version !== null && !LEGACY_REVISIONS.includes(version)) {
      const known = LEGACY_REVISIONS.join(", ");
      return rpcError(
        400,
        -32_000,
        `Bad Request: unsupported protocol version ${JSON.stringify(cutText(version, 20))} (supported: ${known}).`,
      );
    }
    const session = id.length > 128 ? undefined : await this.#options.legacy.sessions.find(caller.principal.id, id);
    return session ?? rpcError(404, -32_001, "Session not found. Send initialize to begin a new one.");
  }
}
