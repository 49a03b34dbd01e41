// `pnpm mutations`: takes out one protective condition after the other, in a copy of the sources, and runs the tests that should
// notice. Exits with 1 when a condition can go without any of them failing.
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { MUTATIONS as LIST, type Mutation } from "./mutation-list.ts";
import { BOUND_MUTATIONS } from "./mutation-list-bounds.ts";
import { MEMORY_MUTATIONS } from "./mutation-list-memory.ts";
import { TASK_MUTATIONS } from "./mutation-list-tasks.ts";

const MUTATIONS: readonly Mutation[] = [...LIST, ...MEMORY_MUTATIONS, ...BOUND_MUTATIONS, ...TASK_MUTATIONS];

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PACKAGES = ["core", "adapters"].map((name) => join("packages", name));
const VITEST = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
/** Of the store contract what is about conditions, on the engine that every machine has: its load and bounds would only take time. */
const STORE_CONDITIONS =
  "on dynalite keeps the store contract.* (preconditions|creations|increments|operations|forgetting|tombstones)";
/** A run that takes longer hangs, which is a way to notice. */
const RUN_MS = 180_000;

interface Outcome {
  readonly passed: boolean;
  /** The first test that failed. */
  readonly noticedBy: string;
}

interface JsonReport {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

const sourcesOf = ({ package: name = "core" }: Pick<Mutation, "package">): string => join("packages", name, "src");
const testsOf = (mutation: Mutation): string[] => mutation.tests.map((test) => join(sourcesOf(mutation), test));

const isStoreTest = (test: string): boolean => test.startsWith(join(sourcesOf({}), "stores"));

/** The sources with everything they need to run their tests; dependencies are linked, not copied. */
async function copyOfSources(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "mutations-"));
  const isSource = (path: string) => !path.includes("node_modules") && !path.endsWith("dist");
  for (const place of PACKAGES) await cp(join(ROOT, place), join(copy, place), { recursive: true, filter: isSource });
  for (const name of [".config", "package.json", "tsconfig.base.json"])
    await cp(join(ROOT, name), join(copy, name), { recursive: true });
  for (const place of [".", ...PACKAGES])
    await symlink(join(ROOT, place, "node_modules"), join(copy, place, "node_modules"));
  return copy;
}

async function runTests(copy: string, tests: readonly string[]): Promise<Outcome> {
  const output = join(copy, "report.json");
  await rm(output, { force: true });
  const config = join(copy, ".config", "vitest.config.ts");
  const named = tests.every(isStoreTest) ? ["-t", STORE_CONDITIONS] : [];
  const report = ["--bail", "1", "--reporter", "json", "--outputFile", output];
  const child = spawn(process.execPath, [VITEST, "run", "--config", config, ...report, ...named, ...tests], {
    cwd: copy,
    stdio: "ignore",
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), RUN_MS);
  await new Promise<void>((resolve, reject) => child.once("error", reject).once("close", () => resolve()));
  clearTimeout(timer);
  const text = await readFile(output, "utf8").catch(() => undefined);
  if (text === undefined) return { passed: false, noticedBy: "a run that did not end" };
  const { success, numPassedTests, testResults } = JSON.parse(text) as JsonReport;
  if (success && numPassedTests === 0) throw new Error(`No test of ${tests.join(", ")} was run.`);
  const failed = testResults.flatMap((file) => file.assertionResults).find(({ status }) => status === "failed");
  const why = testResults.find(({ message }) => message)?.message.split("\n")[0];
  return { passed: success, noticedBy: failed?.fullName.trim() ?? why ?? "a run that failed as a whole" };
}

async function runMutated(copy: string, mutation: Mutation): Promise<Outcome> {
  const path = join(copy, sourcesOf(mutation), mutation.file);
  const source = await readFile(path, "utf8");
  const parts = source.split(mutation.from);
  if (parts.length !== 2)
    throw new Error(`"${mutation.name}": its text stands ${parts.length - 1} times in ${mutation.file}, not once.`);
  await writeFile(path, parts.join(mutation.to));
  try {
    return await runTests(copy, testsOf(mutation));
  } finally {
    await writeFile(path, source);
  }
}

async function main(only: string | undefined): Promise<number> {
  const mutations = MUTATIONS.filter(({ name }) => name.includes(only ?? ""));
  if (mutations.length === 0) {
    process.stderr.write(`No condition's name contains ${JSON.stringify(only)}.\n`);
    return 2;
  }
  const copy = await copyOfSources();
  try {
    process.stderr.write("running the tests with every condition in place\n");
    const byStore = (store: boolean) =>
      [...new Set(mutations.flatMap(testsOf))].filter((test) => isStoreTest(test) === store);
    for (const tests of [byStore(true), byStore(false)]) {
      if (tests.length === 0) continue;
      const { passed, noticedBy } = await runTests(copy, tests);
      if (passed) continue;
      process.stderr.write(`Nothing can be shown: this fails already: ${noticedBy}\n`);
      return 1;
    }
    const lines: string[] = [];
    let survived = 0;
    for (const [index, mutation] of mutations.entries()) {
      process.stderr.write(`${index + 1}/${mutations.length}  without: ${mutation.name} … `);
      const { passed, noticedBy } = await runMutated(copy, mutation);
      if (passed) survived += 1;
      process.stderr.write(passed ? "SURVIVED\n" : "noticed\n");
      lines.push(`${mutation.name.padEnd(80)} ${passed ? "SURVIVED" : `noticed by: ${noticedBy}`}`);
    }
    process.stdout.write(`${lines.join("\n")}\n\n${mutations.length - survived} of ${mutations.length} noticed\n`);
    return survived === 0 ? 0 : 1;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv[2]);
