// The part of the conformance fixture whose calls go on as tasks. Names, arguments and outcomes are the suite's own.
import { setTimeout as delay } from "node:timers/promises";
import {
  AppError,
  acceptedContent,
  defineTool,
  inputRequired,
  ProtocolError,
  type Tool,
  type ToolDefinition,
} from "@stateful-mcp/core";
import * as z from "zod";

const text = (words: string) => ({ content: [{ type: "text" as const, text: words }] });

const tool = <I extends z.ZodObject>(definition: Omit<ToolDefinition<I>, "output" | "session">): Tool =>
  defineTool({ ...definition, session: "none" } as ToolDefinition<I, undefined>);

const confirmForm = z.object({ confirm: z.boolean() });
const nameForm = z.object({ name: z.string() });
const ageForm = z.object({ age: z.int().optional() });
const elicit = (message: string, requestedSchema: z.ZodObject) => inputRequired.elicit({ message, requestedSchema });

export const taskTools: Tool[] = [
  tool({
    name: "greet",
    description: "Greets at once.",
    input: z.object({ name: z.string().optional() }),
    run: ({ name = "world" }) => text(`Hello, ${name}!`),
  }),
  tool({
    name: "slow_compute",
    description: "Takes as many seconds as it is told.",
    input: z.object({ seconds: z.number(), label: z.string().optional() }),
    task: "allowed",
    run: async ({ seconds, label = "" }, { signal }) => {
      await delay(seconds * 1000, undefined, { signal });
      return text(`Computed ${label} in ${seconds} s.`);
    },
  }),
  tool({
    name: "failing_job",
    description: "Fails as a tool does.",
    input: z.object({}),
    task: "required",
    run: () => {
      throw new AppError("conflict", "The job failed, as it always does.");
    },
  }),
  tool({
    name: "protocol_error_job",
    description: "Fails as the protocol does.",
    input: z.object({}),
    task: "allowed",
    run: () => {
      throw new ProtocolError(-32_603, "The job ended with an error of the protocol.");
    },
  }),
  tool({
    name: "confirm_delete",
    description: "Asks before it deletes.",
    input: z.object({ filename: z.string() }),
    task: "allowed",
    run: ({ filename }, { answers }) => {
      if (!answers) return inputRequired({ inputRequests: { confirm: elicit(`Delete ${filename}?`, confirmForm) } });
      const confirmed = acceptedContent(answers, "confirm", confirmForm)?.confirm === true;
      return text(confirmed ? `Deleted ${filename}.` : `Kept ${filename}.`);
    },
  }),
  tool({
    name: "multi_input",
    description: "Asks two things at once.",
    input: z.object({}),
    task: "allowed",
    run: (_, { answers }) =>
      answers
        ? text(`Answered: ${Object.keys(answers).sort().join(", ")}.`)
        : inputRequired({
            inputRequests: { name: elicit("Your name?", nameForm), age: elicit("Your age?", ageForm) },
          }),
  }),
  tool({
    name: "test_tool_with_task",
    description: "Asks for a name first, and goes on as a task then.",
    input: z.object({}),
    task: {
      support: "required",
      askFirst: (_, { answers }) =>
        acceptedContent(answers, "user_name", nameForm)
          ? undefined
          : inputRequired({ inputRequests: { user_name: elicit("What is your name?", nameForm) } }),
    },
    run: (_, { answers }) => text(`Hello, ${acceptedContent(answers, "user_name", nameForm)?.name ?? "you"}!`),
  }),
];
