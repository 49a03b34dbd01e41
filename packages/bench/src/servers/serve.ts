// What every measured HTTP server does around its own app: listens on a free loopback port and answers the benchmark's questions.
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { serve as serveNode } from "@hono/node-server";
import { answerQuestions } from "../control.ts";

/** Serves a fetch-shaped app the way Hono's own documentation does. */
export function serveFetch(fetch: (request: Request) => Response | Promise<Response>): void {
  const ready = new Promise<{ port: number }>((resolve) => {
    serveNode({ fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => resolve({ port }));
  });
  answerQuestions({ ready: () => ready });
}

/** Serves a plain Node server. */
export function serveHttp(server: Server): void {
  const ready = new Promise<{ port: number }>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve({ port: (server.address() as AddressInfo).port }));
  });
  answerQuestions({ ready: () => ready });
}
