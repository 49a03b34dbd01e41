// `install <client>`: enters this server into a client's configuration. Shows the difference first, writes after a yes, and
// keeps what was there beside the file, so that `--undo` can put it back.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { AppError } from "@stateful-mcp/core/runtime";
import { CLIENTS, type ClientName, configEntry, configPaths, type Launch } from "../install/clients.ts";
import { difference, withEntry } from "../install/edit.ts";
import { withYamlEntry } from "../install/edit-yaml.ts";
import { launchPacked, launchProgram } from "../install/launch.ts";
import { EXIT, messageOf, printable } from "../run.ts";
import { COMMAND } from "../version.ts";

export interface InstallOptions {
  /** The configuration file, where it is not the client's usual one. */
  readonly path?: string;
  /** A packed file to run with npx, in place of this very program. */
  readonly tarball?: string;
  readonly dryRun?: true;
  readonly undo?: true;
  readonly yes?: true;
}

export async function install(name: string | undefined, options: InstallOptions): Promise<number> {
  if (name === undefined)
    throw new AppError("invalid_input", `Name the client to enter this server into: ${CLIENTS.join(", ")}`);
  const client = CLIENTS.find((known) => known === name);
  if (client === undefined) {
    throw new AppError("invalid_input", `${JSON.stringify(name)} is no client known here; use ${CLIENTS.join(", ")}`);
  }
  const file = options.path === undefined ? usualFile(client) : follow(resolve(options.path));
  return options.undo ? await undo(file, options) : await enter(client, file, options);
}

async function enter(client: ClientName, file: string, options: InstallOptions): Promise<number> {
  const before = read(file);
  const after = edited(client, file, before ?? "", configEntry(client, launch(options)));
  if (after === before) return say(`${file} has this server already; nothing to change.`);
  if (!(await agreed(file, before ?? "", after, options))) return refused(options);
  const backup = backupOf(file);
  mkdirSync(dirname(file), { recursive: true });
  const mode = existsSync(file) ? statSync(file).mode & 0o777 : 0o600;
  // An empty backup stands for a file that was not there.
  put(backup, before === undefined ? "" : readFileSync(file), mode);
  put(file, after, mode);
  say(
    before === undefined ? `Written to ${file}, which is new.` : `Written to ${file}; what was there is in ${backup}.`,
  );
  say(`Restart the client. To take it back: ${COMMAND} install ${client} --undo${pathFlag(options)}`);
  return EXIT.done;
}

async function undo(file: string, options: InstallOptions): Promise<number> {
  const backup = backupOf(file);
  const then = read(backup);
  if (then === undefined) {
    throw new AppError("invalid_input", `There is nothing to undo: ${backup} does not exist`);
  }
  // As it can lie in a folder of another's: what it leads to would be shown and put there.
  if (lstatSync(backup).isSymbolicLink())
    throw new AppError("invalid_input", `${backup} is a link, which is none of ours: remove it`);
  if (!(await agreed(file, read(file) ?? "", then, options))) return refused(options);
  if (then === "") rmSync(file, { force: true });
  else put(file, then, statSync(backup).mode & 0o777);
  rmSync(backup);
  return say(then === "" ? `${file} is gone, as before.` : `${file} is as it was before.`);
}

/** Shows what changes, and asks. */
async function agreed(file: string, before: string, after: string, { dryRun, yes }: InstallOptions): Promise<boolean> {
  say(printable(difference(file, before, after).replaceAll("\r\n", "\n").trimEnd()));
  if (dryRun) return false;
  if (yes) return true;
  if (!process.stdin.isTTY) {
    throw new AppError("invalid_input", "Nothing was written: that needs --yes, or a terminal to say yes on");
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question("Write this? [y/N] ");
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

function refused({ dryRun }: InstallOptions): number {
  say("Nothing was written.");
  return dryRun ? EXIT.done : EXIT.failed;
}

function usualFile(client: ClientName): string {
  const paths = configPaths(client, { platform: process.platform, home: homedir(), env: process.env });
  return follow(paths.find((path) => existsSync(dirname(path))) ?? paths.at(-1) ?? "");
}

/** A link is followed, so that it stays one when the file behind it is replaced. */
const follow = (file: string): string => (existsSync(file) ? realpathSync(file) : file);

const backupOf = (file: string): string => `${file}.before-stateful-mcp`;
const pathFlag = ({ path }: InstallOptions): string => (path === undefined ? "" : ` --path ${JSON.stringify(path)}`);

/**
 * The built program; in a clone where none is built, the clone's command line, which needs the tools of no build and starts half a
 * second later. Nothing that must first be published.
 */
function launch({ tarball }: InstallOptions): Launch {
  if (tarball !== undefined) {
    const file = resolve(tarball);
    if (!existsSync(file)) throw new AppError("invalid_input", `There is no file ${file}`);
    return launchPacked(file);
  }
  const main = fileURLToPath(import.meta.url.endsWith(".ts") ? fromClone() : new URL("./main.js", import.meta.url));
  // npx may clear its cache at any time, and the client would find nothing.
  if (/[\\/]_npx[\\/]/.test(main)) {
    throw new AppError(
      "invalid_input",
      "This runs from npx's cache; say with --tarball <file> what the client shall run",
    );
  }
  return launchProgram(main);
}

function fromClone(): URL {
  const built = new URL("../../dist/main.js", import.meta.url);
  return existsSync(built) ? built : new URL("../../../../bin/stateful-mcp", import.meta.url);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new AppError("invalid_input", `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function edited(client: ClientName, file: string, text: string, entry: { path: string[]; value: object }): string {
  try {
    return client === "goose" ? withYamlEntry(text, entry) : withEntry(text, entry);
  } catch (error) {
    throw new AppError("invalid_input", `${file} cannot be changed. ${messageOf(error)}`, { cause: error });
  }
}

/** In one step: a client that reads meanwhile sees the old text or the new one. A link of either name is replaced, not followed. */
function put(file: string, content: string | Buffer, mode: number): void {
  const next = `${file}.${process.pid}.tmp`;
  rmSync(next, { force: true });
  writeFileSync(next, content, { mode, flag: "wx" });
  renameSync(next, file);
}

function say(line: string): number {
  process.stdout.write(`${line}\n`);
  return EXIT.done;
}
