// Carries HTTP between node:http and an App: listening, timeouts, and an end that loses no accepted call.
// Knows nothing of routes. Signals belong to the process that calls this.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIPv6, type Socket } from "node:net";
import { getRequestListener, type HttpBindings, RequestError } from "@hono/node-server";
import {
  type App,
  AppError,
  type Carried,
  type Logger,
  type Posted,
  type ShortAnswer,
} from "@stateful-mcp/core/runtime";
import { ShortWay } from "@stateful-mcp/core/short-way";
import { DOT_SEGMENTS_REFUSED, hasDotSegments } from "./dot-segments.ts";
import { NodePost } from "./node-post.ts";
import { Pipelined } from "./pipelined.ts";

/** Where an HTTP server listens, and how it ends. */
export interface NodeServerOptions {
  /** Name or address of an interface of this machine. */
  host: string;
  /** 0 takes a free port. */
  port: number;
  logger: Logger;
  /** How long `close()` lets running calls finish, in seconds. Default 25: load balancers and orchestrators kill after 30. */
  drainSeconds?: number;
  /** After how many seconds, up to twice as many, an answer is ended of which its client takes nothing. Default 30. */
  unreadSeconds?: number;
}

/** An HTTP server that accepts requests. */
export interface NodeServer {
  /** With the real port, and a loopback address in place of a wildcard one. */
  readonly url: string;
  /** Turns unready, accepts no more connections, lets running calls finish within `drainSeconds`, then cuts what is left. */
  close(): Promise<void>;
}

/** What `serveNode` carries: an app, or an app behind a `fetch` of one's own. */
export interface ServedApp extends Pick<App, "fetch" | "drain"> {
  /**
   * Answers a plain POST to `/mcp` without a Request, in place of `fetch`. Undefined, at once or in the end: it is for `fetch`, with its
   * body as it was read. Default: all requests are for `fetch`.
   */
  answerPlain?: (posted: Posted) => Promise<ShortAnswer | undefined> | undefined;
}

/** An app with the short way of plain requests, which they take past `fetch`. */
export async function withShortWay(app: App): Promise<ServedApp> {
  const parts = await app.shortWay();
  const shortWay = parts && new ShortWay(parts);
  return {
    fetch: app.fetch.bind(app),
    drain: () => app.drain(),
    ...(shortWay && { answerPlain: (posted) => shortWay.answer(posted) }),
  };
}

/** How often a draining server looks for connections that have become idle, in milliseconds. */
const DRAIN_STEP_MS = 50;

/**
 * Listens and resolves once requests are accepted.
 * Throws `AppError`: `conflict` when the port is taken, `forbidden` when the system refuses it, `invalid_input` for an impossible host.
 */
export async function serveNode(app: ServedApp, options: NodeServerOptions): Promise<NodeServer> {
  const { host, logger } = options;
  const running = new Map<ServerResponse, Socket>();
  /** What the short way has come to, where it is no text: for the listener to write. It may not ask, so no promise waits here. */
  const answers = new WeakMap<IncomingMessage, Response | Failure>();
  const fetch = (request: Request, bindings: HttpBindings) => {
    const answer = answers.get(bindings.incoming as IncomingMessage) ?? app.fetch(request, carriedOf(bindings));
    if ("failed" in answer) throw answer.failed;
    return answer;
  };
  const listener = getRequestListener((request, env) => fetch(request, env as HttpBindings), {
    // For HTTP/1.0 probes, which may send no Host. The header stays missing, so what checks it still refuses them.
    hostname: NO_HOST,
    errorHandler: (error) => {
      // RequestError: the request line or Host header makes no URL. Anything else is a bug: `fetch` answers its own errors.
      if (error instanceof RequestError) return problem(400, "The request line or the Host header is not valid");
      logger.error({ err: error }, "A request failed outside the application");
      return problem(500, "An internal error");
    },
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const post = app.answerPlain && NodePost.of(request, response);
    try {
      const short = post && (await app.answerPlain?.(post));
      if (typeof short?.answer === "string") return post?.answer(short.answer, short);
      if (short) answers.set(request, short.answer);
    } catch (error) {
      answers.set(request, { failed: error });
    }
    return listener(request, response);
  };
  const server = createServer({
    maxHeaderSize: 16_384,
    headersTimeout: 20_000,
    // For a whole request with its body. Answers may take as long as they like: some are streams.
    requestTimeout: 60_000,
    connectionsCheckingInterval: 5_000,
    // Longer than the 60 s of common load balancers: the side that gives up first must be theirs.
    keepAliveTimeout: 65_000,
  });
  let draining = false;
  const pipelined = new Pipelined();
  server.on("request", (request, response) => {
    const place = pipelined.take(request, response);
    if (place === "beyond") return;
    if (place === "last") {
      response.writeHead(429, { ...PROBLEM_HEADERS, Connection: "close" }).end(problemText(429, TOO_MANY_AHEAD));
      return;
    }
    running.set(response, request.socket);
    response.on("close", () => running.delete(response));
    if (draining) response.setHeader("Connection", "close");
    if (hasDotSegments(request.url ?? "")) {
      response.writeHead(400, PROBLEM_HEADERS).end(problemText(400, DOT_SEGMENTS_REFUSED));
      return;
    }
    void answer(request, response);
  });
  // Nothing has moved on this connection, its unsent bytes included. What a client does not take stays in this process's memory.
  server.setTimeout((options.unreadSeconds ?? 30) * 1000, (socket) => {
    const [response] = [...running].find(([, own]) => own === socket) ?? [];
    const unread = socket.writableLength + (response?.writableLength ?? 0);
    // Silent for its own reasons: a call that takes its time, a stream without news.
    if (response && unread === 0) return;
    if (response)
      logger.warn({ address: socket.remoteAddress, unread_bytes: unread }, "An answer was not read and is ended");
    socket.destroy();
  });
  await listen(server, host, options.port);
  server.on("error", (error) => logger.error({ err: error }, "The HTTP server reported an error"));

  const drain = async () => {
    draining = true;
    app.drain();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const response of running.keys()) if (!response.headersSent) response.setHeader("Connection", "close");
    // A connection kept alive by a client that sends nothing would hold the server open.
    const idle = setInterval(() => server.closeIdleConnections(), DRAIN_STEP_MS);
    const deadline = setTimeout(
      () => {
        if (running.size > 0)
          logger.warn({ calls: running.size }, "Calls were cut off because they outlived the drain time");
        server.closeAllConnections();
      },
      (options.drainSeconds ?? 25) * 1000,
    );
    await closed;
    clearInterval(idle);
    clearTimeout(deadline);
  };
  let end: Promise<void> | undefined;
  return {
    url: urlOf(server.address() as AddressInfo, host),
    close: () => {
      end ??= drain();
      return end;
    },
  };
}

interface Failure {
  readonly failed: unknown;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): AppError {
  switch (error.code) {
    case "EADDRINUSE":
      return new AppError(
        "conflict",
        `Port ${port} on ${host} is in use; stop what listens there or choose another port (0 takes a free one)`,
      );
    case "EACCES":
      return new AppError(
        "forbidden",
        `This user may not listen on port ${port} of ${host}; choose a port from 1024 up`,
      );
    default:
      return new AppError(
        "invalid_input",
        `Cannot listen on host ${JSON.stringify(host)} (${error.code}); give a name or address of this machine`,
      );
  }
}

function urlOf({ address, port }: AddressInfo, host: string): string {
  if (address === "0.0.0.0") return `http://127.0.0.1:${port}`;
  if (address === "::") return `http://[::1]:${port}`;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

const carriedOf = ({ incoming, outgoing }: HttpBindings): Carried => ({
  address: incoming.socket.remoteAddress,
  onSent: (done) => {
    if (outgoing.closed) done();
    else outgoing.once("close", done);
  },
});

/** A name that leads nowhere (RFC 2606). */
const NO_HOST = "no-host.invalid";

const TOO_MANY_AHEAD =
  "Too many requests were sent on this connection before their answers were read. Send fewer at once.";
const PROBLEM_HEADERS = { "Content-Type": "application/problem+json" };
const problemText = (status: number, title: string): string => JSON.stringify({ type: "about:blank", title, status });
const problem = (status: number, title: string): Response =>
  new Response(problemText(status, title), { status, headers: PROBLEM_HEADERS });
