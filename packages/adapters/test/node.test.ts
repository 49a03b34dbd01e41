// What the Node adapter refuses before an app sees it, on a real socket: clients in JavaScript would tidy these addresses up.
import { once } from "node:events";
import { connect } from "node:net";
import { silentLogger } from "@stateful-mcp/core";
import { afterEach, describe, expect, it } from "vitest";
import { type NodeServer, serveNode } from "../src/node.ts";

const servers: NodeServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serve() {
  const reached: string[] = [];
  const app = {
    fetch: async (request: Request) => {
      reached.push(new URL(request.url).pathname);
      return new Response("reached");
    },
    drain: () => {},
  };
  const server = await serveNode(app, { host: "127.0.0.1", port: 0, logger: silentLogger, drainSeconds: 0 });
  servers.push(server);
  const ask = async (target: string) => {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.end(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    await once(socket, "close");
    return answer;
  };
  return { ask, reached };
}

describe("a path with dot segments", () => {
  it.each([
    "/.well-known/../health",
    "/.well-known/%2e%2e/mcp",
    "/a/.%2E/mcp",
    "/./mcp",
    "/..",
    "/..?a=b",
    "/a/..\\mcp",
    "/a%2f..%2fmcp",
    "http://localhost/a/../mcp",
  ])("is refused, because a proxy in front saw another: %s", async (target) => {
    const { ask, reached } = await serve();
    const answer = await ask(target);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain("The path has a segment of dots. Send it without.");
    expect(reached).toEqual([]);
  });

  it.each([
    ["/.well-known/a..b/...", "/.well-known/a..b/..."],
    ["/tools/x?path=../y/..", "/tools/x"],
  ])("is not what has dots elsewhere: %s", async (target, path) => {
    const { ask, reached } = await serve();
    expect(await ask(target)).toMatch(/^HTTP\/1\.1 200 /);
    expect(reached).toEqual([path]);
  });
});
