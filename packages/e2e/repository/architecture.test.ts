// The architecture as docs/architecture.md describes it, read from the imports of every source file, so that prose cannot drift from code.
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { acrossPackages, circles, offences, readSource, type SourceFile } from "./imports.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const FILE_MAX_LINES = 400;

// Blocks of the docs that another test is running right now are no sources.
const everything = globSync(
  ["{packages/*,cdk,examples/*}/{src,test,test-support,wire,repository,conformance,emulation}/**/*.ts", "bin/*.ts"],
  { cwd: ROOT, exclude: (path) => /node_modules|\/dist\/|docs\.tmp/.test(String(path)) },
)
  .map((path) => path.replaceAll("\\", "/"))
  .sort()
  .map((path) => readSource(ROOT, path));
/** What ships: no tests, no test kits, none of the packages that only measure. */
const product = everything.filter(
  ({ path }) =>
    /^bin\/|\/src\//.test(path) && !/\.test\.ts$|\.d\.ts$|\/testing\/|^packages\/(rig|e2e|torture|bench)\//.test(path),
);
const within = (folder: string) => product.filter(({ path }) => path.startsWith(folder));
const core = within("packages/core/src/");

const mentions = (files: readonly SourceFile[], pattern: RegExp): string[] =>
  files.filter(({ text }) => pattern.test(text)).map(({ path }) => path);

test("the files are found", () => {
  expect(core.length).toBeGreaterThan(30);
  expect(core.flatMap((file) => file.imports)).toContain("packages/core/src/stores/state-store.ts");
});

test("every file that docs/architecture.md names on the way of a call is there", () => {
  const page = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");
  const way = /^## How a call goes$([\s\S]*?)^## /m.exec(page)?.[1] ?? "";
  const named = [...way.matchAll(/`([a-z-]+(?:\/[a-z-]+)+)`/g)].map((match) => match[1] ?? "");
  expect(named).toContain("calls/call-tool");
  const places = named.map((name) =>
    name.startsWith("adapters/") ? `packages/${name.replace("/", "/src/")}.ts` : `packages/core/src/${name}.ts`,
  );
  expect(places.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test.each(globSync("{*.md,docs/**/*.md,packages/*/README.md}", { cwd: ROOT }))(
  "every path of the repository that %s names is there",
  (page) => {
    const named = [
      ...readFileSync(join(ROOT, page), "utf8").matchAll(/`((?:packages|cdk|bin|docs|examples)\/[\w./-]+\.\w+)`/g),
    ];
    // What a build makes is there after it; that its page names the right file, readme.test.ts holds.
    const paths = named.map((match) => match[1] ?? "").filter((path) => !path.includes("/dist/"));
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  },
);

describe("packages depend in one direction", () => {
  const allowed: Record<string, readonly string[]> = {
    core: [],
    local: ["core"],
    // The engine only where a process is put together, and only when it is installed.
    adapters: ["core", "local"],
    cli: ["core", "adapters", "local"],
    // The wire only, and how a token is written.
    agent: ["core/tokens"],
  };
  test.each(Object.entries(allowed))("%s imports of ours only: %j", (name, others) => {
    const files = within(`packages/${name}/src/`);
    expect(files.length).toBeGreaterThan(0);
    expect(
      offences(files, (imported) => {
        if (/^(packages|cdk|bin)\//.test(imported)) return !imported.startsWith(`packages/${name}/`);
        const ours = /^@stateful-mcp\/([^/]+)/.exec(imported)?.[1];
        return (
          imported === "stateful-mcp" ||
          (ours !== undefined && ![name, ...others].some((one) => one === ours || imported === `@stateful-mcp/${one}`))
        );
      }),
    ).toEqual([]);
  });
});

describe("imports", () => {
  const planted = (path: string, ...imports: string[]): SourceFile => ({ path, text: "", imports });

  test("make no circle in any package", () => {
    expect(circles(everything)).toEqual([]);
  });

  test("of a circle are found, however long it is", () => {
    const a = "packages/a/src/a.ts";
    const b = "packages/a/src/b.ts";
    const c = "packages/a/src/c.ts";
    expect(circles([planted(a, b), planted(b, c), planted(c, "zod")])).toEqual([]);
    expect(circles([planted(a, b), planted(b, c), planted(c, a)])).toEqual([`${a} → ${b} → ${c} → ${a}`]);
    expect(circles([planted(a, b), planted(b, b)])).toEqual([`${b} → ${b}`]);
  });

  test("reach another package by its name, never by a path", () => {
    expect(acrossPackages(everything)).toEqual([]);
    const file = planted("packages/cli/test/a.test.ts", "packages/core/src/app.ts", "packages/cli/src/main.ts");
    expect(acrossPackages([file])).toEqual(["packages/cli/test/a.test.ts → packages/core/src/app.ts"]);
  });
});

describe("inside core", () => {
  const folder = (name: string) => `packages/core/src/${name}`;
  /** `state-store.ts` and its like say what a store does; the other files of that folder do it. */
  const isContract = (path: string) => /\/(stores|items)\/[a-z]+-store\.ts$/.test(path);

  test.each([
    ["define", ["builtin/", "calls/", "stores/", "items/", "mcp/", "http/", "app.ts"]],
    ["builtin", ["calls/", "stores/", "mcp/", "http/", "app.ts"]],
    ["calls", ["builtin/", "stores/", "items/", "mcp/", "http/", "app.ts"]],
    ["stores", ["state/", "items/", "define/", "builtin/", "calls/", "mcp/", "http/", "app.ts"]],
    ["items", ["state/", "define/", "builtin/", "calls/", "mcp/", "http/", "app.ts"]],
    ["auth", ["state/", "stores/", "define/", "builtin/", "calls/", "mcp/", "http/", "app.ts"]],
    ["mcp", ["builtin/", "items/", "http/", "app.ts"]],
    ["http", ["builtin/", "stores/", "items/", "app.ts"]],
  ])("%s import nothing from %j", (name, forbidden) => {
    const files = within(folder(`${name}/`));
    expect(files.length).toBeGreaterThan(0);
    expect(
      offences(files, (imported) => !isContract(imported) && forbidden.some((f) => imported.startsWith(folder(f)))),
    ).toEqual([]);
  });

  test("state knows the contracts of stores and no backend, and nobody above it", () => {
    const above = ["items/", "define/", "builtin/", "calls/", "mcp/", "http/", "app.ts"].map(folder);
    expect(
      offences(
        within(folder("state/")),
        (imported) =>
          (imported.startsWith(folder("stores/")) && !isContract(imported)) ||
          above.some((forbidden) => imported.startsWith(forbidden)),
      ),
    ).toEqual([]);
  });

  test("the 2025 era is reached from three files: the folder can go when the era ends", () => {
    const from = core.filter(
      ({ path, imports }) =>
        !path.startsWith(folder("mcp/legacy/")) && imports.some((name) => name.startsWith(folder("mcp/legacy/"))),
    );
    expect(from.map(({ path }) => path)).toEqual(["app.ts", "http/router.ts", "mcp/server.ts"].map(folder));
  });

  test("the AWS SDK is imported only by the stores that speak to AWS", () => {
    const mayImport = /^packages\/core\/src\/(stores\/(dynamodb|s3)|items\/)[a-z0-9-]*\.ts$/;
    expect(offences(core, (name, { path }) => /^@(aws-sdk|smithy)\//.test(name) && !mayImport.test(path))).toEqual([]);
  });

  test("nothing reads the environment or writes to stdout", () => {
    // Where a function's process is composed, there is nobody else to read it.
    const composes = /^packages\/adapters\/src\/(process\/|lambda\/(bind\.ts|entries\/))/;
    const adapters = within("packages/adapters/src/").filter(({ path }) => !composes.test(path));
    expect(mentions([...core, ...adapters], /process\.env\b/)).toEqual([]);
    expect(mentions(core, /\bconsole\.|process\.std(out|err|in)\b/)).toEqual([]);
  });
});

// The grants of setup name the action.
test("only setup, the demo and the embedded engine create tables", () => {
  expect(mentions(product, /(?<!dynamodb:)CreateTable(Command)?\b/)).toEqual([
    "packages/core/src/items/demo-table.ts",
    "packages/core/src/stores/dynamodb-request-types.ts",
    "packages/core/src/stores/dynamodb-sdk.ts",
    "packages/core/src/stores/dynamodb-table.ts",
    "packages/local/src/connect.ts",
  ]);
  // compose.ts runs it for `serve --create-table`, before anything is served.
  expect(mentions(product, /\bsetupTable\(/)).toEqual([
    "packages/adapters/src/process/compose.ts",
    "packages/cli/src/commands/setup.ts",
    "packages/core/src/stores/dynamodb-table.ts",
  ]);
});

test(`no source file is longer than ${FILE_MAX_LINES} lines`, () => {
  const sources = everything.filter(({ path }) => /\/src\//.test(path) && !path.endsWith(".test.ts"));
  const lengths = sources.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
  expect(lengths.filter(({ lines }) => lines > FILE_MAX_LINES)).toEqual([]);
});

test("every source file opens with a sentence that says what it is", () => {
  const opens = /^(#!.*\n)?(\/\/ |\/\*\*)/;
  expect(everything.filter(({ path, text }) => !/\.test\.ts$/.test(path) && !opens.test(text))).toEqual([]);
});
