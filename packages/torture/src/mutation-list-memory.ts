// More conditions for `mutations.ts`: of notes that change, of imports, and of messages that an instance waits for.
import type { Mutation } from "./mutation-list.ts";

export const MEMORY_MUTATIONS: readonly Mutation[] = [
  {
    name: "a deleted note is not corrected",
    file: "state/notes.ts",
    from: "by, from: { min: 0, max: 0 } });",
    to: "by });",
    tests: ["state/notes-amended.test.ts"],
  },
  {
    name: "a note is corrected only under the generation of its id",
    file: "state/notes.ts",
    from: "if (generation !== session.generation) throw noteNotFound(id);",
    to: "",
    tests: ["state/notes-amended.test.ts"],
  },
  {
    name: "an imported note goes behind the one before it, and is looked for from there",
    file: "state/transfer.ts",
    from: "{ id, fromTail: this.#tail }",
    to: "{ id, fromTail: this.#stood }",
    tests: ["state/transfer.test.ts"],
  },
  {
    name: "counts of the journal whose put has failed are written again",
    file: "state/journal.ts",
    from: "if (!this.#unwritten) {",
    to: "{",
    tests: ["state/journal.test.ts"],
  },
  {
    name: "counts of the journal are written again under the same key",
    file: "state/journal.ts",
    from: "const { key, attributes, ...options } = this.#unwritten;",
    to: "const { key: at, attributes, ...options } = this.#unwritten; const key = { ...at, sk: at.sk + Math.random() };",
    tests: ["state/journal.test.ts"],
  },
  {
    name: "an answer is kept only where an instance waits for it",
    file: "mcp/legacy/transport-sessions.ts",
    from: '{ on: awaited ? "live" : "live-or-missing" }',
    to: '{ on: "live-or-missing" }',
    tests: ["mcp/legacy/limits.test.ts"],
  },
];
