import { expect, it } from "vitest";
import { parse } from "yaml";
import { withYamlEntry } from "./edit-yaml.ts";

const entry = { path: ["extensions", "stateful-mcp"], value: { enabled: true, cmd: "node", args: ["main.js"] } };

it("keeps comments and other extensions, and changes nothing the second time", () => {
  const before = "# mine\nGOOSE_PROVIDER: x\nextensions:\n  developer:\n    enabled: true # keep\n";
  const after = withYamlEntry(before, entry);
  expect(after).toContain(before);
  expect(parse(after).extensions["stateful-mcp"]).toEqual(entry.value);
  expect(withYamlEntry(after, entry)).toBe(after);
});

it("keeps what the user has added to the entry", () => {
  const before = "extensions:\n  stateful-mcp:\n    cmd: old\n    envs:\n      A: b\n";
  expect(parse(withYamlEntry(before, entry)).extensions["stateful-mcp"]).toEqual({ envs: { A: "b" }, ...entry.value });
});

it.each(["", "a: 1\n", "extensions:\n", "extensions: {}\n"])("fills %j", (before) => {
  expect(parse(withYamlEntry(before, entry)).extensions["stateful-mcp"]).toEqual(entry.value);
});

it.each(["- a\n", "extensions: 1\n", "a: [\n"])("refuses %j", (before) => {
  expect(() => withYamlEntry(before, entry)).toThrow(/^Its? /);
});
