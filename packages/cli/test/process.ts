// Starts the command line in a real process with nothing of this one's environment but what it needs to run.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const TSX = import.meta.resolve("tsx");

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  /** Resolves with the match once stderr has it; throws when the process ends before. */
  logged(pattern: RegExp): Promise<RegExpMatchArray>;
}

export interface StartOptions {
  env?: Record<string, string>;
  cwd?: string;
  nodeArguments?: string[];
}

/** A directory of its own for one test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "stateful-mcp-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

export function start(commandLine: string[], options: StartOptions = {}): Running {
  const cwd = options.cwd ?? temporaryDirectory();
  const child = spawn(process.execPath, ["--import", TSX, ...(options.nodeArguments ?? []), MAIN, ...commandLine], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, MCP_STATE_BACKEND: "memory", ...options.env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return watch(child);
}

export function watch(child: ChildProcessWithoutNullStreams): Running {
  const seen = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      seen[name] += text;
      child.emit("seen");
    });
  }
  child.stdin.on("error", () => {});
  const ended = once(child, "close").then(([code]): Ended => ({ code: code as number | null, ...seen }));
  const logged = async (pattern: RegExp): Promise<RegExpMatchArray> => {
    for (;;) {
      const match = seen.stderr.match(pattern);
      if (match) return match;
      const how = child.exitCode ?? child.signalCode;
      if (how !== null) throw new Error(`ended with ${how} before ${pattern}: ${seen.stderr}`);
      await Promise.race([once(child, "seen"), ended]);
    }
  };
  return { child, ended, logged };
}

/** Runs to the end, with an empty stdin. */
export async function run(commandLine: string[], options: StartOptions = {}): Promise<Ended> {
  const running = start(commandLine, options);
  running.child.stdin.end();
  return await running.ended;
}

/** Starts `serve` on a free port and resolves when it listens. */
export async function startServer(
  commandLine: string[] = [],
  options: StartOptions = {},
): Promise<Running & { url: string }> {
  const running = start(["serve", "--port", "0", ...commandLine], options);
  const [, url] = await running.logged(/"url":"(http:[^"]+)\/mcp"/);
  return { ...running, url: url! };
}

/** Starts a server with the console and with tools whose calls become tasks, and resolves with its address. */
export async function startTasksServer(): Promise<string> {
  const main = fileURLToPath(new URL("console-tasks-server.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", TSX, main], {
    env: { PATH: process.env.PATH, HOME: temporaryDirectory(), MCP_STATE_BACKEND: "memory" },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [, url = ""] = await watch(child).logged(/"url":"(http:[^"]+)\/mcp"/);
  return url;
}
