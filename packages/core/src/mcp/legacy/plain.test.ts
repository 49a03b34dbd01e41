// The short way for 2025-era calls, where it ends and the SDK takes over. That the answers of both are the same, torture's bar C8 shows.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema, LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { inputRequired, Server } from "@modelcontextprotocol/server";
import { expect, it, onTestFinished, vi } from "vitest";
import * as z from "zod";
import { defineTool, type Tool } from "../../define/tool.ts";
import { AppError } from "../../errors.ts";
import { testApp } from "../../testing/test-app.ts";

const anything = { input: z.object({}), output: z.object({ said: z.string() }), session: "none" } as const;

/** A client of the 1.x SDK in a session, and how many servers have been connected since. */
async function connected(tool: Tool, { plainPath = true } = {}) {
  const { app } = testApp({ tools: [tool], plainPath });
  const client = new Client({ name: "host", version: "1" }, { capabilities: { elicitation: {} } });
  const transport = new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), {
    fetch: async (input, init) => {
      const request = new Request(input, init);
      request.headers.set("host", "localhost");
      return app.fetch(request);
    },
  });
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  const connect = vi.spyOn(Server.prototype, "connect");
  onTestFinished(async () => {
    connect.mockRestore();
    await client.close();
    await app.close();
  });
  return { client, servers: () => connect.mock.calls.length };
}

it("a call within a session builds no server", async () => {
  const hello = defineTool({ ...anything, name: "hello", description: "Says hello.", run: () => ({ said: "hello" }) });
  const [answers, made]: [unknown[], number[]] = [[], []];
  for (const plainPath of [true, false]) {
    const { client, servers } = await connected(hello, { plainPath });
    const before = servers();
    answers.push({ ...(await client.callTool({ name: "hello" })), _meta: "of this request" });
    made.push(servers() - before);
  }
  expect(answers[0]).toEqual(answers[1]);
  expect(answers[0]).toMatchObject({ structuredContent: { said: "hello" } });
  expect(made).toEqual([0, 1]);
});

it("a list is made once and is the same then", async () => {
  const hello = defineTool({ ...anything, name: "hello", description: "Says hello.", run: () => ({ said: "hello" }) });
  const { client, servers } = await connected(hello);
  const first = await client.listTools();
  const made = servers();
  expect((await client.listTools()).tools).toEqual(first.tools);
  expect(servers()).toBe(made);
});

it("a tool that asks is run once for the question and once for its answer", async () => {
  let runs = 0;
  const asks = defineTool({
    ...anything,
    name: "asks",
    description: "Asks.",
    run: (_, { answers }) => {
      runs += 1;
      if (answers) return { said: JSON.stringify(answers.ok) };
      const question = inputRequired.elicit({ message: "Yes?", requestedSchema: z.object({ yes: z.boolean() }) });
      return inputRequired({ inputRequests: { ok: question } });
    },
  });
  const { client, servers } = await connected(asks);
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { yes: true } }));
  const { structuredContent } = await client.callTool({ name: "asks" });
  expect(structuredContent).toEqual({ said: '{"action":"accept","content":{"yes":true}}' });
  expect([runs, servers()]).toEqual([2, 1]);
});

it("a tool that fails is run once, and its error is the SDK's to say", async () => {
  let runs = 0;
  const fails = defineTool({
    ...anything,
    name: "fails",
    description: "Fails.",
    run: () => {
      runs += 1;
      throw new AppError("not_found", "There is none.");
    },
  });
  const { client } = await connected(fails);
  expect(await client.callTool({ name: "fails" })).toMatchObject({
    isError: true,
    content: [{ text: "There is none." }],
  });
  expect(runs).toBe(1);
});

it("what a tool tells before its answer arrives in order, at the level that the session has asked for", async () => {
  const tells = defineTool({
    ...anything,
    name: "tells",
    description: "Tells.",
    run: (_, { progress, logToClient }) => {
      progress(1, 2, "half");
      logToClient("info", "too low");
      logToClient("error", { loud: true });
      return { said: "all" };
    },
  });
  const { client, servers } = await connected(tells);
  await client.setLoggingLevel("warning");
  const made = servers();
  const told: unknown[] = [];
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void told.push(params));
  await client.callTool({ name: "tells" }, undefined, { onprogress: (progress) => void told.push(progress) });
  expect(told).toEqual([
    { progress: 1, total: 2, message: "half" },
    { level: "error", data: { loud: true } },
  ]);
  expect(servers()).toBe(made);
});
