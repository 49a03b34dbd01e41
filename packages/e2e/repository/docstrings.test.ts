// Every name that a published package exports says what it is, where an editor shows it: in a comment on its declaration.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { API, type Symbol as Name, SymbolFlags } from "typescript/unstable/sync";
import { afterAll, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PACKAGES = ["packages/core", "packages/adapters", "packages/local", "cdk"];

/** What a package passes on of another's is documented there. */
const isOurs = ({ declarations }: Name): boolean => !declarations.some(({ path }) => path.includes("/node_modules/"));

const compiler = new API({ cwd: ROOT });
afterAll(() => compiler.close());

describe.each(PACKAGES)("%s", (folder) => {
  const manifest = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
  const published: string[] = Object.keys(manifest.publishConfig.exports);
  const entries = published.flatMap((entry) => globSync(manifest.exports[entry], { cwd: join(ROOT, folder) }));

  test("has entries", () => expect(entries.length).toBeGreaterThanOrEqual(published.length));

  test("every exported name has a comment", { timeout: 120_000 }, () => {
    const project = join(ROOT, folder, "tsconfig.json");
    const { checker, program } = compiler.updateSnapshot({ openProjects: [project] }).getProject(project)!;
    const silent = entries.flatMap((entry) => {
      const module = checker.getSymbolAtLocation(program.getSourceFile(join(ROOT, folder, entry))!)!;
      return checker
        .getExportsOfModule(module)
        .map((name) => (name.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(name) : name))
        .filter(isOurs)
        .filter((name) => name.getDocumentationComment(checker) === "")
        .map(({ name }) => `${entry}: ${name}`);
    });
    expect(silent).toEqual([]);
  });
});
