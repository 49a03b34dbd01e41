// Baseline: the npm package fastmcp with HTTP streaming, as its documentation starts it.

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { FastMCP } from "fastmcp";
import * as z from "zod";
import { answerQuestions } from "../control.ts";

// It warns about every client that declares no capabilities; the benchmark's terminal is no place for that.
const silent = () => {};
const logger = { debug: silent, error: silent, info: silent, log: silent, warn: silent };
const server = new FastMCP({ name: "fastmcp", version: "0.1.0", logger });
server.addTool({
  name: "echo",
  description: "Returns the text it is given.",
  parameters: z.object({ text: z.string() }),
  execute: async ({ text }) => text,
});

/** It cannot tell which port it took, so it is given one that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

async function start(): Promise<{ port: number }> {
  const port = await freePort();
  await server.start({ transportType: "httpStream", httpStream: { host: "127.0.0.1", port } });
  return { port };
}

const ready = start();
answerQuestions({ ready: () => ready });
