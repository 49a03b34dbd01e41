// Reads a request's JSON within bounds: size, nesting, encoding. Answers bad input with an AppError, never with a crash.
import { isJsonContentType, readRequestBody } from "@modelcontextprotocol/server";
import { AppError } from "../errors.ts";
import { NESTING_MAX_LEVELS } from "../limits.ts";
import { byteLength, nestsDeeperThan } from "../text.ts";

/** @throws AppError `invalid_input`, `unsupported_media_type` or `too_large`. */
export async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  if (!isJsonContentType(request.headers.get("content-type")))
    throw new AppError("unsupported_media_type", "Send JSON with the header: Content-Type: application/json.");
  const text = await readText(request, maxBytes);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new AppError("invalid_input", "The request body is not valid JSON.");
  }
  if (nestsDeeperThan(body, NESTING_MAX_LEVELS))
    throw new AppError("invalid_input", `The request body nests deeper than ${NESTING_MAX_LEVELS} levels.`);
  return body;
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const tooLarge = () => new AppError("too_large", `The request body is larger than the limit of ${maxBytes} bytes.`);
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > maxBytes) throw tooLarge();
    // text() is the fast path of the Node adapter; a declared length has already bounded what it reads.
    const text = await request.text().catch(unreadable);
    if (text.length > maxBytes || (text.length * 3 > maxBytes && byteLength(text) > maxBytes)) throw tooLarge();
    return text;
  }
  const read = await readRequestBody(request, maxBytes).catch(unreadable);
  if (read.tooLarge) throw tooLarge();
  return read.text;
}

function unreadable(): never {
  throw new AppError("invalid_input", "The request body could not be read to its end.");
}
