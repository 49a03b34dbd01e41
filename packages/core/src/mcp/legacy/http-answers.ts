// How requests of the 2025 era are answered over HTTP: which forms a client takes, an answer within a session, and a refusal. Knows no
// session's state.
import type { LegacySession } from "./transport-sessions.ts";

export const SESSION_HEADER = "mcp-session-id";

/** Whether a client takes answers of a type. In any case and with wildcards; no header means everything (RFC 9110, section 12.5.1). */
export function accepts({ headers }: { readonly headers: Pick<Headers, "get"> }, type: string): boolean {
  const ranges = (headers.get("accept") ?? "*/*").toLowerCase().split(",");
  const wanted = [type, `${type.split("/")[0]}/*`, "*/*"];
  return ranges.some((range) => wanted.includes(range.split(";")[0]?.trim() ?? ""));
}

/** The JSON of an answer within a session. */
export const respond = (text: string, session: Pick<LegacySession, "id">): Response =>
  new Response(text, { headers: { "Content-Type": "application/json", [SESSION_HEADER]: session.id } });

/** A refusal of a whole request. */
export function rpcError(
  status: number,
  code: number,
  message: string,
  headers: Record<string, string> = {},
  id: string | number | null = null,
): Response {
  return Response.json({ jsonrpc: "2.0", error: { code, message }, id }, { status, headers });
}
