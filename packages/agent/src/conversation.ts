// One conversation: the user's words, the model's answers, the tools it calls in between. Every message is durable before
// the next step, so that a killed agent is continued where it stood. Knows no terminal and no provider of models.
import type { Message, Model, ToolCall, ToolResult } from "./model.ts";
import type { Server } from "./server.ts";
import type { Transcript } from "./transcript.ts";

const SYSTEM = `You are a helpful assistant with a durable memory: tools for notes and values that outlive this conversation.
Write down what the user will want to find again, and look there before you say that you do not know.
When a tool answers with an error, read what it says, correct the call, or tell the user plainly.`;

/** Rounds of tool calls in one turn, unless told otherwise. */
export const DEFAULT_MAX_ROUNDS = 8;
/** Messages the model is shown: older ones stay in the transcript. */
const SHOWN_MESSAGES_MAX = 200;
/** UTF-8 bytes of all results of one round together; with its JSON escapes that fits into one stored value. */
const RESULTS_MAX_BYTES = 24_000;
const STOPPED = "(stopped by the user)";

/** What a person may want to see while a turn runs. */
export interface Observer {
  thinking(): void;
  text(text: string): void;
  call(call: ToolCall): void;
  progress(call: ToolCall, message: string): void;
  result(call: ToolCall, result: ToolResult): void;
}

export interface ConversationOptions {
  readonly server: Server;
  readonly model: Model;
  readonly transcript: Transcript;
  /** Default 8. */
  readonly maxRounds?: number;
}

export class Conversation {
  readonly #server: Server;
  readonly #model: Model;
  readonly #transcript: Transcript;
  readonly #maxRounds: number;

  constructor({ server, model, transcript, maxRounds = DEFAULT_MAX_ROUNDS }: ConversationOptions) {
    this.#server = server;
    this.#model = model;
    this.#transcript = transcript;
    this.#maxRounds = maxRounds;
  }

  /** Whether the last turn was cut off, so that `proceed` has something to do. */
  get unfinished(): boolean {
    const last = this.#transcript.messages.at(-1);
    return last !== undefined && (last.role !== "assistant" || last.calls.length > 0);
  }

  /** One turn. An abort ends it. Throws when the model or the server fails; the next turn can begin all the same. */
  async ask(text: string, observer: Observer, signal: AbortSignal): Promise<void> {
    if (this.unfinished) await this.#closeTurn("(this turn broke off)");
    await this.#transcript.add({ role: "user", text });
    await this.proceed(observer, signal);
  }

  /** Finishes the turn that has begun: calls whose results are missing are sent again under their keys. */
  async proceed(observer: Observer, signal: AbortSignal): Promise<void> {
    try {
      await this.#run(observer, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      await this.#closeTurn(STOPPED);
      observer.text(STOPPED);
    }
  }

  async #run(observer: Observer, signal: AbortSignal): Promise<void> {
    for (let rounds = roundsOf(this.#transcript.messages); this.unfinished; ) {
      const last = this.#transcript.messages.at(-1);
      if (last?.role === "assistant") {
        if (rounds++ >= this.#maxRounds) {
          const why = `(stopped after ${this.#maxRounds} rounds of tool calls)`;
          await this.#closeTurn(why);
          observer.text(why);
        } else {
          await this.#transcript.add({ role: "tools", results: await this.#callAll(last.calls, observer, signal) });
        }
      } else {
        observer.thinking();
        await this.#transcript.add(await this.#hear(observer, signal));
      }
    }
  }

  /** The model's next message. What it had said when it was stopped is kept. */
  async #hear(observer: Observer, signal: AbortSignal): Promise<Message> {
    let text = "";
    const calls: ToolCall[] = [];
    const messages = recent(this.#transcript.messages);
    try {
      for await (const piece of this.#model.reply({ system: SYSTEM, messages, tools: this.#server.tools, signal })) {
        if ("call" in piece) calls.push(piece.call);
        else {
          text += piece.text;
          observer.text(piece.text);
        }
        signal.throwIfAborted();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      const mark = text === "" ? STOPPED : ` ${STOPPED}`;
      observer.text(mark);
      return { role: "assistant", text: text + mark, calls: [] };
    }
    // Neither words nor calls: a provider refuses an empty message when the conversation goes on.
    return { role: "assistant", text: text || (calls.length === 0 ? "(no answer)" : ""), calls };
  }

  async #callAll(calls: readonly ToolCall[], observer: Observer, signal: AbortSignal): Promise<ToolResult[]> {
    const results: ToolResult[] = [];
    for (const [index, call] of calls.entries()) {
      observer.call(call);
      const result = shorten(await this.#callOne(call, index, observer, signal), RESULTS_MAX_BYTES / calls.length);
      observer.result(call, result);
      results.push(result);
    }
    return results;
  }

  /** A tool that fails and a server that cannot be reached are told to the model, which can do something about it. */
  async #callOne(call: ToolCall, index: number, observer: Observer, signal: AbortSignal): Promise<ToolResult> {
    const { id, name, input } = call;
    try {
      const { text, failed } = await this.#server.call(name, input, {
        // The call's place in the transcript: a continued conversation sends the same key.
        key: `${this.#transcript.id}/${this.#transcript.messages.length}/${index}`,
        sessionId: this.#transcript.workspace,
        signal,
        onProgress: ({ progress, total, message }) =>
          observer.progress(call, message ?? (total === undefined ? String(progress) : `${progress} of ${total}`)),
      });
      return { id, text, failed };
    } catch (error) {
      signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      return { id, text: `${name} gave no answer, and it is not known whether it took effect: ${why}`, failed: true };
    }
  }

  /** Brings the transcript into a state in which the user may speak next. */
  async #closeTurn(why: string): Promise<void> {
    const last = this.#transcript.messages.at(-1);
    if (last?.role === "assistant" && last.calls.length > 0) {
      const results = last.calls.map(({ id }) => ({ id, text: why, failed: true }));
      await this.#transcript.add({ role: "tools", results });
    }
    if (this.unfinished) await this.#transcript.add({ role: "assistant", text: why, calls: [] });
  }
}

/** Rounds of tool calls since the user last spoke. */
function roundsOf(messages: readonly Message[]): number {
  const turn = messages.slice(messages.findLastIndex(({ role }) => role === "user"));
  return turn.filter(({ role }) => role === "tools").length;
}

/** The end of a conversation, from a message of the user on. */
function recent(messages: readonly Message[]): readonly Message[] {
  if (messages.length <= SHOWN_MESSAGES_MAX) return messages;
  const start = messages.findIndex(
    ({ role }, index) => role === "user" && index >= messages.length - SHOWN_MESSAGES_MAX,
  );
  return messages.slice(start === -1 ? messages.findLastIndex(({ role }) => role === "user") : start);
}

function shorten(result: ToolResult, maxBytes: number): ToolResult {
  const bytes = Buffer.from(result.text);
  if (bytes.length <= maxBytes) return result;
  const kept = bytes
    .subarray(0, maxBytes)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
  return { ...result, text: `${kept}… (${bytes.length} bytes in all, the rest is left out)` };
}
