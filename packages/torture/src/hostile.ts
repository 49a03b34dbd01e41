// Hostile requests, seeded: well-formed ones of every kind, damaged as JSON, as text, in their headers, and as bytes on the socket.
// Knows what a client may send and nothing of how a server takes it.
import type { Random } from "@stateful-mcp/rig";

export interface HostileRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | undefined;
}

const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

const CALLS: readonly (readonly [string, Record<string, unknown>])[] = [
  ["create_session", { name: "fuzz", ttl_seconds: 60 }],
  ["list_sessions", { limit: 2 }],
  ["session_info", {}],
  ["reset_session", { idempotency_key: "k" }],
  ["delete_session", { session_id: "fuzz" }],
  ["add_note", { note: "a note", session_id: "demo" }],
  ["get_notes", { limit: 2, order: "newest", details: true, cursor: "WyJ4Iiwib2xkZXN0IiwxXQ" }],
  ["update_note", { note_id: "note_a_1", note: "another", if_version: 1 }],
  ["delete_note", { note_id: "note_a_1" }],
  ["store_value", { key: "k", value: { a: [1, null, "x"] }, if_version: 0, ttl_seconds: 60 }],
  ["get_value", { key: "k" }],
  ["list_values", { prefix: "k", limit: 3 }],
  ["delete_value", { key: "k", if_version: 1 }],
  ["increment_value", { key: "n", by: 2 }],
  ["search_memory", { query: "a", in_session: "demo", limit: 2, cursor: "WyJ4IiwieSJd" }],
  ["show_memory", {}],
  ["echo_cached", { text: "hello" }],
];

/** Messages of a 2025-era session that go past `tools/call`: what its client sets, asks to be told of, answers and takes back. */
const IN_SESSION: readonly Record<string, unknown>[] = [
  { method: "logging/setLevel", params: { level: "info" } },
  { method: "resources/subscribe", params: { uri: "session://demo/notes" } },
  { method: "resources/unsubscribe", params: { uri: "session://demo/notes" } },
  { method: "resources/read", params: { uri: "session://demo/values/k" } },
  { method: "prompts/get", params: { name: "recall", arguments: { session_id: "demo" } } },
  {
    method: "completion/complete",
    params: { ref: { type: "ref/prompt", name: "recall" }, argument: { name: "session_id", value: "d" } },
  },
  { method: "notifications/cancelled", id: undefined, params: { requestId: 7, reason: "enough" } },
  { method: "notifications/progress", id: undefined, params: { progressToken: 7, progress: 1 } },
  { result: { action: "accept", content: { confirm: true } } },
  { error: { code: -32_000, message: "no" } },
];

/** Stands for the id of a session that is open, in the header of a request that is to be in one. */
export const OPEN_SESSION = "open-session";

const METHODS = [
  "tools/list",
  "server/discover",
  "ping",
  "resources/list",
  "resources/read",
  "prompts/get",
  "completion/complete",
];

const HOSTILE_VALUES: readonly ((random: Random) => unknown)[] = [
  () => null,
  () => "",
  () => -1,
  () => 1.5,
  () => 2 ** 53,
  () => 1e300,
  () => -0,
  () => true,
  () => [],
  () => ({}),
  () => [[[[]]]],
  () => "\u0000",
  () => "\ud800",
  () => "\udc00x",
  (random) => `${"y".repeat(random.int(198, 200))}🎉`,
  (random) => ({ $binary: "A".repeat(random.int(1, 700_000)) }),
  () => "💣".repeat(300),
  () => "../../etc/passwd",
  () => "ses_00000000000000000000000000",
  () => "ses_",
  () => "P#x#S#y",
  () => "%23%2F",
  () => "__proto__",
  () => "constructor",
  () => ({ toString: null, length: -1 }),
  () => JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
  (random) => "x".repeat(random.int(1, 70_000)),
  (random) => nested(random.int(1, 2_000)),
  (random) => Array.from({ length: random.int(1, 500) }, (_, i) => i),
];

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 ? [value] : { a: value };
  return value;
}

/** One request, damaged in one to three ways, or (rarely) not at all. */
export function hostileRequest(random: Random): HostileRequest {
  let { path, headers, message } = wellFormed(random);
  const damages = random.int(0, 3);
  for (let i = 0; i < damages; i++) {
    if (random.chance(0.7)) message = damagedJson(message, random);
    else headers = damagedHeaders(headers, random);
  }
  let body: Buffer = Buffer.from(JSON.stringify(message) ?? "");
  if (random.chance(0.15)) body = damagedBytes(body, random);
  if (random.chance(0.03))
    path = random.pick([
      "/mcp/",
      "/mcp//call_tool",
      "/tools/add_note",
      "/%2e%2e/mcp",
      "/mcp?x=1#y",
      `/${"a".repeat(3_000)}`,
    ]);
  const method = random.chance(0.05) ? random.pick(["GET", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD"]) : "POST";
  return { method, path, headers, body: method === "POST" || random.chance(0.2) ? body : undefined };
}

function wellFormed(random: Random): { path: string; headers: Record<string, string>; message: unknown } {
  const [name, given] = random.pick(CALLS);
  const id = random.int(0, 1_000_000);
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  };
  const kind = random.int(1, 10);
  if (kind <= 3) return { path: "/mcp/call_tool", headers, message: { name, arguments: given } };
  if (kind <= 5) {
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "fuzz", version: "1" } };
    if (random.chance(0.1))
      return { path: "/mcp", headers, message: { jsonrpc: "2.0", id, method: "initialize", params } };
    const inSession = random.chance(0.5)
      ? random.pick(IN_SESSION)
      : { method: "tools/call", params: { name, arguments: given } };
    const message = { jsonrpc: "2.0", id, ...inSession };
    const session = random.chance(0.05) ? "none" : OPEN_SESSION;
    return {
      path: "/mcp",
      headers: {
        ...headers,
        "mcp-session-id": session,
        ...(random.chance(0.5) && { "mcp-protocol-version": "2025-11-25" }),
      },
      message: random.chance(0.05) ? [message] : message,
    };
  }
  const method = kind <= 9 ? "tools/call" : random.pick(METHODS);
  const params = { ...(method === "tools/call" && { name, arguments: given }), _meta: ENVELOPE };
  return {
    path: "/mcp",
    headers: {
      ...headers,
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(method === "tools/call" && { "mcp-name": name }),
    },
    message: { jsonrpc: "2.0", id, method, params },
  };
}

/** Changes one place of a JSON value, chosen at random among all of them. */
function damagedJson(value: unknown, random: Random): unknown {
  const places = countPlaces(value);
  let at = random.int(0, places - 1);
  const damage = (here: unknown): unknown => {
    if (at-- === 0) return random.pick(HOSTILE_VALUES)(random);
    if (Array.isArray(here)) return here.map(damage);
    if (here === null || typeof here !== "object") return here;
    return Object.fromEntries(
      Object.entries(here).flatMap(([key, inner]) => {
        const kept: [string, unknown] = [damagedKey(key, random), damage(inner)];
        return random.chance(0.03) ? [] : [kept];
      }),
    );
  };
  return damage(value);
}

function damagedKey(key: string, random: Random): string {
  if (!random.chance(0.03)) return key;
  return random.pick([
    key.toUpperCase(),
    `${key}_`,
    "__proto__",
    "constructor",
    "",
    key.replace(/_(\w)/g, (_, c: string) => c.toUpperCase()),
  ]);
}

function countPlaces(value: unknown): number {
  if (value === null || typeof value !== "object") return 1;
  return Object.values(value).reduce((sum: number, inner) => sum + countPlaces(inner), 1);
}

function damagedHeaders(headers: Record<string, string>, random: Random): Record<string, string> {
  const name = random.pick([
    ...Object.keys(headers),
    "mcp-session-id",
    "last-event-id",
    "idempotency-key",
    "authorization",
    "origin",
    "host",
  ]);
  const value = random.pick([
    "",
    "text/plain",
    "application/json; charset=utf-16",
    "application/jsonp",
    "2099-01-01",
    "2024-11-05",
    "tools/list",
    "Bearer x",
    "http://evil.example",
    "evil.example",
    "null",
    "x".repeat(2_000),
    "é".repeat(3),
    "a.1",
  ]);
  return { ...headers, [name]: Buffer.from(value).toString("latin1") };
}

function damagedBytes(body: Buffer, random: Random): Buffer {
  const copy = Buffer.from(body);
  switch (random.int(1, 6)) {
    case 1:
      return copy.subarray(0, random.int(0, copy.length));
    case 2:
      for (let i = 0; i < 3 && copy.length > 0; i++) copy[random.int(0, copy.length - 1)] = random.int(0, 255);
      return copy;
    case 3:
      return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), copy]);
    case 4:
      return Buffer.concat([copy, copy]);
    case 5:
      return Buffer.alloc(random.chance(0.05) ? 1_300_000 : 1_000, random.pick([0x5b, 0x7b, 0x20, 0x00, 0xff]));
    default:
      return Buffer.from(`[${Array.from({ length: random.int(0, 150) }, () => copy.toString()).join(",")}]`).subarray(
        0,
        200_000,
      );
  }
}

/** Bytes that are no HTTP request, or two at once. */
export function hostileBytes(random: Random): Buffer {
  const line = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  return Buffer.from(
    random.pick([
      "GARBAGE\r\n\r\n",
      "\r\n\r\n\r\n",
      `${line}Content-Length: -1\r\n\r\n{}`,
      `${line}Content-Length: 99999999999999999999\r\n\r\n{}`,
      `${line}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
      `${line}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${line}Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n`,
      `${line}Content-Length: 5\r\n\r\n{}`,
      `GET ${"/a".repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      `GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n`,
      `GET /health HTTP/1.1\r\n\r\n`,
      `GET /health HTTP/1.1\r\nHost: localhost\r\n${"X-A: b\r\n".repeat(3_000)}\r\n`,
      String.fromCharCode(...Array.from({ length: 200 }, () => random.int(0, 255))),
    ]),
    "latin1",
  );
}
