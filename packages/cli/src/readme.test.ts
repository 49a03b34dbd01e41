import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describeConfig } from "@stateful-mcp/core";
import { expect, it } from "vitest";

const README = fileURLToPath(new URL("../../../README.md", import.meta.url));

/** The table as the README has to show it. */
const configurationTable = (): string =>
  [
    "| variable | default | allowed | meaning |",
    "|---|---|---|---|",
    ...describeConfig().map((row) => `| ${row.variable} | ${row.default} | ${row.allowed} | ${row.description} |`),
  ].join("\n");

it.runIf(existsSync(README))("the README's table of settings says what the code does", () => {
  const [, shown] = readFileSync(README, "utf8").split(/<!-- \/?configuration -->/);
  expect(shown?.trim()).toBe(configurationTable());
});
