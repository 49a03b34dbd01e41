// Callers who begin many bodies and end none, on real sockets: what is held for one is bounded, and others are heard.
import { connect, type Socket } from "node:net";
import { createApp, parseTokens, silentLogger } from "@stateful-mcp/core";
import { afterEach, describe, expect, it } from "vitest";
import { type NodeServer, serveNode, withShortWay } from "../src/node.ts";

const TOKENS = { alice: "alice-0123456789abcdef0123456789abcdef", bob: "bob-fedcba9876543210fedcba98765432109" };
const BYTES = 200_000;
/** Five bodies of one caller, ten of all. */
const LIMITS = { arrivingBytesPerCaller: 5 * BYTES, arrivingBytesPerProcess: 10 * BYTES };

const servers: NodeServer[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start(limits = LIMITS) {
  const tokens = parseTokens(`alice=${TOKENS.alice},bob=${TOKENS.bob}`);
  const app = createApp({ access: { mode: "tokens", tokens }, limits });
  const server = await serveNode(await withShortWay(app), {
    host: "127.0.0.1",
    port: 0,
    logger: silentLogger,
    drainSeconds: 1,
  });
  servers.push(server);
  const { port } = new URL(server.url);
  const answered: string[] = [];
  /** Sends nearly all of a body. */
  const begin = (caller: keyof typeof TOKENS, path: string, chunked: boolean) => {
    const socket = connect(Number(port), "127.0.0.1");
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", (data) => answered.push(data.toString("latin1")));
    const length = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${BYTES}`;
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKENS[caller]}\r\nAccept: application/json\r\nContent-Type: application/json\r\n${length}\r\n\r\n`,
    );
    const part = " ".repeat(BYTES - 1_000);
    socket.write(chunked ? `${part.length.toString(16)}\r\n${part}\r\n` : part);
    return socket;
  };
  const call = async (caller: keyof typeof TOKENS) =>
    (
      await fetch(`${server.url}/tools/session_info`, {
        method: "POST",
        headers: { authorization: `Bearer ${TOKENS[caller]}`, "content-type": "application/json" },
        body: JSON.stringify({ session_id: "plan" }),
      })
    ).status;
  return { begin, call, answered };
}

describe.each([
  ["/tools/get_notes", false],
  ["/tools/get_notes", true],
  ["/mcp", false],
])("bodies that do not end, to %s, in chunks: %s", (path, chunked) => {
  it("are held up to a bound for one caller, and others are heard", async () => {
    const { begin, call, answered } = await start();
    for (let i = 0; i < 12; i++) begin("alice", path, chunked);
    await expect.poll(() => answered.length).toBe(7);
    for (const answer of answered) {
      expect(answer).toContain("HTTP/1.1 429");
      expect(answer.toLowerCase()).toContain("retry-after: 1");
    }
    // A small body is refused as well while nothing has room; that of another caller is not.
    if (!chunked) expect(await call("alice")).toBe(429);
    expect(await call("bob")).toBe(200);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => call("alice")).toBe(200);
  });
});

describe("bodies of all callers together", () => {
  it("have a bound too, and one who has none under way is heard all the same", async () => {
    const open = await start({ ...LIMITS, arrivingBytesPerProcess: 4 * BYTES });
    for (let i = 0; i < 6; i++) open.begin("alice", "/tools/get_notes", false);
    await expect.poll(() => open.answered.length).toBe(2);
    expect(await open.call("bob")).toBe(200);
  });
});
