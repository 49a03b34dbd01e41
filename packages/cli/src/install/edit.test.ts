import { parse } from "jsonc-parser";
import { expect, it } from "vitest";
import { difference, withEntry } from "./edit.ts";

const entry = { path: ["servers", "memory"], value: { command: "node", args: ["main.js"] } };

it("keeps comments, other servers, trailing commas and tabs", () => {
  const before = '{\n\t// mine\n\t"servers": {\n\t\t"other": { "command": "x" }, // keep\n\t},\n}\n';
  const after = withEntry(before, entry);
  expect(parse(after)).toEqual({ servers: { other: { command: "x" }, memory: entry.value } });
  for (const kept of ["\t// mine", '\t\t"other": { "command": "x" }', "// keep"]) expect(after).toContain(kept);
  expect(after).toContain('\n\t\t"memory": {\n\t\t\t"command"');
});

it("adds lines and changes none", () => {
  const before = '{\n  "servers": {\n    "a": { "command": "x" } // a\n  },\n  "b": [1,  2]\n}\n';
  const after = withEntry(before, entry);
  const added = '    "memory": {\n      "command": "node",\n      "args": [\n        "main.js"\n      ]\n    },\n';
  expect(after).toBe(before.replace('    "a"', `${added}    "a"`));
});

it("keeps line ends and a byte order mark", () => {
  const after = withEntry('\uFEFF{\r\n    "a": 1\r\n}\r\n', entry);
  expect(after.startsWith('\uFEFF{\r\n    "servers": {\r\n        "memory"')).toBe(true);
  expect(after.replaceAll("\r\n", "")).not.toContain("\n");
});

it("fills an empty file, and adds the key where it is missing", () => {
  for (const before of ["", " \n", "{}", '{"a":1}'])
    expect(parse(withEntry(before, entry)).servers.memory).toEqual(entry.value);
});

it("replaces command and arguments of its own entry and leaves the rest of it", () => {
  const before = JSON.stringify({ servers: { memory: { command: "old", args: [], env: { A: "b" } } } });
  expect(parse(withEntry(before, entry)).servers.memory).toEqual({ ...entry.value, env: { A: "b" } });
});

it("adds variables of its own to those of the user", () => {
  const before = JSON.stringify({ servers: { memory: { command: "old", env: { A: "b", PATH: "x" } } } });
  const launched = { ...entry, value: { ...entry.value, env: { PATH: "y" } } };
  expect(parse(withEntry(before, launched)).servers.memory.env).toEqual({ A: "b", PATH: "y" });
});

it("changes nothing when it has been there already", () => {
  const own = withEntry(JSON.stringify({ servers: { memory: { ...entry.value, env: { A: "b" } } } }), entry);
  expect(withEntry(own, entry)).toBe(own);
  const once = withEntry("{}", entry);
  expect(withEntry(once, entry)).toBe(once);
});

it("names what it cannot change, with the line", () => {
  expect(() => withEntry('{\n"a": \n]', entry)).toThrow(/not valid JSON: \w+ in line 3/);
  expect(() => withEntry("[]", entry)).toThrow("It holds no JSON object");
  expect(() => withEntry('{"servers": []}', entry)).toThrow('Its "servers" is no JSON object');
});

it("shows what changes and not the whole file", () => {
  const before = Array.from({ length: 40 }, (_, line) => `line ${line}\n`).join("");
  const shown = difference("file", before, before.replace("line 20", "changed"));
  expect(shown).toContain("-line 20\n+changed");
  expect(shown).not.toContain("line 30");
});
