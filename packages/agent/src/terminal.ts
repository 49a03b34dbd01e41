// What a person sees and types. On a terminal: colour, a sign of life while the model thinks, Ctrl-C ends a turn. Elsewhere
// plain lines. Knows nothing of models and servers beyond what it is told to show.
import { createInterface } from "node:readline";
import { styleText } from "node:util";
import type { Observer } from "./conversation.ts";
import { type Answer, fillIn, type Question } from "./form.ts";
import type { ToolCall, ToolResult } from "./model.ts";

const SHOWN_MAX_CHARACTERS = 160;
const FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const FRAME_MILLISECONDS = 100;

type Style = Parameters<typeof styleText>[0];

export class Terminal implements Observer {
  readonly #live = process.stdout.isTTY === true && process.stdin.isTTY === true;
  readonly #coloured = process.stdout.isTTY === true && !process.env.NO_COLOR;
  readonly #lines = createInterface({ input: process.stdin, output: this.#live ? process.stdout : undefined });
  // Begun at once: lines that come in before they are asked for would be lost.
  readonly #entered = this.#lines[Symbol.asyncIterator]();
  readonly #closed = new AbortController();
  #turn: AbortController | undefined;
  #spinner: NodeJS.Timeout | undefined;
  #atLineStart = true;

  constructor() {
    this.#lines.setPrompt(this.#paint("cyan", "› "));
    const interrupt = () => {
      if (this.#turn) this.#turn.abort();
      else if (this.#live) {
        this.say("Ctrl-D leaves.");
        this.#lines.prompt();
      } else process.exit(130);
    };
    // On a terminal readline takes the key; a signal from elsewhere means the same.
    this.#lines.on("SIGINT", interrupt);
    this.#lines.on("close", () => this.#closed.abort());
    process.on("SIGINT", interrupt);
  }

  /** What the user enters, line by line, until the end of the input. */
  async *inputs(): AsyncIterable<string> {
    if (this.#live) this.#lines.prompt();
    for await (const line of this.#entered) {
      const text = line.trim();
      if (text !== "" && !this.#live) this.say(`› ${text}`);
      if (text !== "") yield text;
      if (this.#live) this.#lines.prompt();
    }
  }

  /** Runs a turn that Ctrl-C ends. */
  async turn(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#turn = new AbortController();
    try {
      await run(this.#turn.signal);
    } finally {
      this.#turn = undefined;
      this.#endLine();
    }
  }

  say(line: string, style: Style = "dim"): void {
    this.#endLine();
    this.#write(`${this.#paint(style, printable(line))}\n`);
  }

  thinking(): void {
    if (this.#live) this.#spin("thinking");
  }

  text(text: string): void {
    this.#write(printable(text));
  }

  call({ name, input }: ToolCall): void {
    const shown = Object.entries(input).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
    this.say(`  → ${name}(${short(shown.join(", "))})`, "yellow");
    if (this.#live) this.#spin(name);
  }

  progress({ name }: ToolCall, message: string): void {
    if (this.#live) this.#spin(`${name}: ${short(printable(message))}`);
    else this.say(`    ${short(message)}`);
  }

  result(_: ToolCall, { text, failed }: ToolResult): void {
    this.say(`  ${failed ? "✗" : "✓"} ${short(text)}`, failed ? "red" : "green");
  }

  /** Puts a server's question to the person. Without a terminal no person can be asked, and the answer is no. */
  async ask({ message, requestedSchema }: Question): Promise<Answer> {
    this.say(`  ? ${message}`, "magenta");
    if (!this.#live) {
      this.say("    declined: without a terminal nobody can be asked");
      return { action: "decline" };
    }
    try {
      for (;;) {
        const reply = await this.#read("    Answer? yes, no, or cancel: ");
        if (/^(n|no)$/i.test(reply)) return { action: "decline" };
        if (/^(c|cancel)$/i.test(reply)) return { action: "cancel" };
        if (!/^(y|yes)$/i.test(reply)) continue;
        return { action: "accept", content: await fillIn(requestedSchema, (prompt) => this.#read(`    ${prompt}`)) };
      }
    } catch (error) {
      // Ctrl-C ends the turn and Ctrl-D the program; both leave the question without an answer.
      if (error instanceof Error && error.name === "AbortError") return { action: "cancel" };
      throw error;
    }
  }

  /** What is typed from now on: a line that was entered before the question is no answer to it. */
  #read(prompt: string): Promise<string> {
    this.#endLine();
    const signal = AbortSignal.any([this.#closed.signal, ...(this.#turn ? [this.#turn.signal] : [])]);
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      this.#lines.question(printable(prompt), { signal }, (text) => resolve(text.trim()));
    });
  }

  close(): void {
    this.#stopSpinner();
    this.#lines.close();
  }

  #spin(label: string): void {
    this.#endLine();
    const start = Date.now();
    let frame = 0;
    this.#spinner = setInterval(() => {
      const seconds = Math.floor((Date.now() - start) / 1000);
      const sign = FRAMES[frame++ % FRAMES.length];
      process.stdout.write(`\r\x1b[K${this.#paint("dim", `${sign} ${label}${seconds > 0 ? ` ${seconds} s` : ""}`)}`);
    }, FRAME_MILLISECONDS);
  }

  #stopSpinner(): void {
    if (this.#spinner === undefined) return;
    clearInterval(this.#spinner);
    this.#spinner = undefined;
    process.stdout.write("\r\x1b[K");
  }

  #endLine(): void {
    this.#stopSpinner();
    if (!this.#atLineStart) this.#write("\n");
  }

  #write(text: string): void {
    this.#stopSpinner();
    if (text === "") return;
    process.stdout.write(text);
    this.#atLineStart = text.endsWith("\n");
  }

  #paint(style: Style, text: string): string {
    return this.#coloured ? styleText(style, text) : text;
  }
}

/** Models and tools may send anything: nothing of it may steer the terminal. */
const printable = (text: string): string => text.replace(/(?![\n\t])\p{Cc}/gu, "");

function short(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= SHOWN_MAX_CHARACTERS ? line : `${line.slice(0, SHOWN_MAX_CHARACTERS - 1)}…`;
}
