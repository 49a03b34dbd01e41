// A proxy between the AWS SDK and an engine that fails on order. For tests only.
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";

/**
 * What happens to one request: it passes; its reply is lost after the engine has done it; its reply breaks off half-way;
 * it is answered by the proxy with an error; it is never answered.
 */
export type Fault =
  | "pass"
  | "lose the reply"
  | "cut the reply"
  | "throttle"
  | "fail with 500"
  | "answer nonsense"
  | "hang";

export interface FaultyProxy {
  readonly port: number;
  /** The operations seen, in order, for example `PutItem`. */
  readonly seen: string[];
  /** Decides about the n-th request, counted from 1 since the last call. */
  plan(decide: (n: number, operation: string) => Fault): void;
  stop(): Promise<void>;
}

export async function startFaultyProxy(enginePort: number): Promise<FaultyProxy> {
  const seen: string[] = [];
  let decide: (n: number, operation: string) => Fault = () => "pass";
  const server = createServer(async (incoming, outgoing) => {
    const body = Buffer.concat(await incoming.toArray());
    const operation = String(incoming.headers["x-amz-target"]).split(".")[1] ?? "";
    seen.push(operation);
    const fault = decide(seen.length, operation);
    if (fault === "hang") return;
    if (fault === "throttle") return answer(outgoing, 400, "ProvisionedThroughputExceededException");
    if (fault === "fail with 500") return answer(outgoing, 500, "InternalServerError");
    if (fault === "answer nonsense") return outgoing.writeHead(502).end("<html>Bad Gateway</html>");
    const reply = await forward(incoming, body, enginePort);
    if (fault === "lose the reply") return incoming.socket.destroy();
    outgoing.writeHead(reply.status, reply.headers);
    if (fault === "pass") return outgoing.end(reply.body);
    outgoing.write(reply.body.subarray(0, reply.body.length - 1), () => incoming.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    plan(next) {
      seen.length = 0;
      decide = next;
    },
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(outgoing: ServerResponse, status: number, name: string): void {
  outgoing.writeHead(status, { "content-type": "application/x-amz-json-1.0" });
  outgoing.end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message: "ordered by the test" }));
}

async function forward(incoming: IncomingMessage, body: Buffer, port: number) {
  const { method, url, headers } = incoming;
  const outward = request({ host: "127.0.0.1", port, method, path: url, headers }).end(body);
  const [reply] = (await once(outward, "response")) as [IncomingMessage];
  return { status: reply.statusCode ?? 500, headers: reply.headers, body: Buffer.concat(await reply.toArray()) };
}

/** Accepts connections and never says a word. */
export async function startBlackHole(): Promise<{ port: number; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, "close");
      for (const socket of sockets) socket.destroy();
      server.close();
      await closed;
    },
  };
}
