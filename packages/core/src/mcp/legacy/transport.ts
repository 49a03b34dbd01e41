// One 2025-era POST: the transport a server is connected to for its duration. Answers with JSON when everything is answered at
// once; becomes an event stream, kept in the table so that it can be resumed anywhere, as soon as the call has something to say
// before its answer or takes a while.
import { randomBytes } from "node:crypto";
import type { JSONRPCMessage, MessageExtraInfo, RequestId, Transport } from "@modelcontextprotocol/server";
import type { WatchingStream } from "../../state/watched.ts";
import { backoff, pause } from "../../waiting.ts";
import { openSse, type SseStream } from "../sse.ts";
import { cancelAddress, isRequest, responseAddress } from "./messages.ts";

/** A call that has not answered by then is likely to be waited for: from then on it can be resumed. */
const STREAM_AFTER_MS = 400;
const POLL_FIRST_MS = 50;
const POLL_MAX_MS = 500;
/** A person waits for an answer to be noticed; a cancellation may take a little longer and a read less often. */
const ROUNDS_PER_CANCELLATION_LOOK = 4;

export interface LegacyTransportOptions {
  readonly sessionId: string;
  /** Headers of a stream besides its type. */
  readonly headers: Record<string, string>;
  /** Whether the client reads an event stream; to one that does not, nothing is said before its answer. */
  readonly streams: boolean;
  /** Whether the client reads a first event without data (from 2025-11-25 on), which makes even a silent stream resumable. */
  readonly priming: boolean;
  /** Keeps a message for resumption; resolves to its event id, or to undefined where there is no room to keep it. */
  record(stream: string, message: string): Promise<string | undefined>;
  /** When the call began, in milliseconds since the epoch: what was left before was meant for another that had the same id. */
  readonly beganAtMs: number;
  /** Makes room for a message that may reach another instance. */
  expectMessage(address: string): Promise<void>;
  /** A message that reached another instance, left under this address at or after a time. */
  takeMessage(address: string, sinceMs: number): Promise<unknown>;
  /** Begins to look for such messages, together with all else that its caller looks for. */
  watch(): WatchingStream;
}

/** A call's stream is named after when its call began: the process that is asked for it then knows whether something can still come. */
const newStreamName = (nowMs: number): string => `${nowMs.toString(36)}-${randomBytes(9).toString("base64url")}`;
/** Milliseconds since the epoch; 0 for a name that was never given. */
export const streamBeganAt = (name: string): number => Number.parseInt(/^([0-9a-z]{8})-/.exec(name)?.[1] ?? "0", 36);

/** Milliseconds after which a client should come back to a stream that was closed on purpose. */
const RETRY_MS = 1000;

export class LegacyTransport implements Transport {
  onmessage?: (<T extends JSONRPCMessage>(message: T, extra?: MessageExtraInfo) => void) | undefined;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  readonly sessionId: string;
  readonly #options: LegacyTransportOptions;
  /** Requests of the client that are not answered yet. */
  readonly #open = new Set<RequestId>();
  /** Ids our requests bear on the wire, and the ids the server knows them by: its own count from 0 in every instance. */
  readonly #asked = new Map<string, RequestId>();
  readonly #answers: JSONRPCMessage[] = [];
  #batch = false;
  #muted = true;
  #sse: SseStream | undefined;
  #sending: Promise<void> = Promise.resolve();
  #resolve: ((answer: string | Response) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  /** Ends the looks of a stream. */
  #over: AbortController | undefined;
  #streamName = "";

  constructor(options: LegacyTransportOptions) {
    this.#options = options;
    this.sessionId = options.sessionId;
  }

  async start(): Promise<void> {}

  /** Restores a session in the server: messages go in, and nothing that comes out reaches the client. */
  async prepare(messages: readonly JSONRPCMessage[]): Promise<void> {
    this.#muted = true;
    for (const message of messages) {
      const answered = isRequest(message) ? this.#answered(message.id) : undefined;
      this.onmessage?.(message);
      await answered;
    }
  }

  #prepared = new Map<RequestId, () => void>();
  #answered(id: RequestId): Promise<void> {
    return new Promise((resolve) => this.#prepared.set(id, resolve));
  }

  /** Hands the client's messages to the server; resolves to the JSON of all answers, or to a response: a stream, or none. */
  respond(messages: readonly JSONRPCMessage[], batch: boolean, extra: MessageExtraInfo): Promise<string | Response> {
    this.#muted = false;
    this.#batch = batch;
    for (const message of messages) if (isRequest(message)) this.#open.add(message.id);
    const answer = new Promise<string | Response>((resolve) => {
      this.#resolve = resolve;
    });
    if (this.#options.streams) this.#timer = setTimeout(() => this.#becomeStream(), STREAM_AFTER_MS);
    for (const message of messages) this.onmessage?.(message, { ...extra, closeSSEStream: () => this.#sse?.close() });
    return answer;
  }

  /** Hands a request on to the server that has taken the place of what answered before, unless it is over by now. */
  handOn(message: JSONRPCMessage, extra: MessageExtraInfo): void {
    this.#muted = false;
    if (!this.#ended) this.onmessage?.(message, { ...extra, closeSSEStream: () => this.#sse?.close() });
  }

  /** Whether this transport waits for a message under this address; if so, it takes it. */
  deliver(address: string, message: JSONRPCMessage): boolean {
    for (const wireId of this.#asked.keys()) {
      if (responseAddress(wireId) !== address) continue;
      this.#receiveAnswer(wireId, message);
      return true;
    }
    for (const id of this.#open) {
      if (cancelAddress(id) !== address) continue;
      this.onmessage?.(message);
      // A cancelled request is not answered.
      this.#open.delete(id);
      if (this.#open.size === 0) {
        if (this.#options.streams) this.#becomeStream();
        void this.#finish();
      }
      return true;
    }
    return false;
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const isAnswer = !("method" in message);
    if (this.#muted) {
      if (isAnswer && message.id !== undefined) this.#prepared.get(message.id)?.();
      return;
    }
    if (isAnswer) {
      if (message.id === undefined || !this.#open.delete(message.id)) return;
      this.#answers.push(message);
      if (this.#sse) await this.#write(message);
      if (this.#open.size === 0) await this.#finish();
      return;
    }
    if (!this.#options.streams) {
      if (isRequest(message)) this.#refuseQuestion(message.id);
      return;
    }
    this.#becomeStream();
    if (!isRequest(message)) return this.#write(message);
    const wireId = randomBytes(12).toString("base64url");
    // Before the question goes out: an answer is kept only where one is waited for. Without it, one that comes to this instance counts.
    await this.#options.expectMessage(responseAddress(wireId)).catch((error: Error) => this.onerror?.(error));
    this.#asked.set(wireId, message.id);
    await this.#write({ ...message, id: wireId });
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#over?.abort();
    clearTimeout(this.#timer);
    this.#sse?.close();
    this.onclose?.();
  }

  /** A question to a client that cannot hear it is answered at once. */
  #refuseQuestion(id: RequestId): void {
    const error = { code: -32_603, message: "The client reads no event stream, so it cannot be asked." };
    this.onmessage?.({ jsonrpc: "2.0", id, error });
  }

  #receiveAnswer(wireId: string, message: JSONRPCMessage): void {
    const id = this.#asked.get(wireId);
    if (id === undefined) return;
    this.#asked.delete(wireId);
    this.onmessage?.({ ...message, id } as JSONRPCMessage);
  }

  #becomeStream(): void {
    if (this.#sse || this.#ended) return;
    clearTimeout(this.#timer);
    this.#sse = openSse({ headers: this.#options.headers });
    this.#resolve?.(this.#sse.response);
    if (this.#options.priming) this.#sse.send({ id: `${this.#stream}.0`, retryMs: RETRY_MS, data: "" });
    // What had been answered while this was not yet a stream.
    for (const answer of this.#answers) void this.#write(answer);
    void this.#poll();
  }

  /** The name of its stream, should it become one: random bytes are too dear for each of the many that do not. */
  get #stream(): string {
    if (this.#streamName === "") this.#streamName = newStreamName(this.#options.beganAtMs);
    return this.#streamName;
  }

  /** In order, and only after the event is kept: what a client has seen can be resumed after. */
  #write(message: JSONRPCMessage): Promise<void> {
    const text = JSON.stringify(message);
    this.#sending = this.#sending.then(async () => {
      const id = await this.#options.record(this.#stream, text).catch((error: Error) => {
        // Without its event the message still goes out; a client that loses it cannot resume, which is said then.
        this.onerror?.(error);
        return undefined;
      });
      this.#sse?.send({ id, data: text });
    });
    return this.#sending;
  }

  async #finish(): Promise<void> {
    if (this.#sse) await this.#sending;
    else {
      clearTimeout(this.#timer);
      this.#resolve?.(this.#said());
    }
    await this.close();
  }

  /** All answers as JSON; without any, because what was asked has been cancelled, a response with no content. */
  #said(): string | Response {
    if (this.#answers.length === 0) return new Response(null, { status: 202, headers: this.#options.headers });
    return JSON.stringify(this.#batch ? this.#answers : this.#answers[0]);
  }

  /** Looks for what reached other instances: answers to our requests, and cancellations. Only a stream waits long enough to need it. */
  async #poll(): Promise<void> {
    const over = new AbortController();
    this.#over = over;
    const watching = this.#options.watch();
    let round = 0;
    const pauseMs = backoff(POLL_FIRST_MS, POLL_MAX_MS, 1.5);
    while (!this.#ended) {
      watching.watches(this.#asked.size + this.#open.size);
      await pause(watching.pauseMs(pauseMs()), over.signal);
      round += 1;
      const cancellations = round % ROUNDS_PER_CANCELLATION_LOOK === 0 ? [...this.#open].map(cancelAddress) : [];
      const addresses = [...[...this.#asked.keys()].map(responseAddress), ...cancellations];
      for (const address of addresses) {
        const message = await this.#options.takeMessage(address, this.#options.beganAtMs).catch(() => undefined);
        if (message !== undefined) this.deliver(address, message as JSONRPCMessage);
      }
    }
    watching.end();
  }
}
