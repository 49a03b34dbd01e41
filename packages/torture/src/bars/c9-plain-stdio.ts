// The short way on a connection without HTTP, against the official SDK's way for everything: short conversations, each opened in one of
// the ways that clients of both eras open one, or in none, then one request of the corpus, right or wrong. An app of each kind must give
// the same answers, run its tools as often and log the same.
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import { Conversation } from "@stateful-mcp/adapters/stdio";
import {
  type App,
  builtinTools,
  type Clock,
  createApp,
  defineTool,
  type LogFields,
  type Logger,
} from "@stateful-mcp/core";
import type { Random } from "@stateful-mcp/rig";
import * as z from "zod";
import { defineBar } from "../bars.ts";
import { CORPUS_SESSIONS, type CorpusTool, corpusRequest } from "../plain-corpus.ts";
import { CALLS, clockOf, customTools, officialAnswers, withoutIds } from "./c8-plain-path.ts";
import { Tally } from "./tally.ts";

interface Scale {
  readonly conversations: number;
}

/** So many conversations are held with one pair of apps, which are then made anew: lists, logs and stores stay small. */
const PER_PAIR = 1_000;
const REQUEST_ID =
  /,"_meta":\{"io.github.stateful-mcp\/request-id":"<uuid>"\}|,"io.github.stateful-mcp\/request-id":"<uuid>"/;
const DRAIN_MS = 10_000;
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

export default defineBar<Scale>({
  id: "C9",
  title: "plain messages over stdio are answered, run and logged as the official SDK's way does it",
  test: { conversations: 1_500 },
  full: { conversations: 20_000 },
  async run({ scale, random, progress }) {
    const run = new Tally(progress, scale.conversations);
    using official = officialAnswers();
    let short = 0;
    const clock = clockOf(run);
    while (run.operations < scale.conversations) {
      const pair = [side(true, clock), side(false, clock)] as const;
      // Loads the SDK, so that each conversation has it at once.
      for (const one of pair) await said(one, [JSON.stringify(request("first", "resources/list"))]);
      for (let at = 0; at < PER_PAIR && run.operations < scale.conversations; at++) {
        const lines = conversation(random);
        official.count = 0;
        const ours = await said(pair[0], lines);
        if (official.count === 0 && ours.answers.length > 0) short += 1;
        const sdk = await said(pair[1], lines);
        run.count();
        run.expect(isDeepStrictEqual(ours, sdk), () => differenceOf(lines, ours, sdk));
      }
      for (const { app } of pair) await app.close();
    }
    // A corpus that never takes the short way would show nothing.
    run.expect(short > scale.conversations / 10, () => `only ${short} of ${scale.conversations} needed no server`);
    return { ...run.outcome(), figures: [`${short} of ${scale.conversations} conversations needed no server.`] };
  },
});

interface Side {
  readonly app: App;
  readonly effects: string[];
  readonly logged: [message: string, fields: LogFields][];
}

function side(plainPath: boolean, clock: Clock): Side {
  const effects: string[] = [];
  const logged: Side["logged"] = [];
  const keep = (fields: LogFields, message: string) => void logged.push([message, fields]);
  const logger: Logger = { debug: () => {}, info: keep, warn: keep, error: keep };
  const ready = builtinTools({ backend: "memory", anonymous: false, ttlSeconds: 0 });
  const app = createApp({ tools: [...customTools(effects), waits(effects), ...ready], logger, plainPath, clock });
  return { app, effects, logged };
}

/** Runs until it is cancelled, or for some turns of the event loop. */
const waits = (effects: string[]) =>
  defineTool({
    name: "waits",
    description: "Waits.",
    input: z.object({}),
    output: z.object({ waited: z.boolean() }),
    session: "none",
    run: async (_, { signal }) => {
      for (let turn = 0; turn < 20 && !signal.aborted; turn++) await new Promise(setImmediate);
      effects.push(`waits ${signal.aborted}`);
      return { waited: !signal.aborted };
    },
  });

/** Holds a conversation and ends it. What has no order among concurrent requests is sorted. */
async function said({ app, effects, logged }: Side, lines: readonly string[]) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const failures: string[] = [];
  const talk = new Conversation(app, {
    input,
    output,
    drainMs: DRAIN_MS,
    failed: ({ message }) => void failures.push(message),
  });
  talk.start();
  const written = text(output);
  input.write(lines.map((line) => `${line}\n`).join(""));
  // What is cancelled is not waited for at the end, and may still run.
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(setImmediate);
    await app.settle();
  }
  input.end();
  await talk.ended;
  output.end();
  const answers = (await written).split("\n").filter((line) => line !== "");
  // The SDK's way asks for the client's name when a request ends: by then a second `initialize` may have given another.
  const renamed = lines.filter((line) => line.includes('"method":"initialize"')).length > 1;
  const told = logged.splice(0).map(([message, { request_id: _, duration_ms: __, err: ___, client, ...fields }]) => ({
    message,
    ...fields,
    ...(!renamed && { client }),
  }));
  // The SDK's way knows one request by an id: of two, and of one whose cancellation is none, it answers one without its request's id.
  const several = lines.some((line) => line.includes('"waits"'));
  const meant = (answer: string) => (several ? withoutIds(answer).replace(REQUEST_ID, "") : answer);
  const sorted = (all: readonly string[]) => all.map(withoutIds).sort();
  return {
    answers: sorted(answers.map(meant)),
    failures: sorted(failures),
    effects: effects.splice(0).sort(),
    logged: sorted(told.map((line) => JSON.stringify(line))),
  };
}

type Said = Awaited<ReturnType<typeof said>>;

function differenceOf(lines: readonly string[], ours: Said, sdk: Said): string {
  const without = (all: readonly string[], others: readonly string[]) => all.filter((one) => !others.includes(one));
  const shown = (Object.keys(ours) as (keyof Said)[]).flatMap((part) =>
    isDeepStrictEqual(ours[part], sdk[part])
      ? []
      : [
          `${part} (${ours[part].length}, ${sdk[part].length}): ${without(ours[part], sdk[part])} against ${without(sdk[part], ours[part])}`,
        ],
  );
  return `${lines.join("\n").slice(0, 1_500)}: ${shown.join("; ").slice(0, 2_000)}`;
}

function conversation(random: Random): string[] {
  const opening = random.pick(OPENINGS)(random);
  const subjects = random.chance(0.1)
    ? cancelled(random, opening.length > 0)
    : [random.chance(0.25) ? plainOf(opening) : corpusRequest(random, callsFor(opening), [""]).body];
  const after = random.chance(0.3) ? [random.pick(AFTERWARDS)] : [];
  return [
    ...opening.map((message) => JSON.stringify(message)),
    ...subjects,
    ...after.map((one) => JSON.stringify(one)),
  ];
}

/** A client that says it can be asked would be, and nothing here answers. */
const callsFor = (opening: readonly object[]): readonly CorpusTool[] =>
  JSON.stringify(opening).includes('"elicitation"') ? CALLS.filter(({ asks }) => !asks) : CALLS;

const request = (id: unknown, method: string, params?: object) => ({
  jsonrpc: "2.0",
  id,
  method,
  ...(params && { params }),
});
const modern = (id: unknown, method: string, params: object = {}) => request(id, method, { ...params, _meta: META });
/** A call as a client sends it that has opened its conversation so. */
function plainOf(opening: readonly object[]): string {
  const call = { name: "echo", arguments: { v: 1 } };
  const of2025 = JSON.stringify(opening).includes('"method":"initialize"');
  return JSON.stringify(of2025 ? request("p", "tools/call", call) : modern("p", "tools/call", call));
}

const INITIALIZED = { jsonrpc: "2.0", method: "notifications/initialized" };

function initialize(random: Random, id = "init"): object {
  const { protocolVersion, capabilities } = random.pick(CORPUS_SESSIONS);
  const clientInfo = { name: "corpus", version: "1", ...(random.chance(0.5) && { title: "T" }) };
  const params = {
    protocolVersion: random.chance(0.9) ? protocolVersion : "1999-01-01",
    capabilities,
    clientInfo,
    ...(random.chance(0.1) && { _meta: { "example.com/x": 1 } }),
  };
  return request(id, "initialize", params);
}

const OPENINGS: readonly ((random: Random) => object[])[] = [
  () => [],
  () => [modern("d", "server/discover")],
  () => [modern("d", "server/discover"), { jsonrpc: "2.0", method: "notifications/x", params: { _meta: META } }],
  () => [modern("l", "tools/list")],
  () => [modern("d", "server/discover"), modern("r", "resources/list")],
  () => [request("l", "tools/list")],
  (random) => [initialize(random), INITIALIZED],
  (random) => [initialize(random), INITIALIZED],
  (random) => [initialize(random), { ...INITIALIZED, params: {} }, request("l", "tools/list")],
  (random) => [initialize(random)],
  (random) => [modern("d", "server/discover"), initialize(random), INITIALIZED],
  (random) => [modern("l", "prompts/list"), initialize(random), INITIALIZED],
  (random) => [initialize(random), INITIALIZED, request("v", "logging/setLevel", { level: "critical" })],
  (random) => [initialize(random), INITIALIZED, request("r", "resources/list"), initialize(random, "again")],
  () => [{ jsonrpc: "2.0", id: "s", result: {} }],
  () => [{ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "none" } }],
];

/** A call that is cancelled while it runs, by its id or by another; or a second one under the same id. */
function cancelled(random: Random, opened: boolean): string[] {
  const id = random.pick([1, "w"]);
  const call = { name: "waits", arguments: {} };
  const of2026 = !opened || random.chance(0.5);
  const one = of2026 ? modern(id, "tools/call", call) : request(id, "tools/call", call);
  const params = {
    requestId: random.chance(0.8) ? id : random.pick<unknown>([2, "x", null, {}]),
    ...(random.chance(0.5) && { reason: random.pick<unknown>(["enough", 1, ""]) }),
    ...(random.chance(0.5) && { _meta: of2026 ? META : {} }),
  };
  const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params };
  const next = random.chance(0.8) ? [cancel] : [one, ...(random.chance(0.5) ? [cancel] : [])];
  return [one, ...next].map((message) => JSON.stringify(message));
}

const AFTERWARDS: readonly object[] = [
  modern("after", "tools/list"),
  modern("after", "server/discover"),
  modern("after", "resources/read", { uri: "session://s/notes" }),
  request("after", "tools/list"),
  request("after", "prompts/list", {}),
  request("after", "ping"),
  request("after", "resources/list"),
  request("after", "initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "corpus", version: "1" },
  }),
];
