// The guides and the packages' own pages against the product: every block of TypeScript compiles under the strictest settings and
// runs, with the assertions in it; every link leads somewhere. docs/first-tool.md is replayed where its command line is, and what
// speaks of constructs is compiled where those are.
import { execFile } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describeConfig, ERROR_CODES } from "@stateful-mcp/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
// Beside this file, because that is where the imports of the blocks are found.
const FOLDER = fileURLToPath(new URL("./docs.tmp/", import.meta.url));

/** Pages whose blocks are not modules of this package. */
const ELSEWHERE = ["README", "first-tool", "deploy", "cdk"];
/** Packages whose example starts a process of its own: it compiles, and what it starts is tested in the package. */
const NOT_RUN = ["adapters", "cli", "local"];

/** Guides go by the name of their file, packages by that of their folder. */
const pages = globSync(["CONTRIBUTING.md", "README.md", "docs/**/*.md", "packages/*/README.md", "cdk/README.md"], {
  cwd: ROOT,
}).map((found) => {
  const path = found.replaceAll("\\", "/");
  const text = readFileSync(join(ROOT, path), "utf8");
  const name = /([\w-]+)(?:\/README)?\.md$/.exec(path)?.[1] ?? path;
  const blocks = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
  return { path, name, text, blocks };
});
const examples = pages
  .filter(({ name }) => !ELSEWHERE.includes(name))
  .flatMap(({ name, blocks }) => blocks.map((code, index) => ({ name, file: `${name}-${index + 1}.ts`, code })));

beforeAll(async () => {
  await mkdir(FOLDER, { recursive: true });
  for (const { file, code } of examples) await writeFile(join(FOLDER, file), code);
  const settings = { extends: "../../../../tsconfig.base.json", compilerOptions: { noEmit: true }, include: ["*.ts"] };
  await writeFile(join(FOLDER, "tsconfig.json"), JSON.stringify(settings));
});
afterAll(() => rm(FOLDER, { recursive: true, force: true }));

test("the guides are here, with something to try in each", () => {
  const guides = ["write-a-tool", "state-and-idempotency", "cache", "auth", "operate", "from-2025-sessions", "deploy"];
  const names = [...guides, "adapters", "cdk", "cli", "core", "local"];
  for (const name of names) expect(pages.find((page) => page.name === name)?.blocks.length, name).toBeGreaterThan(0);
});

test("every block of TypeScript compiles", { timeout: 120_000 }, async () => {
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const { stdout } = await promisify(execFile)(tsc, ["-p", FOLDER]).catch((error: { stdout: string }) => error);
  expect(stdout).toBe("");
});

test("every package that is published has a page of its own, and takes it along", () => {
  for (const manifest of globSync(["packages/*/package.json", "cdk/package.json"], { cwd: ROOT })) {
    const { private: unpublished, files } = JSON.parse(readFileSync(join(ROOT, manifest), "utf8"));
    if (unpublished) continue;
    expect(pages.map(({ path }) => path)).toContain(
      manifest.replaceAll("\\", "/").replace("package.json", "README.md"),
    );
    expect(files, manifest).toContain("README.md");
  }
});

describe("every block of TypeScript runs", () => {
  test.each(examples.filter(({ name }) => !NOT_RUN.includes(name)))("$file", async ({ file }) => {
    await import(/* @vite-ignore */ pathToFileURL(join(FOLDER, file)).href);
  });
});

describe.each(pages)("$path", ({ path, text }) => {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "");

  test("links to what exists", () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, link = ""]) => link);
    expect(links.filter((link) => !existsSync(join(ROOT, dirname(path), link)))).toEqual([]);
  });

  test("names settings and errors that there are", () => {
    const settings = describeConfig().flatMap(({ variable }) =>
      [...variable.matchAll(/`(\w+)`/g)].map(([, name]) => name),
    );
    const named = [...prose.matchAll(/`((?:STATEFUL_)?MCP_[A-Z_]+)/g)].map(([, name]) => name);
    expect(named.filter((name) => !settings.includes(name))).toEqual([]);
    const codes = [...text.matchAll(/code: "(\w+)"/g)].map(([, code]) => code);
    expect(codes.filter((code) => !Object.keys(ERROR_CODES).includes(code ?? ""))).toEqual([]);
  });
});
