// An HTTP proxy between a client and an engine that injects faults, by seeded dice or on order, and counts what passes. It knows
// DynamoDB's wire format (X-Amz-Target, a JSON body) and nothing of what the items mean; requests of S3 pass as they are.
import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Answer,
  batchOfOne,
  errorAnswer,
  type StoreRequest,
  splitBatch,
  withUnprocessed,
} from "./dynamodb-wire.ts";
import type { Random } from "./random.ts";
import { StaleReads } from "./stale-reads.ts";

export type Fault =
  /** The engine answers, the client never hears it: its connection is cut. */
  | { readonly kind: "commit-then-drop" }
  /** The connection is cut and the engine never hears of the request. */
  | { readonly kind: "drop-before" }
  /** The request reaches the engine late, also when the client has given up by then: a packet cannot be called back. */
  | { readonly kind: "delay-before"; readonly milliseconds: number }
  /** The answer reaches the client late. */
  | { readonly kind: "delay-after"; readonly milliseconds: number }
  /** The engine answers, and the connection breaks off before the last byte of the answer. */
  | { readonly kind: "cut-reply" }
  /** Answered with a web page, as a gateway before the engine would; the engine never hears of it. */
  | { readonly kind: "nonsense" }
  /** Refused with ProvisionedThroughputExceededException; the engine never hears of it. */
  | { readonly kind: "throttle" }
  /** Refused with InternalServerError; the engine never hears of it. */
  | { readonly kind: "server-error" }
  /** A batch loses a part, which is reported as unprocessed. A batch of one passes whole, as on DynamoDB. */
  | { readonly kind: "partial-batch" }
  /** Accepted and never answered; the engine never hears of it. */
  | { readonly kind: "black-hole" }
  /** A read that does not ask for consistency sees the state before the last change (nothing, at first). */
  | { readonly kind: "stale-read" }
  /** Answered at once, and sent to the engine a second time later: a zombie packet, or a paused process that wakes up. */
  | { readonly kind: "late-duplicate"; readonly milliseconds: number };

/** The first rule that fits a request and whose dice say yes decides its fault; a request that no rule takes passes. */
export interface Rule {
  readonly fault: Fault;
  /** 0 to 1; default 1. */
  readonly chance?: number;
  /** Default: all operations. */
  readonly operations?: readonly string[];
  readonly when?: (request: StoreRequest) => boolean;
  /** Spares what repeats an earlier request to the byte. */
  readonly firstAttemptOnly?: boolean;
}

/** Where the engine listens. */
export type Upstream = { readonly port: number } | { readonly socketPath: string };

/** The operations that change items. */
export const WRITES: readonly string[] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"];

export interface FaultProxyOptions {
  readonly engine: Upstream;
  readonly random: Random;
  readonly rules?: readonly Rule[];
}

/** The faults that need no number, for tests that order them one by one. */
export type OrderedFault = Exclude<Fault["kind"], "delay-before" | "delay-after" | "late-duplicate">;

export class FaultProxy {
  /** May be exchanged at any time; requests that have arrived keep the fault they drew. */
  rules: readonly Rule[];
  /** Requests received, by operation. */
  readonly requests: Record<string, number> = {};
  /** Faults injected, by kind; `outage` counts the requests and connections that fell to one. */
  readonly faults: Record<string, number> = {};

  readonly #engine: Upstream;
  readonly #random: Random;
  readonly #server = http.createServer((request, response) => void this.#serve(request, response));
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #sockets = new Set<Socket>();
  readonly #attempts = new Map<string, number>();
  readonly #stale = new StaleReads();
  readonly #late = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  #outage: "reset" | "black-hole" | undefined;
  #ordered: ((n: number, operation: string) => OrderedFault | undefined) | undefined;

  private constructor(options: FaultProxyOptions) {
    this.#engine = options.engine;
    this.#random = options.random;
    this.rules = options.rules ?? [];
    this.#server.on("connection", (socket) => this.#accept(socket));
  }

  /** Listens on a loopback port of the system's choice. */
  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The IAM actions seen on the wire, such as `dynamodb:GetItem`, sorted. */
  get actions(): string[] {
    return Object.keys(this.requests)
      .map((operation) => `dynamodb:${operation}`)
      .sort();
  }

  /** All requests received. */
  get total(): number {
    return Object.values(this.requests).reduce((sum, count) => sum + count, 0);
  }

  /** The operations received since the last order, such as `PutItem`; of S3 the methods. */
  readonly seen: string[] = [];

  /** From now on `decide` says what happens to the n-th request, counted from 1; undefined: it passes. */
  order(decide: (n: number, operation: string) => OrderedFault | undefined): void {
    this.seen.length = 0;
    this.#ordered = decide;
  }

  /** Begins an outage: `reset` cuts every connection, also new ones; `black-hole` accepts and never answers. */
  beginOutage(kind: "reset" | "black-hole"): void {
    this.#outage = kind;
    if (kind === "reset") for (const socket of this.#sockets) this.#refuse(socket);
  }

  /** Ends the outage. What fell into a black hole stays there. */
  endOutage(): void {
    this.#outage = undefined;
  }

  /** Resolves when every late duplicate and every delayed request sent so far has reached the engine. */
  async settled(): Promise<void> {
    while (this.#late.size > 0) await Promise.allSettled(this.#late);
  }

  /** Cuts every connection and drops what was still to be sent late. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.settled();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#agent.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    if (this.#outage === "reset") this.#refuse(socket);
  }

  #refuse(socket: Socket): void {
    count(this.faults, "outage");
    socket.resetAndDestroy();
  }

  async #serve(incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk);
      const answer = await this.#answer(incoming, Buffer.concat(chunks));
      if (answer === "never") return;
      if (answer === "cut") incoming.socket.resetAndDestroy();
      else if (answer.cut) {
        response.writeHead(answer.status, answer.headers);
        response.write(answer.body.subarray(0, answer.body.length - 1), () => incoming.socket.destroy());
      } else response.writeHead(answer.status, answer.headers).end(answer.body);
    } catch {
      // The client went away, or the engine cannot be reached: either way this connection has nothing more to say.
      incoming.socket.destroy();
    }
  }

  async #answer(incoming: http.IncomingMessage, raw: Buffer): Promise<Answer | "never" | "cut"> {
    const target = incoming.headers["x-amz-target"];
    const operation = typeof target === "string" ? target.replace(/^.*\./, "") : (incoming.method ?? "");
    count(this.requests, operation);
    this.seen.push(operation);
    if (this.#outage !== undefined) {
      count(this.faults, "outage");
      return this.#outage === "reset" ? "cut" : "never";
    }
    const body: Record<string, unknown> = target === undefined ? {} : JSON.parse(raw.toString() || "{}");
    const request = { operation, body, attempt: this.#attempt(operation, raw) };
    const kind = this.#ordered?.(this.seen.length, operation);
    const fault = this.#ordered ? kind && { kind } : this.#draw(request);
    if (fault !== undefined) count(this.faults, fault.kind);
    const send = (payload: Buffer = raw) => this.#send(incoming, payload);

    switch (fault?.kind) {
      case undefined:
        return target === undefined ? send() : this.#stale.remember(request, await send());
      case "cut-reply":
        return { ...(await send()), cut: true };
      case "nonsense":
        return { status: 502, headers: {}, body: Buffer.from("<html>Bad Gateway</html>") };
      case "commit-then-drop":
        await send();
        return "cut";
      case "drop-before":
        return "cut";
      case "delay-before":
        return this.#later(fault.milliseconds, send);
      case "delay-after": {
        const answer = await send();
        await this.#wait(fault.milliseconds);
        return answer;
      }
      case "throttle":
        return errorAnswer("ProvisionedThroughputExceededException");
      case "server-error":
        return errorAnswer("InternalServerError");
      case "partial-batch": {
        const { kept, dropped } = splitBatch(request, this.#random);
        return withUnprocessed(await send(Buffer.from(JSON.stringify(kept))), operation, dropped);
      }
      case "black-hole":
        return "never";
      case "stale-read":
        return this.#stale.answer(request, await send());
      case "late-duplicate":
        this.#later(fault.milliseconds, send).catch(() => {});
        return send();
    }
  }

  #draw(request: StoreRequest): Fault | undefined {
    const rule = this.rules.find(
      (rule) =>
        (rule.operations?.includes(request.operation) ?? true) &&
        !(rule.firstAttemptOnly === true && request.attempt > 1) &&
        canHappen(rule.fault, request) &&
        (rule.when?.(request) ?? true) &&
        this.#random.chance(rule.chance ?? 1),
    );
    return rule?.fault;
  }

  #attempt(operation: string, raw: Buffer): number {
    const id = createHash("sha1").update(operation).update(raw).digest("base64");
    const attempt = (this.#attempts.get(id) ?? 0) + 1;
    this.#attempts.set(id, attempt);
    return attempt;
  }

  #later(milliseconds: number, send: () => Promise<Answer>): Promise<Answer> {
    const answer = this.#wait(milliseconds).then(() => send());
    const tracked: Promise<unknown> = answer.catch(() => {}).finally(() => this.#late.delete(tracked));
    this.#late.add(tracked);
    return answer;
  }

  #wait(milliseconds: number): Promise<void> {
    return sleep(milliseconds, undefined, { signal: this.#closing.signal });
  }

  #send({ headers, method, url }: http.IncomingMessage, payload: Buffer): Promise<Answer> {
    const { connection: _, "accept-encoding": __, "transfer-encoding": ___, ...passed } = headers;
    const options = {
      ...("port" in this.#engine ? { host: "127.0.0.1", ...this.#engine } : this.#engine),
      agent: this.#agent,
      method,
      path: url,
      headers: { ...passed, "content-length": payload.length },
    };
    return new Promise((resolve, reject) => {
      const outgoing = http.request(options, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () => {
          const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...headers } = answer.headers;
          resolve({ status: answer.statusCode ?? 500, headers, body: Buffer.concat(chunks) });
        });
      });
      outgoing.on("error", reject);
      outgoing.end(payload);
    });
  }
}

/** Faults that a request is not open to are not drawn for it, so that the counts stay honest. */
function canHappen(fault: Fault, request: StoreRequest): boolean {
  if (fault.kind === "partial-batch") return !batchOfOne(request);
  if (fault.kind === "stale-read") return StaleReads.applies(request);
  return true;
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
