// Cuts stdin into lines and reads each as JSON, in place of the official transport's buffer, which rounds long numbers and puts U+FFFD
// where bytes are no UTF-8. Knows no transport.
import { isUtf8 } from "node:buffer";
import { AppError, faultOfMessage, parseJson, withoutNulls } from "@stateful-mcp/core/runtime";

/** The longest line that is read; the official transport has the same bound. */
const LINE_MAX_BYTES = 10 * 1024 * 1024;
const BOM = "\ufeff";
const PARSE_ERROR = -32_700;
const INVALID_REQUEST = -32_600;
const NEWLINE = 10;

type Id = string | number | null;

/** What a line says: an object that may be a message. */
export type Line = Readonly<Record<string, unknown>>;

/** What stdin has brought and is not read yet. */
export class Lines {
  readonly #refuse: (code: number, why: string, id: Id) => void;
  #buffer: Buffer = Buffer.alloc(0);
  /** The line being read is too long: what comes is dropped up to its end. */
  #skipping = false;

  /** `refuse` answers a line that is no message, under its id where it has one. */
  constructor(refuse: (code: number, why: string, id: Id) => void) {
    this.#refuse = refuse;
  }

  append(chunk: Buffer): void {
    let rest = chunk;
    if (this.#skipping) {
      const end = rest.indexOf(NEWLINE);
      if (end === -1) return;
      this.#skipping = false;
      rest = rest.subarray(end + 1);
    }
    this.#buffer = this.#buffer.length === 0 ? rest : Buffer.concat([this.#buffer, rest]);
    if (this.#buffer.length <= LINE_MAX_BYTES || this.#buffer.lastIndexOf(NEWLINE) !== -1) return;
    this.clear();
    this.#skipping = true;
    this.#refuse(INVALID_REQUEST, `A message may have at most ${LINE_MAX_BYTES} bytes; this one has more.`, null);
  }

  /** What the next line says; undefined: no further line is complete. */
  read(): Line | undefined {
    for (;;) {
      const end = this.#buffer.indexOf(NEWLINE);
      if (end === -1) return undefined;
      const line = this.#buffer.subarray(0, end);
      this.#buffer = this.#buffer.subarray(end + 1);
      const message = this.#read(line);
      if (message !== undefined) return message;
    }
  }

  clear(): void {
    this.#buffer = Buffer.alloc(0);
  }

  /** Answers an object that is no message after all. Without an id no answer is due: it may have been meant as a notification. */
  refuseMessage(line: Line, why: string): void {
    const id = typeof line.id === "string" ? line.id.toWellFormed() : line.id;
    if (typeof id === "string" || typeof id === "number") this.#refuse(INVALID_REQUEST, `Invalid Request: ${why}`, id);
  }

  #read(line: Buffer): Line | undefined {
    if (!isUtf8(line)) {
      this.#refuse(PARSE_ERROR, "The line is not valid UTF-8. Encode it as UTF-8 and send it again.", null);
      return undefined;
    }
    const text = line.toString("utf8");
    const unmarked = text.startsWith(BOM) ? text.slice(BOM.length) : text;
    let value: unknown;
    try {
      value = withoutNulls(parseJson(unmarked, "The line"));
    } catch (error) {
      // What is no JSON at all is not meant for this server: some programs print to the same pipe.
      if (error instanceof AppError && /^\s*[[{]/.test(unmarked)) this.#refuse(PARSE_ERROR, error.message, null);
      return undefined;
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    const why = faultOfMessage(value);
    if (why === undefined) return value as Line;
    this.refuseMessage(value as Line, why);
    return undefined;
  }
}
