// Versions on which a build depends are exact, and the same wherever they are named: what is built today is what is built next year.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
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

test("one range says which Node.js runs the product, and every manifest, check, message and page says the same", async () => {
  const range = manifests.find(({ path }) => path === "packages/cli/package.json")?.engines.node;
  const [, minor22, minor24] = /^\^22\.(\d+)\.0 \|\| >=24\.(\d+)\.0$/.exec(range) ?? [];
  expect([minor22, minor24]).toEqual([expect.any(String), expect.any(String)]);
  const others = manifests.filter(({ engines }) => engines && engines.node !== range);
  // What runs only in a clone also starts on Node.js 20, because bin/ brings the Node.js that it needs; constructs open no file.
  for (const { path, private: isPrivate, engines } of others)
    expect({ path, node: engines.node, allowed: isPrivate === true || path === "cdk/package.json" }).toEqual({
      path,
      node: ">=20",
      allowed: true,
    });
  expect(manifests.filter(({ engines }) => engines?.node === range).length).toBeGreaterThan(10);

  const load = (path: string) => import(pathToFileURL(join(ROOT, path)).href);
  const { runsServer } = await load("bin/workspace.mjs");
  const { unfitNode } = await load("packages/cli/src/version.ts");
  for (const [version, fits] of [
    ["20.20.2", false],
    [`22.${Number(minor22) - 1}.9`, false],
    [`22.${minor22}.0`, true],
    ["23.11.0", false],
    ["24.0.0", false],
    [`24.${Number(minor24) - 1}.9`, false],
    [`24.${minor24}.0`, true],
    ["25.0.0", true],
  ] as const) {
    expect(runsServer(version), version).toBe(fits);
    expect(unfitNode(version) === undefined, version).toBe(fits);
  }
  for (const [major, minor] of [
    [22, minor22],
    [24, minor24],
  ]) {
    const told = named(new RegExp(`\\b${major}\\.(\\d+)(?: or\\s+later|\\))`, "g"));
    expect(told.length).toBeGreaterThan(4);
    expect(told.filter(({ version }) => version !== minor)).toEqual([]);
  }
});
