// The short way that the most common requests take, against the official SDK's way for everything: one app of each kind is sent the same
// requests, right ones and wrong ones, and must give the same answers byte for byte, run its tools as often and log the same. Half of the
// pairs are sent Requests, the others are served over loopback, where plain requests never become Requests.
import { request as httpRequest } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import { Server } from "@modelcontextprotocol/server";
import { type ServedApp, serveNode, withShortWay } from "@stateful-mcp/adapters/node";
import {
  type App,
  AppError,
  builtinTools,
  type Clock,
  createApp,
  defineTool,
  inputRequired,
  type LogFields,
  type Logger,
  parseTokens,
  silentLogger,
  type Tool,
} from "@stateful-mcp/core";
import type { Random } from "@stateful-mcp/rig";
import * as z from "zod";
import { defineBar } from "../bars.ts";
import { CORPUS_SESSIONS, type CorpusTool, corpusRequest, type WireRequest } from "../plain-corpus.ts";
import { Tally } from "./tally.ts";

interface Scale {
  readonly requests: number;
}

/** So many requests go to one pair of apps, which are then made anew: lists, logs and stores stay small. */
const PER_PAIR = 2_000;
const ALICE = "a".repeat(32);
const READER = "r".repeat(32);
const TOKENS = [...Array.from({ length: 8 }, () => ALICE), READER, READER, "wrong".repeat(8)];

export default defineBar<Scale>({
  id: "C8",
  title: "plain requests are answered, run and logged as the official SDK's way does it",
  test: { requests: 6_000 },
  full: { requests: 200_000 },
  async run({ scale, random, progress }) {
    const run = new Tally(progress, scale.requests);
    using official = officialAnswers();
    const short = { modern: 0, legacy: 0, carried: 0 };
    const clock = clockOf(run);
    for (let pairs = 0; run.operations < scale.requests; pairs++) {
      const carried = pairs % 2 === 1;
      const onShortWay = () => {
        short.carried += 1;
      };
      const told = carried && onShortWay;
      const pair = [await side(true, clock, told), await side(false, clock, told)] as const;
      for (let at = 0; at < PER_PAIR && run.operations < scale.requests; at++) {
        const request = corpusRequest(random, CALLS, TOKENS);
        official.count = 0;
        const ours = await answerOf(pair[0], request);
        const answered = ours.status === 200 && ours.fields.includes("content-type: application/json");
        if (answered && official.count === 0) short["mcp-session-id" in request.headers ? "legacy" : "modern"] += 1;
        const sdk = await answerOf(pair[1], request);
        run.count();
        run.expect(isDeepStrictEqual(ours, sdk), () => differenceOf(request, ours, sdk));
      }
      for (const { close } of pair) await close();
    }
    // A corpus that never takes the short way would show nothing.
    for (const [kind, count] of Object.entries(short))
      run.expect(count > scale.requests / 50, () => `only ${count} of ${scale.requests} took the ${kind} short way`);
    const figure = `${short.modern} modern and ${short.legacy} 2025-era requests of ${scale.requests} took the short way, ${short.carried} of them from the socket.`;
    return { ...run.outcome(), figures: [figure] };
  },
});

const BEGUN = Date.now();
/**
 * Goes on with the operations and not with time, so that nothing ends for one app of a pair alone on a busy machine. A pair sees less than
 * the minute in which a cached result ages: by how much is drawn by chance.
 */
export const clockOf = (run: { readonly operations: number }): Clock => ({
  now: () => BEGUN + run.operations * MS_PER_OPERATION,
});
const MS_PER_OPERATION = 5;

/** Counts the times that a server of the SDK is connected to something: where none was, the short way was taken. */
export function officialAnswers(): Disposable & { count: number } {
  const { connect } = Server.prototype;
  const counted = {
    count: 0,
    [Symbol.dispose]: () => {
      Server.prototype.connect = connect;
    },
  };
  Server.prototype.connect = function (transport) {
    counted.count += 1;
    return connect.call(this, transport);
  };
  return counted;
}

interface Sent {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly text: string;
}

type Send = (request: WireRequest) => Promise<Sent>;

interface Side {
  readonly send: Send;
  readonly close: () => Promise<void>;
  /** Resolves when nothing goes on that its answers did not wait for, such as making a cached result anew. */
  readonly settle: () => Promise<void>;
  /** What its tools have done, one text each. */
  readonly effects: string[];
  readonly lines: [message: string, fields: LogFields][];
  /** Ids of its 2025-era sessions, as the corpus numbers them. */
  readonly sessions: readonly string[];
}

const inProcess =
  ({ fetch }: App): Send =>
  async ({ headers, body }) => {
    const response = await fetch(new Request("http://localhost/mcp", { method: "POST", headers, body }));
    return { status: response.status, headers: [...response.headers], text: await response.text() };
  };

/** Of the connection, and different each time. */
const OF_CONNECTION = new Set(["connection", "keep-alive", "date", "content-length", "transfer-encoding"]);

const overLoopback =
  (url: string): Send =>
  async ({ headers, body }) => {
    const bytes = Buffer.from(body);
    const sent = httpRequest(new URL("/mcp", url), {
      method: "POST",
      headers: { "content-length": bytes.byteLength, ...headers },
    });
    return new Promise((resolve, reject) => {
      sent.on("error", reject).on("response", (response) => {
        const fields = Object.entries(response.headers).filter(([name]) => !OF_CONNECTION.has(name));
        textOf(response).then(
          (text) =>
            resolve({
              status: response.statusCode ?? 0,
              headers: fields
                .map(([name, value]) => [name, String(value)] as const)
                .sort(([a], [b]) => (a < b ? -1 : 1)),
              text,
            }),
          reject,
        );
      });
      sent.end(bytes);
    });
  };

/** Served over loopback where it is told of each request that takes the short way from there. */
async function side(plainPath: boolean, clock: Clock, onShortWay: (() => void) | false): Promise<Side> {
  const lines: Side["lines"] = [];
  const effects: string[] = [];
  const keep = (fields: LogFields, message: string) => void lines.push([message, fields]);
  const logger: Logger = { debug: () => {}, info: keep, warn: keep, error: keep };
  const tools = [...customTools(effects), ...builtinTools({ backend: "memory", anonymous: false, ttlSeconds: 0 })];
  const access = { mode: "tokens", tokens: parseTokens(`alice=${ALICE},reader:read=${READER}`) } as const;
  const app = createApp({ tools, access, logger, plainPath, clock });
  const short = await withShortWay(app);
  const answerPlain: ServedApp["answerPlain"] = async (posted) => {
    const answer = await short.answerPlain?.(posted);
    if (answer && onShortWay) onShortWay();
    return answer;
  };
  const server =
    onShortWay && (await serveNode({ ...short, answerPlain }, { host: "127.0.0.1", port: 0, logger: silentLogger }));
  const close = async () => {
    if (server) await server.close();
    await app.close();
  };
  const sessions: string[] = [];
  for (const { protocolVersion, capabilities } of CORPUS_SESSIONS) {
    const params = { protocolVersion, capabilities, clientInfo: { name: "corpus", version: "1", title: "T" } };
    const headers = { authorization: `Bearer ${ALICE}`, "content-type": "application/json", host: "localhost" };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
    const response = await app.fetch(new Request("http://localhost/mcp", { method: "POST", headers, body }));
    sessions.push(response.headers.get("mcp-session-id") ?? "");
  }
  return {
    send: server ? overLoopback(server.url) : inProcess(app),
    close,
    settle: () => app.settle(),
    effects,
    lines,
    sessions,
  };
}

async function answerOf({ send, settle, effects, lines, sessions }: Side, { headers: given, body }: WireRequest) {
  const place = /^session (\d+)$/.exec(given["mcp-session-id"] ?? "")?.[1];
  const headers = place === undefined ? given : { ...given, "mcp-session-id": sessions[Number(place)] ?? "" };
  const { status, text, ...answer } = await send({ headers, body });
  await settle();
  const told = effects.splice(0);
  const logged = lines
    .splice(0)
    .map(([message, { request_id: _, duration_ms: __, err: ___, ...fields }]) => ({ message, ...fields }));
  const fields = answer.headers.map(
    ([name, value]) => `${name}: ${name === "mcp-session-id" ? "<id>" : withoutIds(value)}`,
  );
  return { status, fields, text: withoutIds(text), told, logged: withoutIds(JSON.stringify(logged)) };
}

type Answer = Awaited<ReturnType<typeof answerOf>>;

function differenceOf({ headers, body }: WireRequest, ours: Answer, sdk: Answer): string {
  const parts = (Object.keys(ours) as (keyof Answer)[]).filter((part) => !isDeepStrictEqual(ours[part], sdk[part]));
  const shown = parts.map((part) => `${part}: ${JSON.stringify(ours[part])} against ${JSON.stringify(sdk[part])}`);
  return `${JSON.stringify(headers)} ${body.slice(0, 1_000)}: ${shown.join("; ").slice(0, 2_000)}`;
}

/** Ids that are random, and times. */
export const withoutIds = (text: string): string =>
  text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<uuid>")
    .replace(/note_[\w-]{8,}_(?=\d)/g, "<note>_")
    .replace(/ses_[\w-]+/g, "<session>")
    .replace(/chat-[0-9a-f]{16}/g, "<chat>")
    .replace(/\b[0-9a-z]{8}-[\w-]{12}(?=\.\d)/g, "<stream>")
    .replace(/("requestState":")[^"]+/g, "$1<state>")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
    .replace(/(\\?"[a-z_]*_?at\\?":)\d+/g, "$1<time>");

const anything = z.any().describe("Anything.");
const open = z.object({ v: anything.optional() });

/** Tools that answer what is hard to say, and note what they have done. */
export function customTools(effects: string[]): Tool[] {
  const make = (name: string, run: (input: { v?: unknown }, context: never) => unknown, more: object = {}) =>
    defineTool({
      name,
      description: `The tool ${name}.`,
      input: open,
      output: open,
      session: "none",
      run: (input: { v?: unknown }, context: never) => {
        effects.push(`${name} ${JSON.stringify(input)}`);
        return run(input, context);
      },
      ...more,
    } as never) as Tool;
  return [
    make("echo", ({ v }) => ({ v })),
    make("odd", ({ v }) => ({ v: ODD[Number(v)] })),
    make(
      "blocks",
      ({ v }) => ({
        content:
          v === 1 ? [{ type: "image", data: "AA==", mimeType: "image/png" }] : [{ type: "text", text: String(v) }],
      }),
      { output: undefined },
    ),
    make("throws", ({ v }) => {
      if (v === 1) throw new AppError("not_found", "There is none.", { details: { what: "it" } });
      throw v;
    }),
    make("asks", ({ v }) =>
      inputRequired({
        inputRequests: {
          ok: inputRequired.elicit({ message: String(v), requestedSchema: z.object({ ok: z.boolean() }) }),
        },
        requestState: "asked",
      }),
    ),
    make("seen", (_, context) => {
      const { capabilities, answers, requestState, trace, principal } = context as Record<string, unknown>;
      return { v: { capabilities, answers, requestState, trace, principal } };
    }),
    make("tells", (_, context) => {
      const { progress, logToClient } = context as {
        progress: (at: number) => void;
        logToClient: (level: string, data: unknown) => void;
      };
      progress(1);
      logToClient("error", { a: 1 });
      return { v: "told" };
    }),
    make("writes", ({ v }) => ({ v }), { annotations: { readOnlyHint: false }, scope: "write" }),
    make("cached", ({ v }) => ({ v }), { cache: { ttlSeconds: 60 } }),
  ];
}

const ODD: readonly unknown[] = [
  10n,
  new Date(0),
  undefined,
  Number.NaN,
  -0,
  () => {},
  Symbol("s"),
  new Map([[1, 2]]),
  "\ud800",
  JSON.parse('{"__proto__":{"x":1},"2":0,"1":0}'),
  { toJSON: () => "as json" },
  { toJSON: () => undefined },
  null,
  [undefined, [], [[]]],
];

const v = (random: Random) =>
  random.pick<unknown>([0, 1, 2, "a", "ä\ud83d", null, {}, { b: [1, { c: null }] }, [], 1.5, -0, "x".repeat(2_000)]);
const key = (random: Random) => random.pick(["a", "b", "c"]);
/** How the corpus calls them, and some of the ready server's. */
export const CALLS: readonly CorpusTool[] = [
  ...["echo", "echo", "echo", "throws", "asks", "seen", "tells", "blocks", "writes", "cached"].map((name) => ({
    name,
    ...(name === "asks" && { asks: true as const }),
    input: (random: Random) => (random.chance(0.97) ? { v: v(random) } : {}),
  })),
  { name: "odd", input: (random) => ({ v: random.int(0, ODD.length - 1) }) },
  { name: "store_value", input: (random) => ({ session_id: "s", key: key(random), value: v(random) }) },
  { name: "get_value", input: (random) => ({ session_id: "s", key: key(random) }) },
  {
    name: "increment_value",
    input: (random) => ({
      session_id: "s",
      key: "n",
      ...(random.chance(0.2) && { idempotency_key: random.pick(["i1", "i2", "i3"]) }),
    }),
  },
  { name: "add_note", input: (random) => ({ session_id: "s", note: `note ${key(random)}` }) },
  { name: "list_sessions", input: () => ({}) },
];
