// Reads a request's JSON within bounds: size, nesting, encoding. Answers bad input with an AppError, never with a crash.
import { isUtf8 } from "node:buffer";
import { isJsonContentType } from "@modelcontextprotocol/server";
import { AppError } from "../errors.ts";
import { parseJson } from "../json.ts";
import { cutText } from "../text.ts";

/** @throws AppError `invalid_input`, `unsupported_media_type` or `too_large`. */
export async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  if (!isJsonContentType(request.headers.get("content-type")))
    throw new AppError("unsupported_media_type", "Send JSON with the header: Content-Type: application/json.");
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity")
    throw new AppError(
      "unsupported_media_type",
      `The body is encoded as ${JSON.stringify(cutText(encoding, 40))}. Send it without Content-Encoding.`,
    );
  const bytes = await readBytes(request, maxBytes);
  // To decode it anyway would put U+FFFD in the place of what was sent.
  if (!isUtf8(bytes))
    throw new AppError("invalid_input", "The request body is not valid UTF-8. Encode it as UTF-8 and send it again.");
  const text = bytes.toString("utf8");
  return parseJson(text.startsWith("\ufeff") ? text.slice(1) : text);
}

async function readBytes(request: Request, maxBytes: number): Promise<Buffer> {
  const tooLarge = () => new AppError("too_large", `The request body is larger than the limit of ${maxBytes} bytes.`);
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > maxBytes) throw tooLarge();
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
