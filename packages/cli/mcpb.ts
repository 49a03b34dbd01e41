// Packs the built program with its dependencies into one file that Claude Desktop and its like install with a double click.
// The argument is the file to write; default dist/stateful-mcp-<version>.mcpb. No `pnpm deploy`: it leaves the workspace
// itself marked as installed without development dependencies, and the next script reinstalls.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

interface Manifest {
  name: string;
  version: string;
  description: string;
  license: string;
  engines: { node: string };
}

const { name, version, description, license, engines } = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
const main = `node_modules/${name}/dist/main.js`;
const output = resolve(process.argv[2] ?? `dist/${name}-${version}.mcpb`);
const manifest = {
  manifest_version: "0.3",
  name,
  display_name: "Stateful MCP",
  version,
  description,
  author: { name: "The stateful-mcp authors" },
  license,
  server: {
    type: "node",
    entry_point: main,
    // The host puts the bundle's folder there.
    mcp_config: { command: "node", args: [`\${__dirname}/${main}`] },
  },
  // What the tools are follows from the configuration; the host asks the server.
  tools_generated: true,
  compatibility: { platforms: ["darwin", "win32", "linux"], runtimes: { node: engines.node } },
};

// pnpm, which starts this, has put itself and the tools of this package on the path. What they print is shown when one fails.
const run = (doing: string, command: string, ...args: string[]) => {
  process.stdout.write(`${doing}\n`);
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: error });
};
const folder = mkdtempSync(join(tmpdir(), "mcpb-"));
try {
  // What npx would install, so that the bundle is the published program and nothing else.
  run("Packing the program", "pnpm", "pack", "--pack-destination", folder);
  const tarball = join(folder, `${name}-${version}.tgz`);
  const flags = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
  run("Installing it, as npx would", "npm", "install", "--prefix", folder, ...flags, tarball);
  rmSync(tarball);
  writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  run("Checking the manifest", "mcpb", "validate", join(folder, "manifest.json"));
  run("Writing the bundle", "mcpb", "pack", folder, output);
  process.stdout.write(`${output}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
