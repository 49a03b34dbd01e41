// What TypeScript infers for authors of tools, resources and prompts. `tsc` checks it: run time has nothing to add.
import { expectTypeOf, it } from "vitest";
import * as z from "zod";
import type { SessionHandle, ToolContext } from "./index.ts";
import { createApp, definePrompt, defineResource, defineTool, type Tool } from "./index.ts";

const base = { name: "t", description: "Works." };

it("a tool's function gets what its input schema produces, defaults and transformations applied", () => {
  const tool = defineTool({
    ...base,
    input: z.object({
      text: z.string(),
      limit: z.int().default(5),
      order: z.enum(["oldest", "newest"]).optional(),
      when: z.string().transform((text) => text.length),
    }),
    run: (input, context) => {
      expectTypeOf(input).toEqualTypeOf<{
        text: string;
        limit: number;
        order?: "oldest" | "newest" | undefined;
        when: number;
      }>();
      expectTypeOf(context).toEqualTypeOf<ToolContext>();
      expectTypeOf(context.session).toEqualTypeOf<SessionHandle>();
      expectTypeOf(context.session.values.increment("k")).resolves.toBeNumber();
      return { content: [] };
    },
  });
  expectTypeOf(tool).toEqualTypeOf<Tool>();
});

it("a tool's function must return what its output schema takes", () => {
  const output = z.object({ count: z.number(), note: z.string().default("") });
  defineTool({ ...base, input: z.object({}), output, run: () => ({ count: 1 }) });
  defineTool({ ...base, input: z.object({}), output, run: async () => ({ count: 1, note: "n" }) });
  // @ts-expect-error: the count is missing
  defineTool({ ...base, input: z.object({}), output, run: () => ({ note: "n" }) });
  // @ts-expect-error: the count is a number
  defineTool({ ...base, input: z.object({}), output, run: () => ({ count: "1" }) });
  // @ts-expect-error: without an output it answers with content
  defineTool({ ...base, input: z.object({}), run: () => ({ count: 1 }) });
});

it("a definition with a word nobody knows does not compile", () => {
  // @ts-expect-error: it is called annotations
  defineTool({ ...base, input: z.object({}), hints: {}, run: () => ({ content: [] }) });
  // @ts-expect-error: there is no such relation to sessions
  defineTool({ ...base, session: "maybe", input: z.object({}), run: () => ({ content: [] }) });
  // @ts-expect-error: a unit belongs to the name
  createApp({ sessions: { ttl: 5 } });
});

it("a resource gets the variables of its URI, a prompt its arguments", () => {
  defineResource({
    uri: "report://{team}/{+path}",
    name: "report",
    description: "A report.",
    read: (variables) => {
      expectTypeOf(variables).toEqualTypeOf<{ readonly team: string; readonly path: string }>();
      return variables.path;
    },
  });
  definePrompt({
    name: "plan",
    description: "Plans.",
    arguments: { goal: { description: "What for.", required: true }, tone: { description: "How." } },
    run: (given) => {
      expectTypeOf(given.goal).toBeString();
      expectTypeOf(given.tone).toEqualTypeOf<string | undefined>();
      return given.goal;
    },
  });
});
