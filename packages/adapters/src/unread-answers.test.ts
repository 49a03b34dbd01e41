// Clients that do not read, read slowly, or have nothing to read, on real sockets.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { silentLogger } from "@stateful-mcp/core";
import { afterEach, describe, expect, it } from "vitest";
import { type NodeServer, serveNode } from "./node.ts";

const MIB = 1_048_576;
const opened: { server: NodeServer; sockets: Socket[] }[] = [];
afterEach(async () => {
  for (const { server, sockets } of opened.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await server.close();
  }
});

/** `/large` answers with 64 MiB; `/silent` is a stream that says one thing and then nothing. */
async function serve() {
  const lines: object[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => lines.push(fields) };
  const app = {
    fetch: async (request: Request) => {
      if (request.url.endsWith("/large")) return new Response(new Uint8Array(64 * MIB));
      return new Response(
        new ReadableStream({ start: (stream) => stream.enqueue(new TextEncoder().encode("data: first\n\n")) }),
        { headers: { "content-type": "text/event-stream" } },
      );
    },
    drain: () => {},
  };
  const server = await serveNode(app, { host: "127.0.0.1", port: 0, logger, drainSeconds: 0, unreadSeconds: 0.6 });
  const sockets: Socket[] = [];
  opened.push({ server, sockets });
  const ask = async (path: string) => {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    sockets.push(socket);
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return socket;
  };
  return { ask, lines };
}

describe("an answer", () => {
  it("that is not read is ended, and the log says how much was unread", async () => {
    const { ask, lines } = await serve();
    await ask("/large");
    await expect.poll(() => lines, { timeout: 20_000 }).toHaveLength(1);
    expect(lines).toMatchObject([{ address: "127.0.0.1", unread_bytes: expect.any(Number) }]);
  });

  it("that is read slowly goes on, and so does one that says nothing", async () => {
    const { ask, lines } = await serve();
    const silent = await ask("/silent");
    const slow = await ask("/large");
    const unread = await ask("/large");
    let read = 0;
    const reading = setInterval(() => {
      read += (slow.read() as Buffer | null)?.length ?? 0;
    }, 20);
    // The one that reads nothing shows that enough time has passed for the others to have been taken for it.
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBeGreaterThan(0);
    clearInterval(reading);
    expect(lines).toHaveLength(1);
    expect(read).toBeGreaterThan(0);
    unread.resume();
    await once(unread, "close");
    expect([silent.closed, slow.closed]).toEqual([false, false]);
  });
});
