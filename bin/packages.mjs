// Builds or packs packages of this workspace, one after another: `build <names>`, or `pack --to <folder> <names>`. It shows a line for
// each; what its tools print is shown only when one fails. It knows no package. pnpm is on the path, because pnpm starts it.
import { spawnSync } from "node:child_process";
import { relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./workspace.mjs";

const { positionals, values } = parseArgs({ allowPositionals: true, options: { to: { type: "string" } } });
const [what, ...names] = positionals;
const packs = what === "pack";
const words = packs ? ["pack", "--pack-destination", resolve(values.to)] : ["run", "build"];
for (const [index, name] of names.entries()) {
  process.stdout.write(`${packs ? "Packing" : "Building"} ${name}, ${index + 1} of ${names.length}`);
  const { status, stdout, stderr, error } = spawnSync("pnpm", ["--filter", name, ...words], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    process.stdout.write(": it failed. What it printed:\n\n");
    process.stderr.write(`${stdout ?? ""}${stderr ?? ""}${error ? `${error.message}\n` : ""}`);
    process.exit(status ?? 1);
  }
  // The last line that pnpm prints is the file's path.
  process.stdout.write(packs ? `: ${relative(process.cwd(), stdout.trim().split("\n").at(-1))}\n` : "\n");
}
