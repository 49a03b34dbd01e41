// A server whose tools run as tasks, for the end-to-end tests: one writes and then waits for a file, one asks.
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "@stateful-mcp/adapters";
import { acceptedContent, createApp, defineTool, inputRequired } from "@stateful-mcp/core";
import * as z from "zod";

const POLL_MS = 50;
const form = z.object({ sure: z.boolean() });

const writeAndWait = defineTool({
  name: "write_and_wait",
  description: "Writes a note, waits until a file is there, and writes another one.",
  input: z.object({ file: z.string() }),
  output: z.object({ attempt: z.int(), stepped: z.string() }),
  task: "allowed",
  run: async ({ file }, { session, signal, step, task }) => {
    await session.notes.add("begun");
    const stepped = await step("name", () => `run ${task?.attempt}`);
    while (!existsSync(file)) await sleep(POLL_MS, undefined, { signal });
    await session.notes.add("ended");
    return { attempt: task?.attempt ?? 0, stepped };
  },
});

const ask = defineTool({
  name: "ask",
  description: "Asks whether it may go on.",
  input: z.object({}),
  output: z.object({ sure: z.boolean() }),
  task: "required",
  session: "none",
  run: (_, { answers }) => {
    const given = acceptedContent(answers, "go_on", form);
    if (given) return given;
    const question = inputRequired.elicit({ message: "Go on?", requestedSchema: form });
    return inputRequired({ inputRequests: { go_on: question } });
  },
});

const notes = defineTool({
  name: "notes",
  description: "Every note of the session.",
  input: z.object({}),
  output: z.object({ notes: z.array(z.string()) }),
  annotations: { readOnlyHint: true },
  run: async (_, { session }) => ({
    notes: (await session.notes.page({ limit: 100, order: "oldest" })).notes.map(({ text }) => text),
  }),
});

await run(createApp({ name: "task-server", tools: [writeAndWait, ask, notes] }));
