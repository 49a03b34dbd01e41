// server.json against the registry's schema of 2025-12-11, as far as this file uses it. The schema itself allows unknown fields, so a
// misspelt one would pass there and be lost.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { namesOfSetting } from "@stateful-mcp/core";
import { expect, it } from "vitest";

const read = (file: string) => JSON.parse(readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), "utf8"));
const manifest = read("package.json");
const server = read("server.json");

it("names the package, at its version, under the name that the package claims", () => {
  expect(server).toMatchObject({ name: manifest.mcpName, version: manifest.version });
  expect(server.packages).toMatchObject([
    {
      registryType: "npm",
      identifier: manifest.name,
      version: manifest.version,
      transport: { type: "stdio" },
    },
  ]);
});

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const isShortText = (value: unknown): boolean => isText(value) && String(value).length <= 100;
const isFlag = (value: unknown): boolean => typeof value === "boolean";
const oneOf =
  (...values: string[]) =>
  (value: unknown): boolean =>
    values.includes(String(value));
const matches =
  (pattern: RegExp) =>
  (value: unknown): boolean =>
    pattern.test(String(value));
const isVersion = (value: unknown): boolean => isText(value) && !/^latest$|[\^~<>=*x]/.test(String(value));

/** The fields of the schema's definitions and what they may hold; a field that this file does not use is left out. */
const SERVER = {
  $schema: oneOf("https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"),
  name: matches(/^(?=.{3,200}$)[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/),
  title: isShortText,
  description: isShortText,
  version: isVersion,
  packages: Array.isArray,
};
const PACKAGE = {
  registryType: oneOf("npm"),
  identifier: isText,
  version: isVersion,
  runtimeHint: oneOf("npx"),
  transport: (value: unknown) => JSON.stringify(value) === '{"type":"stdio"}',
  environmentVariables: Array.isArray,
};
const VARIABLE = {
  name: matches(/^[A-Z][A-Z0-9_]*$/),
  description: isText,
  default: isText,
  choices: (value: unknown) => Array.isArray(value) && value.every(isText),
  format: oneOf("string", "number", "boolean", "filepath"),
  isRequired: isFlag,
  isSecret: isFlag,
};

/** The fields that are unknown, or hold what they must not. */
const faults = (given: Record<string, unknown>, fields: Record<string, (value: unknown) => boolean>): string[] =>
  Object.keys(given).filter((name) => !fields[name]?.(given[name]));

it("has the registry's fields and no others, in their forms and lengths", () => {
  expect(faults(server, SERVER)).toEqual([]);
  expect(Object.keys(server)).toEqual(expect.arrayContaining(["name", "description", "version"]));
  for (const one of server.packages) {
    expect(faults(one, PACKAGE)).toEqual([]);
    expect(Object.keys(one)).toEqual(expect.arrayContaining(["registryType", "identifier", "transport"]));
    for (const variable of one.environmentVariables) {
      expect(faults(variable, VARIABLE), variable.name).toEqual([]);
      expect(variable).toHaveProperty("name");
      if (variable.choices && variable.default) expect(variable.choices).toContain(variable.default);
    }
  }
  expect(faults({ ...server, descriptoin: "misspelt" }, SERVER)).toEqual(["descriptoin"]);
  expect(faults({ ...server, description: "long".repeat(26) }, SERVER)).toEqual(["description"]);
});

it("offers only settings that exist", () => {
  const names: string[] = server.packages[0].environmentVariables.map(({ name }: { name: string }) => name);
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter((name) => namesOfSetting(name).length === 0)).toEqual([]);
});
