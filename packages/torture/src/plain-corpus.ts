// MCP requests over HTTP as clients send them and as they should not: well-formed ones of both eras, and the same with one part or
// several changed. Knows the wire and no server.
import type { Random } from "@stateful-mcp/rig";

export interface WireRequest {
  readonly headers: Record<string, string>;
  readonly body: string;
}

const REVISION = "2026-07-28";
const META = "io.modelcontextprotocol/";
const LISTS = ["tools/list", "prompts/list", "resources/templates/list", "server/discover", "resources/list"];
const CAPABILITIES = [
  ...Array.from({ length: 10 }, () => ({})),
  { elicitation: { form: {} }, sampling: {} },
  { elicitation: {} },
  { sampling: {}, roots: {} },
  { elicitation: { form: {}, url: {} } },
  { elicitation: { form: { x: 1 } } },
  { roots: { listChanged: true } },
  { extensions: { "io.modelcontextprotocol/tasks": {} } },
  { experimental: { x: {} } },
  { sampling: 1 },
  { sampling: [] },
  { tasks: {} },
];
const TEXTS = ["", "a", "hello", "ä€😀", '"\\\u2028', "\ud800", "x".repeat(3_000), "__proto__", "2026-07-28", "\u0000"];
const ODD = [null, 0, -0, 1.5, 1e300, 2 ** 60, true, false, [], [1], {}, { a: null }, "", "text", "\ud83d"];
const KEYS = [
  "__proto__",
  "constructor",
  "toString",
  "id",
  "_meta",
  "cursor",
  "task",
  "inputResponses",
  "requestState",
  "",
  "x",
];
const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** A copy: a request is changed in place, and what it changes must not be part of the next one. */
const fresh = <T>(random: Random, items: readonly T[]): T => structuredClone(random.pick(items));

type Parts = Record<string, unknown>;
interface Draft {
  headers: Record<string, string>;
  message: Parts;
}

/** What tools can be called, and with which arguments. */
export interface CorpusTool {
  readonly name: string;
  /** A client that can be asked is: nothing in the corpus would answer it. */
  readonly asks?: true;
  readonly input: (random: Random) => Parts;
}

/** 2025-era sessions as the corpus expects them to be open. Requests name them by their place: a header `mcp-session-id: session 2`. */
export const CORPUS_SESSIONS: readonly { readonly protocolVersion: string; readonly capabilities: Parts }[] = [
  { protocolVersion: "2025-11-25", capabilities: {} },
  { protocolVersion: "2025-06-18", capabilities: { sampling: {}, roots: { listChanged: true } } },
  { protocolVersion: "2025-03-26", capabilities: { roots: {}, experimental: { x: {} } } },
  { protocolVersion: "2025-11-25", capabilities: { elicitation: {} } },
  { protocolVersion: "2025-11-25", capabilities: { elicitation: { form: {}, url: {} }, sampling: { tools: {} } } },
  { protocolVersion: "2025-11-25", capabilities: { elicitation: { url: {} }, unknown: {} } },
];

/** One request; about half of them are as they should be. */
export function corpusRequest(random: Random, tools: readonly CorpusTool[], tokens: readonly string[]): WireRequest {
  const draft = random.chance(0.6) ? modern(random, tools) : legacy(random, tools);
  if (random.chance(0.9)) draft.headers.authorization = `Bearer ${random.pick(tokens)}`;
  if (random.chance(0.1)) draft.headers.traceparent = random.pick([TRACE, "x"]);
  const changes = random.chance(0.6) ? 0 : random.int(1, 3);
  for (let at = 0; at < changes; at++) random.pick(CHANGES)(draft, random);
  let body = JSON.stringify(draft.message);
  if (random.chance(0.02))
    body = random.pick([`[${body}]`, `[${body},${body}]`, body.slice(1), `${body} `, `\ufeff${body}`, "null", ""]);
  // An own member of that name cannot be written as a literal.
  if (random.chance(0.03))
    body = body.replace(/\{(?="[a-z])/g, (brace) => (random.chance(0.3) ? '{"__proto__":{"a":1},' : brace));
  if (random.chance(0.01)) body = body.replace('"params":', '"params":{},"params":');
  return { headers: draft.headers, body };
}

function modern(random: Random, tools: readonly CorpusTool[]): Draft {
  const _meta: Parts = {
    [`${META}protocolVersion`]: REVISION,
    [`${META}clientCapabilities`]: fresh(random, CAPABILITIES),
    ...(random.chance(0.7) && { [`${META}clientInfo`]: clientInfo(random) }),
    ...(random.chance(0.1) && {
      traceparent: random.pick([TRACE, "x", 1]),
      tracestate: random.pick(["a=b", "", null]),
    }),
    ...(random.chance(0.1) && { "io.github.stateful-mcp/idempotency-key": random.pick(["k1", "k2", "k3", 7, ""]) }),
    ...(random.chance(0.05) && { progressToken: random.pick([1, "p", null]) }),
    ...(random.chance(0.05) && { [`${META}logLevel`]: random.pick(["debug", "error", "loud"]) }),
  };
  const called = random.chance(0.75) ? random.pick(tools) : undefined;
  const method = called ? "tools/call" : random.pick(LISTS);
  const params = called ? { name: called.name, arguments: structuredClone(called.input(random)), _meta } : { _meta };
  return {
    headers: {
      ...plainHeaders,
      "mcp-protocol-version": REVISION,
      "mcp-method": method,
      ...(called && { "mcp-name": called.name }),
    },
    message: { jsonrpc: "2.0", id: idOf(random), method, params },
  };
}

const plainHeaders = {
  host: "localhost",
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
};

function legacy(random: Random, tools: readonly CorpusTool[]): Draft {
  if (random.chance(0.8)) return inSession(random, tools);
  const called = random.pick(tools);
  const message = random.chance(0.4)
    ? {
        method: "initialize",
        params: {
          protocolVersion: random.pick(["2025-11-25", "2025-06-18", REVISION]),
          capabilities: {},
          clientInfo: clientInfo(random),
        },
      }
    : { method: "tools/call", params: { name: called.name, arguments: structuredClone(called.input(random)) } };
  return { headers: { ...plainHeaders }, message: { jsonrpc: "2.0", id: idOf(random), ...message } };
}

function inSession(random: Random, tools: readonly CorpusTool[]): Draft {
  const place = random.int(0, CORPUS_SESSIONS.length - 1);
  const { protocolVersion = "", capabilities = {} } = CORPUS_SESSIONS[place] ?? {};
  const callable = "elicitation" in capabilities ? tools.filter(({ asks }) => !asks) : tools;
  const called = random.chance(0.8) ? random.pick(callable) : undefined;
  const _meta: Parts = {
    ...(random.chance(0.1) && { progressToken: random.pick([1, "p", null, 1.5, {}]) }),
    ...(random.chance(0.1) && { "example.com/trace": random.pick<unknown>(["t", 1, { a: 1 }]) }),
    ...(random.chance(0.1) && { traceparent: random.pick([TRACE, "x", 1]) }),
    ...(random.chance(0.1) && { "io.github.stateful-mcp/idempotency-key": random.pick(["k1", "k2", "k3", 7, ""]) }),
    ...(random.chance(0.05) && { [random.pick(MORE_META)]: random.pick<unknown>(["x", {}, REVISION, null]) }),
  };
  const params = {
    ...(called && {
      name: called.name,
      ...(random.chance(0.95) && { arguments: structuredClone(called.input(random)) }),
    }),
    ...((random.chance(0.2) || Object.keys(_meta).length > 0) && { _meta }),
  };
  const method = called ? "tools/call" : random.pick([...LISTS, "ping"]);
  return {
    headers: {
      ...plainHeaders,
      accept: random.pick([plainHeaders.accept, plainHeaders.accept, "application/json", "text/event-stream", "*/*"]),
      "mcp-session-id": `session ${place}`,
      ...(random.chance(0.9) && { "mcp-protocol-version": protocolVersion }),
    },
    message: {
      jsonrpc: "2.0",
      id: idOf(random),
      method,
      ...((called || random.chance(0.5)) && { params }),
    },
  };
}

/** Names that the protocol keeps for itself, and such as look like them. */
const MORE_META = [
  `${META}protocolVersion`,
  `${META}related-task`,
  `${META}clientCapabilities`,
  "mcp.example/x",
  "com.mcp/x",
  "related",
  "__proto__",
];

const idOf = (random: Random): unknown =>
  random.chance(0.95)
    ? random.pick([1, 0, -1, 42, "a", "", 'ä\n"', 2 ** 53 - 1])
    : fresh(random, [...ODD, undefined, "i".repeat(300)]);

const clientInfo = (random: Random): Parts => ({
  name: random.chance(0.97) ? random.pick(TEXTS) : fresh(random, ODD),
  ...(random.chance(0.98) && { version: "1" }),
  ...(random.chance(0.2) && { title: fresh(random, [...TEXTS, ...TEXTS, ...ODD]) }),
  ...(random.chance(0.03) && { [random.pick(KEYS)]: fresh(random, ODD) }),
});

const paramsOf = ({ message }: Draft): Parts =>
  typeof message.params === "object" && message.params !== null ? (message.params as Parts) : {};

/** An object somewhere in the message. */
function partOf(draft: Draft, random: Random): Parts {
  const params = paramsOf(draft);
  const within = (value: unknown) => (typeof value === "object" && value !== null ? (value as Parts) : params);
  return random.pick([
    draft.message,
    params,
    within(params._meta),
    within(params.arguments),
    within(within(params._meta)[`${META}clientInfo`]),
  ]);
}

const CHANGES: readonly ((draft: Draft, random: Random) => void)[] = [
  (draft, random) => {
    const part = partOf(draft, random);
    const keys = Object.keys(part);
    if (keys.length > 0) part[random.pick(keys)] = fresh(random, [...ODD, ...TEXTS]);
  },
  (draft, random) => {
    const part = partOf(draft, random);
    const keys = Object.keys(part);
    if (keys.length > 0) delete part[random.pick(keys)];
  },
  (draft, random) => {
    partOf(draft, random)[random.pick(KEYS)] = fresh(random, ODD);
  },
  ({ headers }, random) => {
    const name = random.pick(Object.keys(headers));
    if (name !== "host") delete headers[name];
  },
  ({ headers }, random) => {
    const name = random.pick([
      "mcp-protocol-version",
      "mcp-method",
      "mcp-name",
      "content-type",
      "accept",
      "mcp-session-id",
    ]);
    headers[name] = random.pick([
      "",
      "x",
      " tools/call ",
      "tools/list",
      REVISION,
      "2025-11-25",
      "=?base64?ZWNobw==?=",
      "application/json; charset=utf-8",
      "echo",
    ]);
  },
  ({ headers, message }, random) => {
    message.method = random.pick([
      ...LISTS,
      "tools/call",
      "ping",
      "initialize",
      "tasks/get",
      "subscriptions/none",
      "prompts/get",
      "completion/complete",
    ]);
    if (random.chance(0.7)) headers["mcp-method"] = String(message.method);
  },
  ({ headers }, random) => {
    headers.host = random.pick(HOSTS);
  },
  (draft, random) => {
    const name = random.pick(["nope", "toString", "__proto__", "echo ", ""]);
    paramsOf(draft).name = name;
    if (random.chance(0.7)) draft.headers["mcp-name"] = name;
  },
];

/** Names of a server, right ones, odd ones and such as make no URL. */
const HOSTS = [
  "localhost:3000",
  "localhost:0080",
  "localhost:99999",
  "localhost:",
  "LOCALHOST",
  "127.0.0.1",
  "127.1",
  "256.1.1.1",
  "[::1]:3000",
  "[0:0:0:0:0:0:0:1]",
  "[:::]",
  "a..b",
  "evil.example",
];
