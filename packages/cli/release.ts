// Makes a release: every package as it would be published, the bundle for a double click, the registry's entry, notices and bill of
// materials, and their hashes, in one folder. `--dry-run` ends there; without it the packages are published.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CLI = join(ROOT, "packages/cli");

interface Manifest {
  name: string;
  version: string;
  private?: boolean;
}

const { values } = parseArgs({
  options: {
    "dry-run": { type: "boolean", default: false },
    out: { type: "string", default: join(ROOT, "dist/release") },
  },
});
const dryRun = values["dry-run"];
const out = resolve(values.out);

const read = (path: string): Manifest => JSON.parse(readFileSync(path, "utf8"));
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const run = (cwd: string, command: string, ...args: string[]): void => {
  execFileSync(command, args, { cwd, stdio: ["ignore", "ignore", "inherit"], shell: process.platform === "win32" });
};
const capture = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd: ROOT, encoding: "utf8" }).trim();

const { version } = read(join(CLI, "package.json"));
const manifests = globSync(["packages/*/package.json", "cdk/package.json"], { cwd: ROOT })
  .map((path) => ({ folder: join(ROOT, dirname(path)), ...read(join(ROOT, path)) }))
  .filter((manifest) => !manifest.private)
  // In the order of their names, so that two runs print the same.
  .toSorted((a, b) => a.name.localeCompare(b.name));

const faults = [
  ...manifests
    .filter((one) => one.version !== version)
    .map((one) => `${one.name} is at ${one.version}, not ${version}`),
  ...(read(join(CLI, "server.json")).version === version ? [] : [`server.json is not at ${version}`]),
  ...(readFileSync(join(ROOT, "CHANGELOG.md"), "utf8").includes(`\n## ${version}`)
    ? []
    : [`CHANGELOG.md has no section "## ${version}"`]),
  // A rehearsal may be held at any time.
  ...(dryRun || capture("git", "status", "--porcelain") === "" ? [] : ["the working copy has changes"]),
  ...(dryRun || capture("git", "tag", "--list", `v${version}`) === "" ? [] : [`there is a tag v${version} already`]),
];
if (faults.length > 0) {
  process.stderr.write(`No release: ${faults.join("; ")}\n`);
  process.exit(1);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const { folder } of manifests) run(folder, "pnpm", "pack", "--pack-destination", out);
for (const made of ["THIRD-PARTY-NOTICES.txt", "sbom.cdx.json"]) copyFileSync(join(CLI, "dist", made), join(out, made));
copyFileSync(join(CLI, "server.json"), join(out, "server.json"));
run(CLI, "pnpm", "mcpb", join(out, `stateful-mcp-${version}.mcpb`));
const files = readdirSync(out).toSorted();
const sums = files.map(
  (file) =>
    `${createHash("sha256")
      .update(readFileSync(join(out, file)))
      .digest("hex")}  ${file}\n`,
);
writeFileSync(join(out, "SHA256SUMS"), sums.join(""));
say(`Release ${version} in ${out}:`);
for (const file of [...files, "SHA256SUMS"]) say(`  ${file}`);

for (const { name } of manifests) {
  const tarball = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
  if (dryRun) say(`Would publish ${name} from ${tarball}`);
  else run(out, "npm", "publish", join(out, tarball), "--access", "public");
}
say(
  dryRun
    ? "Nothing was published."
    : `Published. Next: git tag v${version} && git push --tags, attach these files to the release, mcp-publisher publish`,
);
