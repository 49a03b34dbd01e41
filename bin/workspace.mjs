// What the commands of a clone need before they can run: packages, in two sizes, and a Node.js that is recent enough. It runs on
// Node.js 20 with nothing installed, so it uses Node's own modules only. It knows no command.
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const PNPM = "pnpm@10.34.9";
export const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MODULES = join(ROOT, "node_modules");
const LOCKFILE = join(ROOT, "pnpm-lock.yaml");
/** The lockfile as it was when pnpm last installed everything. */
const INSTALLED = join(MODULES, ".pnpm/lock.yaml");
/** The lockfile as it was when what serves was installed. */
const SERVES = join(MODULES, ".serves.lock.yaml");
/**
 * A Node.js for serving, where the one that runs does not do and the tools, which bring one, are not installed. It stays when they are:
 * the configuration of a client may name it.
 */
const OWN_NODE = join(MODULES, ".node");

/** `serve`: the root's `dependencies` and theirs. `all`: also what tests, builds and deploys. */
const SIZES = {
  serve: ["--prod", "--filter-prod", "stateful-mcp-workspace..."],
  all: ["--prod=false"],
};

/**
 * Installs what is missing; does nothing where it is there. A clone that has everything keeps everything.
 * Writes to stderr alone, because over stdio stdout belongs to the protocol.
 */
export function install(size) {
  const locked = readFileSync(LOCKFILE, "utf8");
  const installed = (file) => existsSync(file) && readFileSync(file, "utf8") === locked;
  if (installed(INSTALLED) || (size === "serve" && installed(SERVES))) return;

  const wanted = existsSync(join(MODULES, "vitest")) ? "all" : size;
  say(
    `installing ${wanted === "serve" ? "what the server needs: about 75 MB" : "the tools as well: about 850 MB"} (once)`,
  );
  run("npx", ["-y", PNPM, "install", "--frozen-lockfile", "--prefer-offline", "--loglevel=error", ...SIZES[wanted]]);
  if (wanted === "serve") {
    // Else pnpm takes this for a whole installation, and its scripts do not find their tools.
    rmSync(join(MODULES, ".pnpm-workspace-state-v1.json"), { force: true });
    copyFileSync(LOCKFILE, SERVES);
  }
}

/** The path of a Node.js that runs the product: this one, or the pinned one. */
export const recentNode = () => (runsServer(process.versions.node) ? process.execPath : pinnedNode());

/**
 * Whether a Node.js of this version runs the product: a test holds this to `engines` in packages/cli/package.json.
 * Others have no SQLite, or an SQLite before 3.51.3, which can damage a file that several processes use.
 */
export function runsServer(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return (major === 22 && minor >= 23) || (major === 24 && minor >= 15) || major > 24;
}

/** The path of the Node.js that the workspace is tested with. */
export function pinnedNode() {
  const system = process.platform === "win32" ? "win" : process.platform;
  const file = process.platform === "win32" ? "node.exe" : "node";
  // The package `node` of the tools brings this one, and runs a script to put it in place.
  const name = `node-${system}-${process.arch}`;
  const withTools = join(MODULES, "node", "bin", file);
  const alone = join(OWN_NODE, "node_modules", name, "bin", file);
  if (existsSync(withTools)) return withTools;
  if (!existsSync(alone)) {
    const { node } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).devDependencies;
    say(`installing Node.js ${node}, because ${process.version} does not run the server (once)`);
    run("npm", ["install", "--silent", "--no-audit", "--no-fund", "--prefix", OWN_NODE, `${name}@${node}`]);
  }
  return alone;
}

/**
 * Ends this process, as SIGTERM does, when the npm that started it is gone: the shell between them hands no signal on.
 */
export function endWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const { ppid } = process;
  const timer = setInterval(() => {
    if (process.ppid === ppid) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, 500);
  timer.unref();
}

function say(text) {
  process.stderr.write(`stateful-mcp: ${text}\n`);
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status === 0) return;
  say(`\`${command} ${args.join(" ")}\` failed${error ? `: ${error.message}` : ""}. Its reason is above.`);
  process.exit(1);
}

/** Runs pnpm in this process's place. */
export const becomePnpm = (args, options) => become("npx", ["-y", PNPM, ...args], { ...options, shell: true });

/** Runs a program in this process's place: same terminal, same signals, same exit code. `shell`: where Windows finds it only through one. */
export function become(program, args, { cwd = process.cwd(), shell = false } = {}) {
  const path = [join(MODULES, ".bin"), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH: path };
  const child = spawn(program, args, { cwd, stdio: "inherit", env, shell: shell && process.platform === "win32" });
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  process.on("SIGHUP", () => child.kill("SIGHUP"));
  // A terminal sends Ctrl-C to the child as well; a second one would end it at once.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of ["SIGTERM", "SIGHUP", "SIGINT"]) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}
