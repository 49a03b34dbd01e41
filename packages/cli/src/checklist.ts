// A list of checks with a mark, a detail and a way to fix each: the form in which both doctors report.
import { styleText } from "node:util";
import { EXIT, messageOf } from "./run.ts";

export interface Check {
  readonly name: string;
  /** Resolves with what was found, for a person. A throw is a failed check. */
  readonly run: () => Promise<string>;
  /** What to do when it fails. */
  readonly fix: string;
  /** Later checks make no sense without it. */
  readonly essential?: true;
}

/** Runs the checks in order and prints one line each. Resolves with the exit code: failed when any check is. */
export async function runChecks(checks: readonly Check[]): Promise<number> {
  let failures = 0;
  for (const { name, run, fix, essential } of checks) {
    const start = performance.now();
    try {
      const detail = await run();
      say(`${mark("green", "✓")} ${name}: ${detail} ${faint(`(${Math.round(performance.now() - start)} ms)`)}`);
    } catch (error) {
      failures++;
      say(`${mark("red", "✗")} ${name}: ${messageOf(error)}\n  → ${fix}`);
      if (essential) {
        say("  The remaining checks need this one.");
        break;
      }
    }
  }
  say(failures === 0 ? "All is well." : `${failures} ${failures === 1 ? "check" : "checks"} failed.`);
  return failures === 0 ? EXIT.done : EXIT.failed;
}

const coloured = () => process.stdout.isTTY && !process.env.NO_COLOR;
const mark = (colour: "green" | "red", text: string) => (coloured() ? styleText(colour, text) : text);
const faint = (text: string) => (coloured() ? styleText("dim", text) : text);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
