// Cuts stdin into lines and reads each as a message, in the location of the official transport's buffer, which rounds long numbers and
// puts U+FFFD where bytes are no UTF-8. Knows no transport.
import { isUtf8 } from "node:buffer";
import { type JSONRPCMessage, parseJSONRPCMessage } from "@modelcontextprotocol/server";
import { AppError, parseJson } from "@stateful-mcp/core";

/** What the official transport bounds its buffer to. */
const BUFFER_MAX_BYTES = 10 * 1024 * 1024;
const NEWLINE = 10;

/** The part of the official buffer that its transport uses. */
export class Lines {
  readonly #refuse: (why: string) => void;
  #buffer: Buffer = Buffer.alloc(0);

  /** `refuse` answers a line that cannot be a message, and whose id is therefore not known. */
  constructor(refuse: (why: string) => void) {
    this.#refuse = refuse;
  }

  append(chunk: Buffer): void {
    if (this.#buffer.length + chunk.length > BUFFER_MAX_BYTES) {
      this.clear();
      throw new Error(`A message has more than ${BUFFER_MAX_BYTES} bytes.`);
    }
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
  }

  /** The next message; null: no further line is complete. @throws for a line that is JSON and no message. */
  readMessage(): JSONRPCMessage | null {
    for (;;) {
      const end = this.#buffer.indexOf(NEWLINE);
      if (end === -1) return null;
      const line = this.#buffer.subarray(0, end);
      this.#buffer = this.#buffer.subarray(end + 1);
      const read = this.#read(line);
      if (read !== undefined) return parseJSONRPCMessage(read);
    }
  }

  clear(): void {
    this.#buffer = Buffer.alloc(0);
  }

  #read(line: Buffer): unknown {
    if (!isUtf8(line)) {
      this.#refuse("The line is not valid UTF-8. Encode it as UTF-8 and send it again.");
      return undefined;
    }
    const text = line.toString("utf8");
    try {
      return parseJson(text, "The line");
    } catch (error) {
      // What is no JSON at all is not meant for this server: some programs print to the same pipe.
      if (error instanceof AppError && /^\s*[[{]/.test(text)) this.#refuse(error.message);
      return undefined;
    }
  }
}
