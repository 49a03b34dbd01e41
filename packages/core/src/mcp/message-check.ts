// What a message must be before anybody looks at what it asks for: ids that keys can hold, and text that every reader can read.
// Knows no carrier and no method.
import { findJsonFault } from "../json.ts";
import { byteLength, cutText } from "../text.ts";

/** Ids of requests and of what they answer or cancel are parts of keys, of which DynamoDB takes 1,024 bytes, percent-encoded. */
const ID_MAX_BYTES = 256;

/** Why a message, or one of a batch, cannot be taken; undefined: it can. Arguments of a tool are left to the tool's own checks. */
export function faultOfMessage(message: unknown): string | undefined {
  if (Array.isArray(message)) {
    for (const one of message) {
      const fault = faultOfMessage(one);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  if (typeof message !== "object" || message === null) return undefined;
  const { params, ...rest } = message as { params?: unknown; id?: unknown; method?: unknown };
  const { arguments: _, ...others } = (params ?? {}) as { arguments?: unknown; requestId?: unknown };
  const fault = findJsonFault({ ...rest, params: others });
  if (fault) return `${cutText(fault.path.join("."), 200)}: ${fault.why}.`;
  for (const [name, id] of [
    ["id", rest.id],
    ["params.requestId", others.requestId],
  ] as const)
    if (typeof id === "string" && byteLength(id) > ID_MAX_BYTES)
      return `${name} has ${byteLength(id)} bytes; the limit is ${ID_MAX_BYTES}.`;
  return undefined;
}
