// The short way where its client goes away or its app ends. That its answers are the SDK's, torture's bar C8 shows.
import { expect, it } from "vitest";
import * as z from "zod";
import { defineTool } from "../define/tool.ts";
import { testApp } from "../testing/test-app.ts";

const META = "io.modelcontextprotocol/";

function waitingApp() {
  const started = Promise.withResolvers<AbortSignal>();
  const wait = defineTool({
    name: "wait",
    description: "Waits until it is told to end.",
    input: z.object({}),
    output: z.object({}),
    session: "none",
    run: (_, { signal }) => {
      started.resolve(signal);
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve({})));
    },
  });
  return { app: testApp({ tools: [wait] }).app, started: started.promise };
}

const callOf = (signal?: AbortSignal) =>
  new Request("http://localhost/mcp", {
    method: "POST",
    headers: {
      host: "localhost",
      "content-type": "application/json",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "wait",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "wait", _meta: { [`${META}protocolVersion`]: "2026-07-28", [`${META}clientCapabilities`]: {} } },
    }),
    ...(signal && { signal }),
  });

it("a tool is told when its client goes away", async () => {
  const { app, started } = waitingApp();
  const client = new AbortController();
  const answer = app.fetch(callOf(client.signal));
  const signal = await started;
  client.abort();
  expect([(await answer).status, signal.aborted]).toEqual([499, true]);
  await app.settle();
});

it("a tool is told when its app ends", async () => {
  const { app, started } = waitingApp();
  const answer = app.fetch(callOf());
  const signal = await started;
  await app.close();
  expect([(await answer).status, signal.aborted]).toEqual([499, true]);
});
