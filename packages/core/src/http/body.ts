// Reads a request's JSON within bounds: size, nesting, encoding, and how much of one caller may be under way. Answers bad input with an
// AppError, never with a crash.
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { AppError } from "../errors.ts";
import { parseJson } from "../json.ts";
import type { Principal } from "../principal.ts";
import { type CallerRoom, Room } from "../room.ts";
import type { Crowd } from "../state/crowd.ts";
import type { State } from "../state/state.ts";
import { cutText } from "../text.ts";

/** What nearly all clients send. */
const SURELY_JSON = /^application\/json(?:; ?charset=utf-8)?$/i;

/** Whether a Content-Type says JSON. Of unusual spellings the official SDK judges, which need not be loaded for the others. */
async function isJson(type: string | null): Promise<boolean> {
  if (type !== null && SURELY_JSON.test(type)) return true;
  const { isJsonContentType } = await import("../sdk.ts");
  return isJsonContentType(type);
}

/** The bodies that are being read. */
export class Bodies {
  readonly #maxBytes: number;
  readonly #room: Room;
  readonly #crowd: Crowd;

  constructor(maxBytes: number, { limits, crowd }: Pick<State, "limits" | "crowd">) {
    this.#maxBytes = maxBytes;
    this.#room = new Room(limits.arrivingBytesPerCaller, limits.arrivingBytesPerProcess);
    this.#crowd = crowd;
  }

  /** @throws AppError `invalid_input`, `unsupported_media_type`, `too_large` or `rate_limited`. */
  async readJson(request: Request, principal: Principal): Promise<unknown> {
    const arriving = new Arriving(this.#room.of(principal));
    try {
      const type = request.headers.get("content-type");
      if (!(await isJson(type))) throw wrongType("JSON", "application/json");
      const bytes = await bodyOf(request, this.#maxBytes, arriving);
      this.#crowd.admitBytes(principal, bytes.byteLength);
      return jsonOf(bytes);
    } finally {
      arriving.end();
    }
  }

  /**
   * The JSON of a body that says how long it is, as `read` gives it, and how to count its bytes: false where they are too many. Undefined
   * where it is refused or has no end: only `readJson` says why.
   */
  async readDeclared(
    length: number,
    principal: Principal,
    read: () => Promise<Buffer>,
  ): Promise<{ body: unknown; admit: () => boolean } | undefined> {
    if (length > this.#maxBytes) return undefined;
    const arriving = new Arriving(this.#room.of(principal));
    try {
      arriving.take(length);
      const bytes = await read();
      return { body: jsonOf(bytes), admit: () => this.#admits(principal, bytes.byteLength) };
    } catch {
      return undefined;
    } finally {
      arriving.end();
    }
  }

  #admits(principal: Principal, bytes: number): boolean {
    try {
      this.#crowd.admitBytes(principal, bytes);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Works on a body of `type` as text, with the SHA-256 of its bytes in hex. It counts as under way until that is done: such a text is
   * large, and work on it may take minutes. @throws AppError as `readJson`.
   */
  async withText<T>(
    request: Request,
    principal: Principal,
    { type, maxBytes }: { type: string; maxBytes: number },
    work: (text: string, hash: string) => Promise<T>,
  ): Promise<T> {
    const given = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
    if (given !== type) throw wrongType("lines of JSON", type);
    const arriving = new Arriving(this.#room.of(principal));
    const read = async (): Promise<[text: string, hash: string]> => {
      const bytes = await bodyOf(request, maxBytes, arriving);
      this.#crowd.admitBytes(principal, bytes.byteLength);
      return [textOf(bytes), createHash("sha256").update(bytes).digest("hex")];
    };
    try {
      return await work(...(await read()));
    } finally {
      arriving.end();
    }
  }
}

const wrongType = (what: string, type: string): AppError =>
  new AppError("unsupported_media_type", `Send ${what} with the header: Content-Type: ${type}.`);

/** One body under way. */
class Arriving {
  readonly #room: CallerRoom;
  #bytes = 0;

  constructor(room: CallerRoom) {
    this.#room = room;
  }

  /** @throws AppError `rate_limited` when the caller has too much under way for so many bytes more. */
  take(bytes: number): void {
    // What has been let in so far does not stand in its own way.
    this.#room.change(-this.#bytes);
    const fits = this.#room.fits(this.#bytes + bytes);
    this.#room.change(this.#bytes);
    if (!fits)
      throw new AppError(
        "rate_limited",
        "Too many bytes of your requests are under way. Finish those that you have begun, then send this one again.",
        { retryAfterSeconds: 1, beforeEffect: true },
      );
    this.#bytes += bytes;
    this.#room.change(bytes);
  }

  end(): void {
    this.#room.change(-this.#bytes);
  }
}

async function bodyOf(request: Request, maxBytes: number, arriving: Arriving): Promise<Buffer> {
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity")
    throw new AppError(
      "unsupported_media_type",
      `The body is encoded as ${JSON.stringify(cutText(encoding, 40))}. Send it without Content-Encoding.`,
    );
  return readBytes(request, maxBytes, arriving);
}

const jsonOf = (bytes: Buffer): unknown => parseJson(textOf(bytes));

function textOf(bytes: Buffer): string {
  // To decode it anyway would put U+FFFD in the place of what was sent.
  if (!isUtf8(bytes))
    throw new AppError("invalid_input", "The request body is not valid UTF-8. Encode it as UTF-8 and send it again.");
  const text = bytes.toString("utf8");
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

async function readBytes(request: Request, maxBytes: number, arriving: Arriving): Promise<Buffer> {
  const tooLarge = () => new AppError("too_large", `The request body is larger than the limit of ${maxBytes} bytes.`);
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    const length = Number(declared);
    if (length > maxBytes) throw tooLarge();
    arriving.take(length >= 0 ? length : maxBytes);
    // arrayBuffer() is a fast path of the Node adapter; a declared length has already bounded what it reads.
    const bytes = Buffer.from(await request.arrayBuffer().catch(unreadable));
    if (bytes.byteLength > maxBytes) throw tooLarge();
    return bytes;
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength;
      // Leaving the loop cancels the rest of the body.
      if (size > maxBytes) throw tooLarge();
      arriving.take(chunk.byteLength);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    return unreadable();
  }
  return Buffer.concat(chunks);
}

function unreadable(): never {
  throw new AppError("invalid_input", "The request body could not be read to its end.");
}
