// A user's own entry with a tool whose calls become tasks.
import { builtinTools, createApp, defineTool } from "@stateful-mcp/core";
import * as z from "zod";

const work = defineTool({
  name: "work",
  description: "Does so many parts, each of which takes so many milliseconds, and notes each.",
  task: "allowed",
  input: z.object({ parts: z.int().default(1), ms: z.int().default(0) }),
  output: z.object({ pid: z.int(), parts: z.array(z.int()) }),
  run: async ({ parts, ms }, { step, session }) => {
    const done: number[] = [];
    for (let part = 1; part <= parts; part++) {
      await session.notes.add(`part ${part}`);
      const work = () => new Promise<number>((resolve) => setTimeout(() => resolve(part), ms));
      done.push(await step(`part ${part}`, work));
    }
    return { pid: process.pid, parts: done };
  },
});

export const app = createApp({
  name: "users-own-tasks",
  tools: [...builtinTools({ backend: "dynamodb", anonymous: false, ttlSeconds: 86_400 }), work],
});
