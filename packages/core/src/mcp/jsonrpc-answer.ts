// Where a result becomes a JSON-RPC message, as text in the order in which the official SDK writes it: the result, its `_meta` with the
// request's id, and the id that the message answers. What is not plain the SDK writes itself. Knows no channel.
import type { ToolResult } from "../calls/call-tool.ts";
import type { Services } from "../calls/services.ts";
import { SERVER_INFO_META_KEY } from "../protocol.ts";
import type { ServerInfo } from "./offer.ts";
import { REQUEST_ID_META_KEY } from "./requests.ts";
import { isObject } from "./shapes.ts";

/** A result up to its end. */
export const resultStart = (result: object): string => `{"result":${JSON.stringify(result).slice(0, -1)}`;

/** A tool's result up to its end; undefined where that is the SDK's to say. */
export function toolResultStart(
  tools: Services["tools"],
  name: string,
  { structured, replayed, task }: ToolResult,
): string | undefined {
  if (task || replayed || !tools.get(name)?.output || !isObject(structured)) return undefined;
  // As callToolResult has it, written once and not twice.
  const text = JSON.stringify(structured);
  return `{"result":{"content":[{"type":"text","text":${JSON.stringify(text)}}],"structuredContent":${text}`;
}

/** How the `_meta` of an answer begins, up to the request's id; only those of 2026 name the server. */
export function metaStart(server: Pick<ServerInfo, "name" | "version"> | undefined): string {
  const { name, version } = server ?? {};
  const info = server ? `${JSON.stringify({ [SERVER_INFO_META_KEY]: { name, version } }).slice(1, -1)},` : "";
  return `,"_meta":{${info}"${REQUEST_ID_META_KEY}":"`;
}

/** An answer's text from its beginning up to the request's id in its `_meta`. */
export const answerFrom = (start: string, requestId: string, id: string | number): string =>
  `${start}${requestId}"}}${endOf(id)}`;

/** How a message ends that answers this id. */
export const endOf = (id: string | number): string => `,"jsonrpc":"2.0","id":${JSON.stringify(id)}}`;
