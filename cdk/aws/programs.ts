// Which programs this machine has, so that a test can say what it misses.
import { execFileSync } from "node:child_process";

/** Undefined, or the reason for a skip. */
export function missing(program: string, args: readonly string[] = ["--version"]): string | undefined {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return undefined;
  } catch {
    return `${program} is not installed`;
  }
}
