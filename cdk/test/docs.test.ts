// What pages and the project of `stateful-mcp create` say about constructs: it compiles, and the example for a CDK app of one's own
// is synthesized.
import { execFile } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { App, type Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { REPOSITORY } from "./synthesis.ts";

// Inside this package, because that is where the imports of the blocks are found.
const FOLDER = fileURLToPath(new URL("./docs.tmp/", import.meta.url));

const blocks = ["docs/deploy.md", "cdk/README.md"].map((page) => {
  const found = [...readFileSync(join(REPOSITORY, page), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)];
  return { file: `${page.replace(/\W/g, "-")}.ts`, code: found.map(([, code = ""]) => code) };
});

beforeAll(() => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(join(FOLDER, "src"), { recursive: true });
  for (const { file, code } of blocks) writeFileSync(join(FOLDER, file), code.join("\n"));
  cpSync(join(REPOSITORY, "packages/cli/template/deploy/app.ts"), join(FOLDER, "template.ts"));
  copyFileSync(fileURLToPath(new URL("own-app.mjs", import.meta.url)), join(FOLDER, "src/app.ts"));
  writeFileSync(
    join(FOLDER, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.json", include: ["**/*.ts"] }),
  );
});
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

it("compiles, under the strictest settings", { timeout: 120_000 }, async () => {
  expect(blocks.map(({ code }) => code.length)).toEqual([1, 1]);
  const tsc = join(REPOSITORY, "node_modules/.bin/tsc");
  const { stdout } = await promisify(execFile)(tsc, ["-p", FOLDER]).catch((error: { stdout: string }) => error);
  expect(stdout).toBe("");
});

it("the stack of docs/deploy.md has a function with the app in it", { timeout: 120_000 }, async () => {
  vi.spyOn(process, "cwd").mockReturnValue(FOLDER);
  const { ToolsStack } = (await import(/* @vite-ignore */ pathToFileURL(join(FOLDER, "docs-deploy-md.ts")).href)) as {
    ToolsStack: new (scope: App, id: string) => Stack;
  };
  const template = Template.fromStack(new ToolsStack(new App(), "Tools"));
  template.hasResourceProperties("AWS::Lambda::Function", { Description: "MCP server" });
});
