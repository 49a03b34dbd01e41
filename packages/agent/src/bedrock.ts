// A model on Amazon Bedrock, through its Converse API with streaming. Region, credentials and endpoint are the AWS SDK's
// business. Knows no MCP server.
import {
  type Message as BedrockMessage,
  BedrockRuntimeClient,
  type ContentBlock,
  ConverseStreamCommand,
  type ConverseStreamOutput,
} from "@aws-sdk/client-bedrock-runtime";
import type { JsonObject, Message, Model, ModelRequest, Piece } from "./model.ts";

/** Longest answer of one round. What the model writes must fit into one stored value. */
const ANSWER_MAX_TOKENS = 4096;

/** The SDK's type of a JSON document, which it does not export. */
type Document = NonNullable<ContentBlock.ToolUseMember["toolUse"]["input"]>;

/** `modelId` is a model id, an inference profile or an ARN. The client retries what Bedrock throttles. */
export function bedrockModel(modelId: string, client = new BedrockRuntimeClient({})): Model {
  return {
    name: modelId,
    async *reply({ system, messages, tools, signal }: ModelRequest) {
      const { stream } = await client.send(
        new ConverseStreamCommand({
          modelId,
          system: [{ text: system }],
          messages: messages.map(toBedrock),
          inferenceConfig: { maxTokens: ANSWER_MAX_TOKENS },
          ...(tools.length > 0 && {
            toolConfig: {
              tools: tools.map(({ name, description, inputSchema }) => ({
                toolSpec: { name, description, inputSchema: { json: inputSchema as Document } },
              })),
            },
          }),
        }),
        { abortSignal: signal },
      );
      if (stream === undefined) throw new Error("Bedrock answered without a stream");
      yield* pieces(stream);
    },
  };
}

function toBedrock(message: Message): BedrockMessage {
  if (message.role === "user") return { role: "user", content: [{ text: message.text }] };
  if (message.role === "tools") {
    const content = message.results.map(
      ({ id, text, failed }): ContentBlock => ({
        // Bedrock refuses empty text.
        toolResult: { toolUseId: id, content: [{ text: text || "(empty)" }], status: failed ? "error" : "success" },
      }),
    );
    return { role: "user", content };
  }
  const calls = message.calls.map(
    ({ id, name, input }): ContentBlock => ({ toolUse: { toolUseId: id, name, input: input as Document } }),
  );
  return { role: "assistant", content: [...(message.text.trim() ? [{ text: message.text }] : []), ...calls] };
}

/** Text passes as it comes; the input of a call comes in fragments of JSON and is passed when its block is complete. */
async function* pieces(stream: AsyncIterable<ConverseStreamOutput>): AsyncIterable<Piece> {
  const open = new Map<number, { id: string; name: string; json: string }>();
  let stopReason: string | undefined;
  for await (const { contentBlockStart, contentBlockDelta, contentBlockStop, messageStop, ...other } of stream) {
    const problem = Object.values(other).find((value) => value instanceof Error);
    if (problem) throw problem;
    if (contentBlockStart?.start?.toolUse) {
      const { toolUseId, name } = contentBlockStart.start.toolUse;
      open.set(contentBlockStart.contentBlockIndex ?? 0, { id: toolUseId ?? "", name: name ?? "", json: "" });
    }
    const { text, toolUse } = contentBlockDelta?.delta ?? {};
    if (text) yield { text };
    const growing = open.get(contentBlockDelta?.contentBlockIndex ?? 0);
    if (toolUse && growing) growing.json += toolUse.input ?? "";
    const complete = contentBlockStop && open.get(contentBlockStop.contentBlockIndex ?? 0);
    if (complete) {
      open.delete(contentBlockStop.contentBlockIndex ?? 0);
      yield { call: { id: complete.id, name: complete.name, input: parseInput(complete.name, complete.json) } };
    }
    stopReason = messageStop?.stopReason ?? stopReason;
  }
  if (stopReason === undefined) throw new Error("Bedrock's answer broke off");
  if (stopReason === "max_tokens") yield { text: `\n(cut off after ${ANSWER_MAX_TOKENS} tokens)` };
}

function parseInput(name: string, json: string): JsonObject {
  try {
    const input: unknown = JSON.parse(json || "{}");
    if (typeof input === "object" && input !== null && !Array.isArray(input)) return input as JsonObject;
  } catch {
    // Said below, for both reasons alike.
  }
  throw new Error(`The model called ${name} with arguments that are no JSON object: ${json.slice(0, 200)}`);
}
