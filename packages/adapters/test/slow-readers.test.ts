// Clients that ask for much and read nothing, on real sockets, against a process whose memory is looked at.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";

const SERVER = fileURLToPath(new URL("./slow-readers-server.ts", import.meta.url));
const ALICE = "alice-0123456789abcdef0123456789abcdef";
const BOB = "bob-fedcba9876543210fedcba98765432109";
const CLIENTS = 120;
const BATCH = 100;
/** Without a bound 60 such clients made the server hold 1,150 MiB, and 120 twice as much. With it 60, 120 and 240 come to 500. */
const BOUND_MIB = 700;

interface Report {
  readonly url: string;
  readonly answered: number;
  readonly peakMiB: number;
}

const children: ChildProcess[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const child of children.splice(0)) child.disconnect();
});

async function start() {
  const child = fork(SERVER, { env: { ...process.env, TOKENS: `alice=${ALICE},bob=${BOB}` }, execArgv: [] });
  children.push(child);
  const report = async (): Promise<Report> => {
    child.send("report");
    const [message] = await once(child, "message");
    return message as Report;
  };
  return { report, url: (await report()).url };
}

const headersFor = (token: string, session?: string) => ({
  authorization: `Bearer ${token}`,
  "content-type": "application/json",
  accept: "application/json",
  ...(session !== undefined && { "mcp-session-id": session }),
});

async function prepare(url: string, token: string): Promise<string> {
  const post = (path: string, body: object) =>
    fetch(`${url}${path}`, { method: "POST", headers: headersFor(token), body: JSON.stringify(body) });
  await post("/tools/store_value", { session_id: "s", key: "large", value: "x".repeat(59_000) });
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "slow", version: "1" } };
  const answer = await post("/mcp", { jsonrpc: "2.0", id: 1, method: "initialize", params });
  return String(answer.headers.get("mcp-session-id"));
}

const read = (id: number) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "get_value", arguments: { session_id: "s", key: "large" } },
});

/** Asks, and takes nothing of the answer. */
async function askAndWait(url: string, token: string, session: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.pause();
  const body = JSON.stringify(Array.from({ length: BATCH }, (_, id) => read(id)));
  const headers = { host: "localhost", "content-length": String(body.length), ...headersFor(token, session) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.write(`POST /mcp HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`);
  return socket;
}

describe("clients that read nothing", { timeout: 120_000 }, () => {
  it("do not make a server hold what they all have asked for, and take nothing from another caller", async () => {
    const { url, report } = await start();
    const session = await prepare(url, ALICE);
    const bobs = await prepare(url, BOB);
    const { answered } = await report();
    for (let i = 0; i < CLIENTS; i++) await askAndWait(url, ALICE, session);
    await expect.poll(async () => (await report()).answered, { timeout: 100_000 }).toBe(answered + CLIENTS);
    const { peakMiB } = await report();
    process.stdout.write(`${CLIENTS} clients that read nothing: at most ${Math.round(peakMiB)} MiB\n`);
    expect(peakMiB).toBeLessThan(BOUND_MIB);
    const answer = await fetch(`${url}/mcp`, {
      method: "POST",
      headers: headersFor(BOB, bobs),
      body: JSON.stringify(read(1)),
    });
    expect(await answer.json()).toMatchObject({ result: { structuredContent: { found: true } } });
  });

  it("are served again once what waits for them has been read, and told until then to come back", async () => {
    const { url, report } = await start();
    const session = await prepare(url, ALICE);
    const { answered } = await report();
    for (let i = 0; i < 12; i++) await askAndWait(url, ALICE, session);
    await expect.poll(async () => (await report()).answered, { timeout: 60_000 }).toBe(answered + 12);
    const ask = async () => {
      const init = { method: "POST", headers: headersFor(ALICE, session), body: JSON.stringify(read(1)) };
      return (await (await fetch(`${url}/mcp`, init)).json()) as { result: { isError?: boolean; _meta?: object } };
    };
    const refused = await ask();
    expect(refused.result).toMatchObject({ isError: true });
    expect(refused.result._meta).toMatchObject({
      "io.github.stateful-mcp/error": { code: "rate_limited", retryable: true },
    });
    for (const socket of sockets) socket.resume();
    await expect.poll(async () => (await ask()).result.isError ?? false, { timeout: 60_000 }).toBe(false);
  });
});
