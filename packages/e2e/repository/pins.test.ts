// Versions on which a build depends are exact, and the same wherever they are named: what is built today is what is built next year.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const EXACT = /^\d+\.\d+\.\d+$/;
const files = execFileSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" })
  .split("\0")
  // The emulation of AWS asks a registry whether it is there, and installs nothing by that.
  .filter((path) => path !== "" && !path.startsWith("cdk/emulation/") && !path.endsWith("pnpm-lock.yaml"));
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const named = (pattern: RegExp, among: readonly string[] = files) =>
  among.flatMap((path) => [...read(path).matchAll(pattern)].map(([, version = ""]) => ({ path, version })));
const manifests = files
  .filter((path) => path.endsWith("package.json"))
  .map((path) => ({ path, ...JSON.parse(read(path)) }));

test("pnpm has one exact version in the checks, the images and the docs", () => {
  const found = named(/\bpnpm@([0-9][\w.-]*[\w]|latest|next)/g);
  const [pinned] = found.filter(({ path }) => path === ".ci/run");
  expect(pinned?.version).toMatch(EXACT);
  expect(found.map(({ path }) => path)).toEqual(
    expect.arrayContaining(["packages/cli/Dockerfile", "bin/workspace.mjs"]),
  );
  expect(found.filter(({ version }) => version !== pinned?.version)).toEqual([]);
});

test("every image is built from the Node.js that the workspace is tested with", () => {
  const [{ devDependencies }] = manifests.filter(({ path }) => path === "package.json") as [
    { devDependencies: Record<string, string> },
  ];
  expect(devDependencies.node).toMatch(EXACT);
  const dockerfiles = files.filter((path) => path.endsWith("Dockerfile"));
  expect(dockerfiles).toContain("packages/cli/template/deploy/Dockerfile");
  for (const path of dockerfiles)
    expect(named(/\bnode:(\S+)/g, [path]), path).toEqual([{ path, version: `${devDependencies.node}-slim` }]);
});

test("what a clone serves with is what the command line imports, in the command line's versions", () => {
  const [root] = manifests.filter(({ path }) => path === "package.json");
  const [cli] = manifests.filter(({ path }) => path === "packages/cli/package.json");
  const sources = files.filter((path) => path.startsWith("packages/cli/src/") && !path.endsWith(".test.ts"));
  const imported = named(/(?:from|import\() ?"((?:@[^/"]+\/)?[^@."/][^/"]*)[^"]*"/g, sources)
    .map(({ version }) => version)
    .filter((name) => !name.startsWith("node:"));
  // Taken where it is installed, so no import shows it to TypeScript.
  const wanted = [...new Set([...imported, "@stateful-mcp/local"])].sort();
  expect(root?.dependencies).toEqual(Object.fromEntries(wanted.map((name) => [name, cli?.devDependencies[name]])));
});

test("contributors are told the same Node.js", () => {
  const { devDependencies } = JSON.parse(read("package.json"));
  expect(read(".node-version").trim()).toBe(devDependencies.node);
});

test("the engine for tables on this machine, which a bundle does not hold, has an exact version", () => {
  const versions = manifests.flatMap(({ dependencies, devDependencies, optionalDependencies, peerDependencies }) =>
    [dependencies, devDependencies, optionalDependencies, peerDependencies].flatMap((all) => all?.dynalite ?? []),
  );
  expect(versions.length).toBeGreaterThan(1);
  for (const version of versions) expect(version).toMatch(EXACT);
  expect(new Set(versions).size).toBe(1);
});
