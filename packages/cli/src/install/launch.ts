// How a client starts the server: by paths alone, because a host that was started from a desktop has no `node` on its path.
// Looks for files and changes none.
import { existsSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Launch } from "./clients.ts";

/** A program that this Node.js runs. */
export const launchProgram = (main: string, execPath = process.execPath): Launch => ({
  command: execPath,
  args: [main],
});

/**
 * A packed file that npx runs. What npx starts looks for `node` on the path, so the entry brings one. Where npm does not stand
 * beside this Node.js, the client has to find npx by itself.
 */
export function launchPacked(file: string, execPath = process.execPath): Launch {
  const args = ["-y", `file:${file}`];
  const npx = npxBeside(dirname(execPath));
  if (npx === undefined) return { command: "npx", args };
  const path = [dirname(execPath), ...(process.platform === "win32" ? [] : ["/usr/local/bin", "/usr/bin", "/bin"])];
  return { command: execPath, args: [npx, ...args], env: { PATH: path.join(delimiter) } };
}

/** The script of npx, which installers of Node.js put into one of these places. */
function npxBeside(folder: string): string | undefined {
  const usual = ["../lib/node_modules/npm/bin/npx-cli.js", "node_modules/npm/bin/npx-cli.js"];
  const found = usual.map((place) => join(folder, place)).find((place) => existsSync(place));
  if (found !== undefined) return found;
  const link = join(folder, "npx");
  const linked = existsSync(link) ? realpathSync(link) : "";
  return linked.endsWith(".js") ? linked : undefined;
}
