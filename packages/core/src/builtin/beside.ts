// What an app's own tools are given by it: tools beside them, a question before some of them, a word to the model on what they can do
// together. Knows no server.
import { type Tool, withConfirmation } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import { taskTools } from "./tools/tasks.ts";

const SESSION_TOOLS = new Set(["create_session", "list_sessions", "session_info", "delete_session"]);

/** What a model is told of an app that says nothing of its own: what its tools can do together, and no tool that it lacks. */
export function instructionsFor(tools: readonly Tool[]): string | undefined {
  const has = (name: string) => tools.some((tool) => tool.name === name);
  const sentences = [
    ...(has("get_notes") && has("add_note")
      ? [
          "This server remembers. Notes and values are kept per session, across calls, restarts and clients.",
          "Call get_notes at the start of a conversation to recall what is known, and add_note to save decisions and facts worth keeping.",
        ]
      : []),
    ...(has("search_memory") ? ["search_memory finds what was noted or stored in any session."] : []),
    ...(tools.some(({ session, output }) => session !== "none" && output)
      ? ["Every result names its session_id; pass it on to stay in the same session."]
      : []),
  ];
  return sentences.length > 0 ? sentences.join(" ") : undefined;
}

/** The tools for sessions that stand beside an app's own, where it has none of their names. */
export function withSessionTools(own: readonly Tool[], builtin: () => readonly Tool[]): readonly Tool[] {
  if (!own.some(({ session }) => session !== "none")) return own;
  const names = new Set(own.map(({ name }) => name));
  return [...own, ...builtin().filter(({ name }) => SESSION_TOOLS.has(name) && !names.has(name))];
}

/** The tools for tasks that stand beside an app's own, where a call of these can become one. */
export function withTaskTools(own: readonly Tool[], anonymous: boolean): readonly Tool[] {
  if (!own.some(({ task }) => task)) return own;
  const byName = new Map(own.map((tool) => [tool.name, tool]));
  const scopeOf = (name: string) => byName.get(name)?.scope;
  return [...own, ...taskTools({ anonymous, scopeOf }).filter(({ name }) => !byName.has(name))];
}

/** The tools, those of these names asking their person first. @throws AppError `invalid_input` for a name that is none. */
export function confirmed(tools: readonly Tool[], names: readonly string[]): readonly Tool[] {
  const unknown = names.find((name) => !tools.some((tool) => tool.name === name));
  if (unknown !== undefined) {
    const known = tools.map((tool) => tool.name).join(", ");
    throw new AppError("invalid_input", `There is no tool ${unknown} to confirm. The tools are: ${known}.`);
  }
  return tools.map((tool) => (names.includes(tool.name) ? withConfirmation(tool) : tool));
}
