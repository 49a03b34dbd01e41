// The architecture as the README describes it, read from the imports of every source file, so that prose cannot drift from code.
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const FILE_MAX_LINES = 400;

interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Package names as written, and paths from the root for relative imports; types and dynamic imports included. */
  readonly imports: readonly string[];
}

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g;

function read(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), "utf8");
  const imports = [...text.matchAll(IMPORT)].map(([, name = ""]) =>
    name.startsWith(".") ? relative(ROOT, join(ROOT, dirname(path), name)).replaceAll("\\", "/") : name,
  );
  return { path, text, imports };
}

const everything = globSync(["{packages/*,cdk,examples/*}/src/**/*.ts", "bin/*.ts"], { cwd: ROOT })
  .map((path) => path.replaceAll("\\", "/"))
  .sort()
  .map(read);
/** What ships: no tests, no test kits, none of the packages that only measure. */
const product = everything.filter(
  ({ path }) => !/\.test\.ts$|\.d\.ts$|\/testing\/|^packages\/(torture|bench)\//.test(path),
);
const within = (folder: string) => product.filter(({ path }) => path.startsWith(folder));
const core = within("packages/core/src/");

/** `file → import` for every import that must not be there. */
const offences = (files: readonly SourceFile[], forbidden: (name: string, file: SourceFile) => boolean): string[] =>
  files.flatMap((file) => file.imports.filter((name) => forbidden(name, file)).map((name) => `${file.path} → ${name}`));

const mentions = (files: readonly SourceFile[], pattern: RegExp): string[] =>
  files.filter(({ text }) => pattern.test(text)).map(({ path }) => path);

test("the files are found", () => {
  expect(core.length).toBeGreaterThan(30);
  expect(core.flatMap((file) => file.imports)).toContain("packages/core/src/stores/state-store.ts");
});

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
    "packages/core/src/stores/dynamodb-client.ts",
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
  const sources = everything.filter(({ path }) => !path.endsWith(".test.ts"));
  const lengths = sources.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
  expect(lengths.filter(({ lines }) => lines > FILE_MAX_LINES)).toEqual([]);
});

test("every source file opens with a sentence that says what it is", () => {
  const opens = /^(#!.*\n)?(\/\/ |\/\*\*)/;
  expect(everything.filter(({ path, text }) => !/\.test\.ts$/.test(path) && !opens.test(text))).toEqual([]);
});
