// Serves the app, and anew after each change in this folder. `node --watch` would not do: on Linux, up to Node.js 24, it misses each save
// but the first of an editor that writes a new file and renames it.
import { type ChildProcess, spawn } from "node:child_process";
import { type FSWatcher, readdirSync, watch } from "node:fs";
import { join } from "node:path";

const SOURCES = import.meta.dirname;
let watchers: FSWatcher[] = [];
let change: NodeJS.Timeout | undefined;
let server: ChildProcess;
start();

/** Watches first: what is saved from here on is seen, or this server has it. */
function start() {
  const inside = readdirSync(SOURCES, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
  const folders = [SOURCES, ...inside.map(({ parentPath, name }) => join(parentPath, name))];
  stopWatching();
  watchers = folders.map((folder) => watch(folder, changed).on("error", changed));
  const args = [join(SOURCES, "server.ts"), "serve", ...process.argv.slice(2)];
  server = spawn(process.execPath, args, { stdio: "inherit" });
}

/** One save can be several events. */
function changed() {
  clearTimeout(change);
  change = setTimeout(restart, 100);
}

/** The next server starts when this one has ended, which may have ended by itself: of a mistake in the code. */
function restart() {
  if (server.exitCode !== null || server.signalCode !== null) start();
  else server.removeAllListeners("exit").once("exit", start).kill();
}

function stopWatching() {
  for (const watcher of watchers) watcher.close();
}

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    stopWatching();
    clearTimeout(change);
    server.removeAllListeners("exit");
    // A terminal sends Ctrl-C to the server as well, and a second one would end it at once.
    if (signal === "SIGTERM" || !process.stdin.isTTY) server.kill(signal);
  });
