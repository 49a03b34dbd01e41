// The short way of plain requests from node:http: who takes it, and that what it hands on is answered as if it had not been tried.
import { once } from "node:events";
import { connect } from "node:net";
import { createApp, defineTool, type LogFields, type Logger, parseTokens } from "@stateful-mcp/core";
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { type NodeServer, type ServedApp, serveNode, withShortWay } from "../src/node.ts";

const TOKEN = "t".repeat(32);
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};
const echo = defineTool({
  name: "echo",
  description: "Says it again.",
  input: z.object({ text: z.string() }),
  output: z.object({ text: z.string() }),
  session: "none",
  run: ({ text }) => ({ text }),
});
const waits = defineTool({
  name: "waits",
  description: "Waits until its caller has gone.",
  input: z.object({}),
  output: z.object({ aborted: z.boolean() }),
  session: "none",
  run: (_, { signal }) =>
    new Promise<{ aborted: boolean }>((resolve) => {
      waiting.resolve();
      signal.addEventListener("abort", () => {
        gone.resolve();
        resolve({ aborted: true });
      });
    }),
});
let waiting = Promise.withResolvers<void>();
let gone = Promise.withResolvers<void>();

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Served {
  readonly port: number;
  /** What became of each request that was offered to the short way. */
  readonly taken: boolean[];
  readonly lines: { level: string; message: string; fields: LogFields }[];
  readonly server: NodeServer;
}

async function served(options: Parameters<typeof createApp>[0] = {}): Promise<Served> {
  const lines: Served["lines"] = [];
  const keep = (level: string) => (fields: LogFields, message: string) => void lines.push({ level, message, fields });
  const logger: Logger = { debug: () => {}, info: keep("info"), warn: keep("warn"), error: keep("error") };
  const app = createApp({ tools: [echo, waits], logger, ...options });
  const taken: boolean[] = [];
  const short = await withShortWay(app);
  const answerPlain: ServedApp["answerPlain"] = (posted) => {
    const answer = short.answerPlain?.(posted);
    if (!answer) taken.push(false);
    return answer?.then((one) => {
      taken.push(one !== undefined);
      return one;
    });
  };
  const server = await serveNode({ ...short, answerPlain }, { host: "127.0.0.1", port: 0, logger });
  closing.push(async () => {
    await server.close();
    await app.close();
  });
  return { port: Number(new URL(server.url).port), taken, lines, server };
}

const message = (name = "echo", given: object = { text: "ä" }) =>
  JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name, arguments: given, _meta: META } });

const HEADERS = {
  host: "localhost",
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
  "mcp-protocol-version": "2026-07-28",
  "mcp-method": "tools/call",
  "mcp-name": "echo",
};

/** Header lines as they are written, so that any of them can come twice. */
async function post(port: number, lines: readonly (readonly [string, string])[], body: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const head = [...lines, ["connection", "close"]].map(([name, value]) => `${name}: ${value}`).join("\r\n");
  socket.write(`POST /mcp HTTP/1.1\r\n${head}\r\n\r\n${body}`);
  let answer = "";
  socket.setEncoding("utf8").on("data", (text) => {
    answer += text;
  });
  await once(socket, "end");
  socket.destroy();
  return answer;
}

const withLength = (body: string, more: Readonly<Record<string, string>> = {}) =>
  Object.entries({ ...HEADERS, "content-length": String(Buffer.byteLength(body)), ...more });

describe("a plain POST", () => {
  it("takes the short way, and its answer has the headers of every answer", async () => {
    const { port, taken } = await served();
    const body = message();
    const answer = await post(port, withLength(body), body);
    expect(taken).toEqual([true]);
    expect(answer).toContain("HTTP/1.1 200 OK");
    expect(answer).toContain('"structuredContent":{"text":"ä"}');
    for (const header of [/^content-type: application\/json\r$/im, /^x-content-type-options: nosniff\r$/im])
      expect(answer).toMatch(header);
    const [, requestId] = /^x-request-id: (\S+)\r$/im.exec(answer) ?? [];
    expect(answer).toContain(`"io.github.stateful-mcp/request-id":"${requestId}"`);
  });

  it("tells its tool when its client has gone away", async () => {
    waiting = Promise.withResolvers();
    gone = Promise.withResolvers();
    const { port } = await served();
    const body = message("waits", {});
    const socket = connect(port, "127.0.0.1");
    const head = withLength(body, { "mcp-name": "waits" }).map(([name, value]) => `${name}: ${value}`);
    socket.write(`POST /mcp HTTP/1.1\r\n${head.join("\r\n")}\r\n\r\n${body}`);
    await waiting.promise;
    socket.destroy();
    await gone.promise;
  });
});

/** Of the 2025 era, within a session where one is named. */
const INITIALIZE = JSON.stringify({
  ...{ jsonrpc: "2.0", id: 0, method: "initialize" },
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "c", version: "1" } },
});
const legacyCall = (name: string, given: object) =>
  JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name, arguments: given } });
function inSession(body: string, session?: string): [string, string][] {
  const { host, accept, "content-type": type } = HEADERS;
  return Object.entries({
    ...{ host, accept, "content-type": type, "content-length": String(Buffer.byteLength(body)) },
    ...(session !== undefined && { "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" }),
  });
}
const SESSION = /^mcp-session-id: (\S+)\r$/im;

describe("a plain call of the 2025 era", () => {
  it("takes the short way within a session that is there, and says the session as the long way does", async () => {
    const { port, taken } = await served();
    const [, session = ""] = SESSION.exec(await post(port, inSession(INITIALIZE), INITIALIZE)) ?? [];
    const body = legacyCall("echo", { text: "ä" });
    const answer = await post(port, inSession(body, session), body);
    expect(taken).toEqual([false, true]);
    expect(answer).toContain("HTTP/1.1 200 OK");
    expect(answer).toContain('"structuredContent":{"text":"ä"}');
    expect(SESSION.exec(answer)?.[1]).toBe(session);
  });

  it("becomes a stream where it takes a while, which its client can leave and come back to", async () => {
    waiting = Promise.withResolvers();
    const { port, taken } = await served();
    const [, session = ""] = SESSION.exec(await post(port, inSession(INITIALIZE), INITIALIZE)) ?? [];
    const body = legacyCall("waits", {});
    const under = post(port, inSession(body, session), body);
    await waiting.promise;
    const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } };
    await expect.poll(() => taken).toEqual([false, true]);
    await post(port, inSession(JSON.stringify(cancel), session), JSON.stringify(cancel));
    const answer = await under;
    expect(answer).toMatch(/^content-type: text\/event-stream\r$/im);
    expect(answer).toMatch(/^x-request-id: \S+\r$/im);
    expect(answer).toMatch(/^id: \S+\.0$/m);
    expect(SESSION.exec(answer)?.[1]).toBe(session);
  });

  it("runs once where it is cancelled and its client reads JSON alone", async () => {
    waiting = Promise.withResolvers();
    gone = Promise.withResolvers();
    const { port, taken, lines } = await served();
    const [, session = ""] = SESSION.exec(await post(port, inSession(INITIALIZE), INITIALIZE)) ?? [];
    const body = legacyCall("waits", {});
    const readsJson = inSession(body, session).map(([name, value]): [string, string] => [
      name,
      name === "accept" ? "application/json" : value,
    ]);
    const under = post(port, readsJson, body);
    await waiting.promise;
    waiting = Promise.withResolvers();
    const again = waiting.promise.then(() => "a second run");
    const cancel = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } });
    await post(port, inSession(cancel, session), cancel);
    await gone.promise;
    expect(await Promise.race([under, again])).toMatch(/^HTTP\/1.1 202 Accepted\r$/m);
    expect(taken).toEqual([false, false, true]);
    expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("is handed on where its session is not there, with one line that says so", async () => {
    const { port, taken, lines } = await served();
    const body = legacyCall("echo", { text: "ä" });
    expect(await post(port, inSession(body, "gone"), body)).toMatch(/404 Not Found/);
    expect(taken).toEqual([false]);
    expect(lines.map(({ fields }) => [fields.outcome, fields.status])).toEqual([["protocol_error", 404]]);
  });
});

describe("handed on, and answered all the same, is a POST", () => {
  const body = message();
  it.each<[string, readonly (readonly [string, string])[], string, RegExp]>([
    [
      "whose body comes in chunks",
      [...Object.entries(HEADERS), ["transfer-encoding", "chunked"]],
      chunked(body),
      /200 OK/,
    ],
    ["with a header that comes twice", [...withLength(body), ["mcp-name", "echo"]], body, /400 Bad/],
    ["whose method is another than its header says", withLength(body, { "mcp-method": "tools/list" }), body, /400 Bad/],
    ["that is no JSON", withLength("{", {}), "{", /-32700/],
    ["from a page of another origin", withLength(body, { origin: "http://evil.example" }), body, /403 Forbidden/],
    ["under a foreign name", withLength(body, { host: "evil.example" }), body, /403 Forbidden/],
    ["under a name with odd letters", withLength(body, { host: "LOCALHOST" }), body, /200 OK/],
    ["under a name whose port is none", withLength(body, { host: "localhost:99999" }), body, /400 Bad/],
    ["under an address in another form", withLength(body, { host: "127.1" }), body, /200 OK/],
    ["of another type", withLength(body, { "content-type": "text/plain" }), body, /415/],
    ["that is encoded", withLength(body, { "content-encoding": "gzip" }), body, /415/],
  ])("%s", async (_, headers, text, expected) => {
    const { port, taken } = await served();
    expect(await post(port, headers, text)).toMatch(expected);
    expect(taken).not.toContain(true);
  });

  it("without a token where one is needed, with one line for the refusal", async () => {
    const tokens = parseTokens(`alice:read=${TOKEN}`);
    const { port, taken, lines } = await served({ access: { mode: "tokens", tokens } });
    const wrong = withLength(body, { authorization: "Bearer wrong" });
    expect(await post(port, wrong, body)).toMatch(/401 Unauthorized/);
    expect(lines.filter(({ message: text }) => text === "refused")).toHaveLength(1);
    expect(await post(port, withLength(body, { authorization: `Bearer ${TOKEN}` }), body)).toMatch(/403 Forbidden/);
    expect(taken[0]).toBe(false);
  });

  it("whose body does not come to its end, of which no error is logged", async () => {
    const { port, lines, server } = await served();
    const socket = connect(port, "127.0.0.1");
    const head = withLength(body).map(([name, value]) => `${name}: ${value}`);
    socket.write(`POST /mcp HTTP/1.1\r\n${head.join("\r\n")}\r\n\r\n${body.slice(0, 20)}`, () => socket.destroy());
    await once(socket, "close");
    await server.close();
    expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  });
});

describe("a short way that fails", () => {
  const failing = async () => {
    const keep: string[] = [];
    const logger: Logger = {
      debug: () => {},
      info: () => {},
      warn: () => {},
      error: (_, text) => void keep.push(text),
    };
    const app = createApp({ tools: [echo] });
    const answerPlain: ServedApp["answerPlain"] = () => Promise.reject(new Error("It broke."));
    const carried = { fetch: app.fetch, drain: () => app.drain(), answerPlain };
    const server = await serveNode(carried, { host: "127.0.0.1", port: 0, logger });
    closing.push(async () => {
      await server.close();
      await app.close();
    });
    return { port: Number(new URL(server.url).port), errors: keep };
  };
  const body = message();

  it("is answered with 500 and leaves a line", async () => {
    const { port, errors } = await failing();
    expect(await post(port, withLength(body), body)).toMatch(/500 Internal/);
    expect(errors).toHaveLength(1);
  });

  it("ends no process where the request is refused before its answer is asked for", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    const before = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection").on("unhandledRejection", note);
    try {
      const { port } = await failing();
      expect(await post(port, withLength(body, { host: "localhost:99999" }), body)).toMatch(/400 Bad/);
      expect(unhandled).toEqual([]);
    } finally {
      process.removeAllListeners("unhandledRejection");
      for (const one of before) process.on("unhandledRejection", one);
    }
  });
});

function chunked(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n0\r\n\r\n`;
}
