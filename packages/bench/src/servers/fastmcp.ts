// Baseline: the npm package fastmcp with HTTP streaming, as its documentation starts it.

import { freePort } from "@stateful-mcp/rig";
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

async function start(): Promise<{ port: number }> {
  const port = await freePort();
  await server.start({ transportType: "httpStream", httpStream: { host: "127.0.0.1", port } });
  return { port };
}

const ready = start();
answerQuestions({ ready: () => ready });
