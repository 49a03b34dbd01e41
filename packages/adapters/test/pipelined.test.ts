// A connection that sends many requests before it reads an answer, on a real socket: what is held for it is bounded.
import { once } from "node:events";
import { connect } from "node:net";
import { silentLogger } from "@stateful-mcp/core";
import { afterEach, expect, it } from "vitest";
import { type NodeServer, serveNode } from "../src/node.ts";
import { PIPELINED_MAX } from "../src/pipelined.ts";

const REQUEST = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HALF = PIPELINED_MAX / 2;

const servers: NodeServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** Answers nothing before `answer` is called. */
async function serve() {
  let reached = 0;
  let answer = () => {};
  const told = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const app = {
    fetch: async () => {
      reached += 1;
      await told;
      return new Response("reached");
    },
    drain: () => {},
  };
  const server = await serveNode(app, { host: "127.0.0.1", port: 0, logger: silentLogger, drainSeconds: 0 });
  servers.push(server);
  const send = (count: number) => {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    const received = { text: "" };
    socket.on("data", (chunk: Buffer) => {
      received.text += chunk.toString();
    });
    socket.write(REQUEST.repeat(count));
    return { socket, received };
  };
  return { send, answer, reached: () => reached, url: server.url };
}

const statusesIn = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);

it("answers so many requests, refuses the next one, and ends the connection before the rest", async () => {
  const { send, answer, reached } = await serve();
  const { socket, received } = send(1_000);
  const closed = once(socket, "close");
  await expect.poll(reached).toBeGreaterThanOrEqual(PIPELINED_MAX);
  answer();
  await closed;
  expect(statusesIn(received.text)).toEqual([...Array(PIPELINED_MAX).fill("200"), "429"]);
  expect(received.text).toContain("Send fewer at once.");
  expect(reached()).toBe(PIPELINED_MAX);
});

it("leaves a connection open that stays within the bound, however many requests it sends one after the other", async () => {
  const { send, answer, reached } = await serve();
  answer();
  const { socket, received } = send(HALF);
  for (let sent = HALF; sent < 2 * PIPELINED_MAX; sent += HALF) {
    await expect.poll(() => statusesIn(received.text).length).toBe(sent);
    socket.write(REQUEST.repeat(HALF));
  }
  await expect.poll(() => statusesIn(received.text).length).toBe(2 * PIPELINED_MAX);
  expect(new Set(statusesIn(received.text))).toEqual(new Set(["200"]));
  expect(reached()).toBe(2 * PIPELINED_MAX);
  socket.destroy();
});
