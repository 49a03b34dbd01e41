// server.json against the rules of the MCP registry that can be checked without it.
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

it("keeps the registry's form and lengths", () => {
  expect(server.$schema).toMatch(
    /^https:\/\/static\.modelcontextprotocol\.io\/schemas\/[\d-]{10}\/server\.schema\.json$/,
  );
  expect(server.name).toMatch(/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/);
  for (const text of [server.title, server.description]) {
    expect(text.length).toBeGreaterThan(0);
    expect(text.length).toBeLessThanOrEqual(100);
  }
});

it("offers only settings that exist", () => {
  const names: string[] = server.packages[0].environmentVariables.map(({ name }: { name: string }) => name);
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter((name) => namesOfSetting(name).length === 0)).toEqual([]);
});
