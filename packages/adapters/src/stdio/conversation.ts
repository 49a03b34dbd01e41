// One conversation over a pair of streams: lines in, lines out, and no call that was accepted stays without an answer when it ends. Plain
// messages are answered by the app itself; everything else is the official SDK's, which is loaded for the first of them. Knows no process.
import type { Readable, Writable } from "node:stream";
import { type App, PlainConnection } from "@stateful-mcp/core/runtime";
import { type Line, Lines } from "./lines.ts";
import { type ListeningApp, StdioListens } from "./listens.ts";
import type { Message, Official } from "./official.ts";

/** The part of an app that a conversation needs. */
export type TalkingApp = Pick<App, "mcp" | "plain"> & ListeningApp;

/** What a conversation is held over. */
export interface ConversationOptions {
  readonly input: Readable;
  readonly output: Writable;
  /** How long running calls may still take after the end of the input, in milliseconds. */
  readonly drainMs: number;
  /** Told what no answer says. */
  failed(error: Error): void;
}

type RequestId = string | number;
/** What the SDK is to have: lines that it checks first, and messages that are known to be such. */
type ForOfficial = { readonly line: Line } | { readonly message: Message };

/** Answers what comes until the input ends. */
export class Conversation {
  /** Resolves when everything is answered, or what is left took too long. */
  readonly ended: Promise<void>;
  readonly #app: TalkingApp;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #drainMs: number;
  readonly #failed: (error: Error) => void;
  readonly #lines = new Lines((code, message, id) =>
    this.#say(JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } })),
  );
  readonly #listens: StdioListens;
  readonly #plain: PlainConnection;
  /** Requests that the SDK has and has not answered: how many of each id. */
  readonly #running = new Map<RequestId, number>();
  #official: Official | undefined;
  #loading: Promise<void> | undefined;
  #waiting: ForOfficial[] = [];
  /** The SDK has been brought to where the conversation stands. */
  #introduced = false;
  /** Ids of the requests by which it was. */
  readonly #handshakes = new Set<RequestId>();
  /** Lines of this turn of the event loop, which become one write. */
  #unwritten = "";
  #closing: Promise<void> | undefined;
  #closed = false;
  #resolveEnded: () => void = () => {};
  #resolveIdle: () => void = () => {};

  constructor(app: TalkingApp, { input, output, drainMs, failed }: ConversationOptions) {
    this.#app = app;
    this.#input = input;
    this.#output = output;
    this.#drainMs = drainMs;
    this.#failed = failed;
    // Each answer of the SDK that waits for the output listens for its drain, and any number of calls may be answered at once.
    output.setMaxListeners(0);
    this.#listens = new StdioListens(app, (message) => this.#send(message));
    this.#plain = new PlainConnection(app.plain, {
      send: (text) => this.#say(text),
      handOn: (message) => this.#handOn({ message }),
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  start(): void {
    const { readableEnded, destroyed } = this.#input;
    if (readableEnded || destroyed) setImmediate(this.#end);
    this.#input.on("data", this.#take);
    this.#input.on("error", this.#failed);
    this.#input.on("end", this.#end);
    this.#input.on("close", this.#end);
    this.#output.on("error", (error) => {
      if (this.#closed) return;
      this.#failed(error);
      this.#end();
    });
  }

  /** Ends the conversation as the end of the input does: what runs is answered first. */
  close(): Promise<void> {
    this.#closing ??= this.#drain()
      .then(() => this.#close())
      .then(this.#resolveEnded);
    return this.#closing;
  }

  /** Gives the output what is said already. */
  flush(): void {
    const text = this.#unwritten;
    this.#unwritten = "";
    if (text !== "") this.#output.write(text);
  }

  readonly #end = (): void => void this.close();

  readonly #take = (chunk: Buffer): void => {
    this.#lines.append(chunk);
    for (let line = this.#lines.read(); line !== undefined; line = this.#lines.read()) {
      if (this.#listens.concerns(line) || !this.#plain.take(line)) this.#handOn({ line });
    }
  };

  /** Gives the SDK a message, in order, once it is loaded. */
  #handOn(one: ForOfficial): void {
    if (this.#official) {
      this.#give(this.#official, one);
      return;
    }
    this.#waiting.push(one);
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#failed(error as Error);
      this.#end();
    });
  }

  async #load(): Promise<void> {
    const { openOfficial } = await import("./official.ts");
    if (this.#closed) return;
    this.#official = openOfficial(this.#app, {
      send: (message) => this.#answer(message),
      close: () => this.close(),
      failed: this.#failed,
    });
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) this.#give(this.#official, one);
  }

  #give(official: Official, one: ForOfficial): void {
    const message = "message" in one ? one.message : this.#parsed(official, one.line);
    if (!message || ("line" in one && this.#listens.take(message))) return;
    if (!this.#introduced) this.#introduce(official);
    this.#track(message);
    official.deliver(message);
  }

  #introduce(official: Official): void {
    this.#introduced = true;
    for (const said of this.#plain.handshake()) {
      if ("method" in said && "id" in said) this.#handshakes.add(said.id);
      official.deliver(said);
    }
  }

  #parsed(official: Official, line: Line): Message | undefined {
    try {
      return official.parse(line);
    } catch {
      this.#lines.refuseMessage(line, "not a JSON-RPC message.");
      return undefined;
    }
  }

  #say(text: string): void {
    if (this.#closed) return;
    if (this.#unwritten === "") setImmediate(() => this.flush());
    this.#unwritten += `${text}\n`;
  }

  async #answer(message: Message): Promise<void> {
    if (!("method" in message) && message.id !== undefined && this.#handshakes.delete(message.id)) return;
    await this.#send(message);
    if (!("method" in message) && message.id !== undefined) this.#settle(message.id);
  }

  /** Resolves when the output has room for more. */
  #send(message: Message): Promise<void> {
    if (this.#closed) return Promise.reject(new Error("The conversation is over."));
    this.flush();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const end = (error?: Error) => {
      this.#output.off("error", end);
      this.#output.off("drain", end);
      if (error) reject(error);
      else resolve();
    };
    this.#output.once("error", end);
    if (this.#output.write(`${JSON.stringify(message)}\n`)) end();
    else this.#output.once("drain", end);
    return promise;
  }

  #track(message: Message): void {
    if (!("method" in message)) return;
    // subscriptions/listen is answered only when the connection ends, so it must not delay the drain.
    if ("id" in message && message.method !== "subscriptions/listen")
      this.#running.set(message.id, (this.#running.get(message.id) ?? 0) + 1);
    if (message.method !== "notifications/cancelled") return;
    const id = message.params?.requestId;
    if (typeof id === "string" || typeof id === "number") this.#settle(id);
  }

  #settle(id: RequestId): void {
    const left = (this.#running.get(id) ?? 1) - 1;
    if (left > 0) this.#running.set(id, left);
    else this.#running.delete(id);
    if (this.#running.size === 0) this.#resolveIdle();
  }

  /** Until running calls have been answered and streams have been ended, or for as long as that may take. */
  async #drain(): Promise<void> {
    const idle = async () => {
      while (this.#plain.busy || this.#waiting.length > 0 || this.#running.size > 0) {
        await this.#plain.idle();
        await this.#loading;
        if (this.#running.size > 0) await this.#settled();
      }
    };
    let deadline: NodeJS.Timeout | undefined;
    const tooLate = new Promise<void>((resolve) => {
      deadline = setTimeout(resolve, this.#drainMs);
    });
    await Promise.race([Promise.all([idle(), this.#endListens()]), tooLate]);
    clearTimeout(deadline);
  }

  async #endListens(): Promise<void> {
    await this.#loading;
    await this.#listens.end();
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolveIdle = resolve;
    });
  }

  #close(): void {
    this.flush();
    this.#closed = true;
    this.#input.off("data", this.#take);
    this.#input.off("error", this.#failed);
    this.#input.off("end", this.#end);
    this.#input.off("close", this.#end);
    this.#input.pause();
    this.#lines.clear();
    this.#plain.close();
    this.#official?.closed();
  }
}
