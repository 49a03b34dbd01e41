// The server that the official conformance suite expects, written with the toolkit: names and texts are the suite's own.
import { setTimeout as delay } from "node:timers/promises";
import {
  AppError,
  type ContentBlock,
  definePrompt,
  defineResource,
  defineTool,
  type Prompt,
  type Resource,
  type Tool,
  type ToolContext,
  userMessages,
} from "@stateful-mcp/core";
import * as z from "zod";
import { PIXEL_PNG, SILENCE_WAV } from "./media.ts";
import { askingPrompts, askingTools } from "./questions.ts";
import { taskTools } from "./tasks.ts";

const STEP_MS = 50;
const image = { type: "image", data: PIXEL_PNG, mimeType: "image/png" } as const;

/** A tool without arguments that answers with blocks. */
function answering(
  name: string,
  description: string,
  run: (context: ToolContext) => ContentBlock[] | Promise<ContentBlock[]>,
): Tool {
  return defineTool({
    name,
    description,
    input: z.object({}),
    session: "none",
    run: async (_, context) => ({ content: await run(context) }),
  });
}

async function logsThrice({ logToClient }: ToolContext): Promise<ContentBlock[]> {
  logToClient("info", "Tool execution started");
  await delay(STEP_MS);
  logToClient("info", "Tool processing data");
  await delay(STEP_MS);
  logToClient("info", "Tool execution completed");
  return [{ type: "text", text: "Logged three lines." }];
}

const contentTools: Tool[] = [
  answering("test_simple_text", "Returns text.", () => [
    { type: "text", text: "This is a simple text response for testing." },
  ]),
  answering("test_image_content", "Returns an image.", () => [image]),
  answering("test_audio_content", "Returns a sound.", () => [
    { type: "audio", data: SILENCE_WAV, mimeType: "audio/wav" },
  ]),
  answering("test_embedded_resource", "Returns an embedded resource.", () => [
    {
      type: "resource",
      resource: {
        uri: "test://embedded-resource",
        mimeType: "text/plain",
        text: "This is an embedded resource content.",
      },
    },
  ]),
  answering("test_multiple_content_types", "Returns text, an image and an embedded resource.", () => [
    { type: "text", text: "Multiple content types test:" },
    image,
    {
      type: "resource",
      resource: {
        uri: "test://mixed-content-resource",
        mimeType: "application/json",
        text: JSON.stringify({ test: "data", value: 123 }),
      },
    },
  ]),
  answering("test_tool_with_logging", "Logs three lines to its client.", logsThrice),
  answering("test_logging_tool", "Logs three lines to a client that wants them.", logsThrice),
  answering("test_tool_with_progress", "Reports progress three times.", async ({ progress }) => {
    for (const done of [0, 50, 100]) {
      progress(done, 100);
      await delay(STEP_MS);
    }
    return [{ type: "text", text: "Reported progress three times." }];
  }),
  answering("test_error_handling", "Always fails.", () => {
    throw new AppError("conflict", "This tool intentionally returns an error for testing");
  }),
];

const staticResource = (uri: string, name: string, mimeType: string, content: string | Uint8Array): Resource =>
  defineResource({
    uri,
    name,
    description: `A resource of the conformance suite: ${name}.`,
    mimeType,
    read: () => content,
    watch: () => "1",
  });

const resources: Resource[] = [
  staticResource("test://static-text", "static-text", "text/plain", "This is the content of the static text resource."),
  staticResource("test://static-binary", "static-binary", "image/png", Buffer.from(PIXEL_PNG, "base64")),
  staticResource("test://watched-resource", "watched-resource", "text/plain", "Clients may subscribe to this."),
  defineResource({
    uri: "test://template/{id}/data",
    name: "template-data",
    description: "What its URI says.",
    mimeType: "application/json",
    read: ({ id }) => JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
  }),
];

const prompts: Prompt[] = [
  definePrompt({
    name: "test_simple_prompt",
    description: "One message.",
    run: () => "This is a simple prompt for testing.",
  }),
  definePrompt({
    name: "test_prompt_with_arguments",
    description: "A message with two arguments in it.",
    arguments: {
      arg1: {
        description: "First test argument.",
        required: true,
        complete: (begun) => ["paris", "park", "party", "test"].filter((word) => word.startsWith(begun)),
      },
      arg2: { description: "Second test argument.", required: true },
    },
    run: ({ arg1, arg2 }) => `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`,
  }),
  definePrompt({
    name: "test_prompt_with_embedded_resource",
    description: "A message that holds a resource.",
    arguments: { resourceUri: { description: "URI of the resource to embed.", required: true } },
    run: ({ resourceUri }) =>
      userMessages(
        {
          type: "resource",
          resource: { uri: resourceUri, mimeType: "text/plain", text: "Embedded resource content for testing." },
        },
        { type: "text", text: "Please process the embedded resource above." },
      ),
  }),
  definePrompt({
    name: "test_prompt_with_image",
    description: "A message that holds an image.",
    run: () => userMessages(image, { type: "text", text: "Please analyze the image above." }),
  }),
];

export const fixture = {
  tools: [...contentTools, ...askingTools, ...taskTools],
  resources,
  prompts: [...prompts, ...askingPrompts],
};
