// A model that reads its answers from a script: the same every time, without an account. Knows no MCP server.
import { readFileSync } from "node:fs";
import * as z from "zod";
import type { Message, Model, ModelRequest, Piece } from "./model.ts";

const replySchema = z.strictObject({
  /** `{result}` stands for what the tools have just answered. */
  text: z.string().default(""),
  calls: z
    .array(z.strictObject({ name: z.string(), input: z.record(z.string(), z.unknown()).default({}) }))
    .default([]),
});
const scriptSchema = z.array(replySchema).min(1);

/** One entry per message of the assistant. */
export type Script = z.infer<typeof scriptSchema>;

/** What `--model scripted` plays without a script: three turns, one of them with a tool that fails. */
const DEMO: Script = scriptSchema.parse([
  {
    text: "I will remember that, and count how often you have told me something. ",
    calls: [
      { name: "add_note", input: { note: "The user tried the sample agent." } },
      { name: "increment_value", input: { key: "told" } },
    ],
  },
  { text: "Done. The tools answered {result}" },
  { text: "Let me look. ", calls: [{ name: "get_notes" }] },
  { text: "These are my notes: {result}" },
  { text: "I shall try something that cannot work. ", calls: [{ name: "increment_value", input: { key: "" } }] },
  { text: "As expected, the tool refused: {result}" },
]);

/** Throws an error that names the file and what is wrong with it. Without a file: a short demonstration. */
export function scriptedModel(file?: string): Model {
  const script = file === undefined ? DEMO : readScript(file);
  return {
    name: "scripted",
    async *reply({ messages, signal }: ModelRequest) {
      // The place in the script follows from the conversation, so that one that is continued elsewhere goes on here.
      const step = messages.filter(({ role }) => role === "assistant").length;
      const { text, calls } = script[step] ?? { text: "My script ends here.", calls: [] };
      for (const word of text.replace("{result}", () => lastResult(messages)).match(/\S+\s*/g) ?? []) {
        signal.throwIfAborted();
        yield { text: word };
      }
      yield* calls.map(({ name, input }, index): Piece => ({ call: { id: `call_${step}_${index}`, name, input } }));
    },
  };
}

function readScript(file: string): Script {
  try {
    return scriptSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new Error(`The script ${file} cannot be used: ${why}`, { cause: error });
  }
}

function lastResult(messages: readonly Message[]): string {
  const last = messages.at(-1);
  return last?.role === "tools" ? last.results.map(({ text }) => text).join(" ") : "";
}
