import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { launchPacked, launchProgram } from "./launch.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "launch-"));
  mkdirSync(join(folder, "bin"));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("names the program that runs now, and no `node` that the client would have to find", () => {
  expect(launchProgram("/x/main.js")).toEqual({ command: process.execPath, args: ["/x/main.js"] });
});

it("runs npx by its path, with a path on which what npx starts finds this Node.js", () => {
  const npx = join(folder, "lib/node_modules/npm/bin/npx-cli.js");
  mkdirSync(join(npx, ".."), { recursive: true });
  writeFileSync(npx, "");
  const { command, args, env } = launchPacked("/x/packed.tgz", join(folder, "bin/node"));
  expect([command, args]).toEqual([join(folder, "bin/node"), [npx, "-y", "file:/x/packed.tgz"]]);
  expect(env?.PATH?.split(delimiter)[0]).toBe(join(folder, "bin"));
});

it("follows the link that packages of a distribution put there, and else leaves npx to the client", () => {
  const elsewhere = join(folder, "npx-cli.js");
  writeFileSync(elsewhere, "");
  expect(launchPacked("/x.tgz", join(folder, "bin/node"))).toEqual({ command: "npx", args: ["-y", "file:/x.tgz"] });
  symlinkSync(elsewhere, join(folder, "bin/npx"));
  expect(launchPacked("/x.tgz", join(folder, "bin/node")).args[0]).toMatch(/npx-cli\.js$/);
});
