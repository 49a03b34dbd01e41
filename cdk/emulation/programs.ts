// Which programs this machine has and lets us run, so that a test can say what it misses.
import { spawnSync } from "node:child_process";

/** Undefined, or the reason for a skip. */
export function missing(program: string, args: readonly string[]): string | undefined {
  const { error, status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (error) return `${program} is not installed`;
  return status === 0 ? undefined : `\`${[program, ...args].join(" ")}\` failed here: ${stderr.trim().slice(0, 300)}`;
}
