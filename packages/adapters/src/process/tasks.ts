// The open tasks of all callers at a terminal: what an operator asks when a task does not come to its end. Starts and ends none.
import type { App, TaskHead } from "@stateful-mcp/core/runtime";
import { withApp } from "./call.ts";
import type { LoadOptions } from "./environment.ts";
import { EXIT } from "./exit.ts";

const COLUMNS = ["task", "tool", "state", "age", "attempt", "owner", "message"] as const;

/** Prints a line for each task that has not ended, the oldest first. Resolves with the exit code. */
export async function listOpenTasks(app: App, options: LoadOptions = {}): Promise<number> {
  return withApp(app, options, async (running) => {
    const heads: TaskHead[] = [];
    for await (const head of running.openTasks()) heads.push(head);
    if (heads.length === 0) {
      process.stdout.write("No task is open.\n");
      return EXIT.done;
    }
    const now = Date.now();
    const rows = heads
      .toSorted((a, b) => a.createdMs - b.createdMs)
      .map(({ id, tool, status, untilMs, createdMs, attempts, owner, message = "" }) => [
        id,
        tool,
        status === "working" ? workingState(untilMs - now) : "waits for answers",
        duration(now - createdMs),
        String(attempts),
        owner,
        // A tool's own text may hold what a terminal takes for a command.
        message.replace(/\p{C}/gu, " "),
      ]);
    process.stdout.write(`${columns(COLUMNS, rows).join("\n")}\n`);
    return EXIT.done;
  });
}

/** A process that runs a task says so every few seconds, for the next 20; a worker that was sent for is given a minute. */
const workingState = (leftMs: number): string =>
  leftMs > 0 ? `runs (lease ends in ${Math.ceil(leftMs / 1000)} s)` : "waits for a process";

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** A table of texts under their heads, one line each. */
export function columns(heads: readonly string[], body: readonly (readonly string[])[]): string[] {
  const rows = [heads, ...body];
  const widths = heads.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
