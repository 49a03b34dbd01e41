// The real AWS SDK client against a server on loopback that speaks Bedrock's HTTP/2 and event-stream encoding.
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { EventStreamCodec } from "@smithy/core/event-streams";
import { expect, it, onTestFinished } from "vitest";
import { callTool, converse, startServer } from "./processes.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const codec = new EventStreamCodec((bytes) => new TextDecoder().decode(bytes as Uint8Array), encode);
const header = (value: string) => ({ type: "string" as const, value });

function frame(event: string, body: object, type: "event" | "exception" = "event"): Uint8Array {
  const headers = {
    ":message-type": header(type),
    [`:${type}-type`]: header(event),
    ":content-type": header("application/json"),
  };
  return codec.encode({ headers, body: encode(JSON.stringify(body)) });
}

const start = frame("messageStart", { role: "assistant" });
const stop = (stopReason: string) => frame("messageStop", { stopReason });
const delta = (contentBlockIndex: number, delta: object) => frame("contentBlockDelta", { contentBlockIndex, delta });

interface Request {
  readonly path: string;
  readonly body: { messages: { role: string; content: Record<string, unknown>[] }[]; [name: string]: unknown };
}

/** Answers request by request with the frames given. */
async function startBedrock(answers: readonly Uint8Array[][]) {
  const requests: Request[] = [];
  const server = createServer((incoming, outgoing) => {
    void incoming
      .setEncoding("utf8")
      .toArray()
      .then((chunks) => {
        requests.push({ path: incoming.url, body: JSON.parse(chunks.join("")) });
        outgoing.writeHead(200, { "content-type": "application/vnd.amazon.eventstream" });
        for (const bytes of answers[requests.length - 1] ?? []) outgoing.write(bytes);
        outgoing.end();
      });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const env = {
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: `http://127.0.0.1:${port}`,
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
  };
  return { requests, env };
}

it("streams text and carries out calls whose arguments come in fragments", async () => {
  const server = await startServer();
  const bedrock = await startBedrock([
    [
      start,
      delta(0, { text: "Let me " }),
      delta(0, { text: "count. " }),
      frame("contentBlockStop", { contentBlockIndex: 0 }),
      frame("contentBlockStart", {
        contentBlockIndex: 1,
        start: { toolUse: { toolUseId: "tooluse_1", name: "increment_value" } },
      }),
      delta(1, { toolUse: { input: '{"key": "vis' } }),
      delta(1, { toolUse: { input: 'its", "by": 5}' } }),
      frame("contentBlockStop", { contentBlockIndex: 1 }),
      stop("tool_use"),
      frame("metadata", { usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 }, metrics: { latencyMs: 1 } }),
    ],
    [start, delta(0, { text: "Five." }), frame("contentBlockStop", { contentBlockIndex: 0 }), stop("end_turn")],
  ]);
  const { code, stdout, stderr } = await converse(
    ["--url", server.href, "--model", "some.model-v1:0"],
    ["count"],
    bedrock.env,
  );
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(
    /Let me count\. \n {2}→ increment_value\(key: "visits", by: 5\)\n {2}✓ .*"value":5.*\nFive\.\n/,
  );

  expect(bedrock.requests.map(({ path }) => path)).toEqual(Array(2).fill("/model/some.model-v1%3A0/converse-stream"));
  const [first, second] = bedrock.requests;
  const { tools = [] } = (first?.body.toolConfig ?? {}) as { tools?: { toolSpec: { name: string } }[] };
  expect(tools.map(({ toolSpec }) => toolSpec.name)).toContain("add_note");
  expect(JSON.stringify(tools)).not.toContain("idempotency_key");
  expect(second?.body.messages).toMatchObject([
    { role: "user", content: [{ text: "count" }] },
    {
      role: "assistant",
      content: [{ text: "Let me count. " }, { toolUse: { toolUseId: "tooluse_1", input: { by: 5 } } }],
    },
    { role: "user", content: [{ toolResult: { toolUseId: "tooluse_1", status: "success" } }] },
  ]);
  const workspace = /"session_id":"(ses_\w+)"/.exec(stdout)?.[1];
  expect(await callTool(server, "get_value", { session_id: workspace, key: "visits" })).toMatchObject({ value: 5 });
});

it("says why an answer broke off, and the next turn begins with a conversation in order", async () => {
  const server = await startServer();
  const bedrock = await startBedrock([
    [
      start,
      delta(0, { text: "Well" }),
      frame("modelStreamErrorException", { message: "The model is tired." }, "exception"),
    ],
    [start, delta(0, { text: "Hm" })],
    [start, delta(0, { text: "Here I am." }), stop("end_turn")],
  ]);
  const { code, stdout } = await converse(
    ["--url", server.href, "--model", "some.model"],
    ["one", "two", "three"],
    bedrock.env,
  );
  expect(code).toBe(1);
  expect(stdout).toContain("The model is tired.");
  expect(stdout).toContain("Bedrock's answer broke off");
  expect(stdout).toContain("Here I am.");
  const roles = bedrock.requests.at(-1)?.body.messages.map(({ role }) => role);
  expect(roles).toEqual(["user", "assistant", "user", "assistant", "user"]);
});
