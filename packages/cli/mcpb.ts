// Packs the built program with its dependencies into one file that Claude Desktop and its like install with a double click.
// The argument is the file to write; default dist/stateful-mcp-<version>.mcpb.
import { execFileSync } from "node:child_process";
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
    entry_point: "dist/main.js",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the host puts the bundle's folder there.
    mcp_config: { command: "node", args: ["${__dirname}/dist/main.js"] },
  },
  // What the tools are follows from the configuration; the host asks the server.
  tools_generated: true,
  compatibility: { platforms: ["darwin", "win32", "linux"], runtimes: { node: engines.node } },
};

// pnpm, which starts this, has put itself and the tools of this package on the path.
const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { stdio: ["ignore", "inherit", "inherit"], shell: process.platform === "win32" });
const parent = mkdtempSync(join(tmpdir(), "mcpb-"));
const folder = join(parent, "bundle");
try {
  // A flat node_modules with the lockfile's versions and no links, which the archive could not hold.
  run(
    "pnpm",
    "--filter",
    name,
    "deploy",
    "--prod",
    "--config.inject-workspace-packages=true",
    "--config.node-linker=hoisted",
    folder,
  );
  writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  run("mcpb", "validate", join(folder, "manifest.json"));
  run("mcpb", "pack", folder, output);
} finally {
  rmSync(parent, { recursive: true, force: true });
}
