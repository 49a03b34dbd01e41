// A list of checks with a mark, a detail and a way to fix each: the form in which both doctors report.
import { styleText } from "node:util";
import { AppError } from "@stateful-mcp/core/runtime";
import { EXIT, messageOf, printable } from "./run.ts";

export interface Check {
  readonly name: string;
  /** Resolves with what was found, for a person. A throw is a failed check. */
  readonly run: () => Promise<string>;
  /** What to do when it fails. */
  readonly fix: string;
  /** Later checks would fail for the same reason. */
  readonly essential?: true;
}

/** How a check went, as `--json` prints it. */
interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly fix?: string;
  readonly milliseconds: number;
}

export interface ReportOptions {
  /** One JSON document in place of lines for a person. */
  readonly json?: true;
}

/**
 * Runs the checks in order and reports each. Resolves with the exit code: that of the first failure, 2 for a setting, 3 for a
 * service that cannot be reached, else 1.
 */
export async function runChecks(checks: readonly Check[], { json }: ReportOptions = {}): Promise<number> {
  const outcomes: Outcome[] = [];
  let code: number = EXIT.done;
  for (const check of checks) {
    const start = performance.now();
    const passed = (): number => Math.round(performance.now() - start);
    const { name } = check;
    try {
      outcomes.push({ name, ok: true, detail: await check.run(), milliseconds: passed() });
    } catch (error) {
      const cause = causeOf(error, check.fix);
      outcomes.push({ name, ok: false, ...cause, milliseconds: passed() });
      if (code === EXIT.done) code = exitCodeOf(error);
    }
    const last = outcomes.at(-1);
    if (!json && last) say(lineOf(last));
    if (last?.ok !== false || !check.essential) continue;
    if (!json && check !== checks.at(-1)) say("  The remaining checks need this one.");
    break;
  }
  const failures = outcomes.filter(({ ok }) => !ok).length;
  if (json) say(printable(JSON.stringify({ ok: failures === 0, checks: outcomes }, null, 2)));
  else say(failures === 0 ? "All is well." : `${failures} ${failures === 1 ? "check" : "checks"} failed.`);
  return code;
}

function exitCodeOf(error: unknown): number {
  if (!(error instanceof AppError)) return EXIT.failed;
  if (error.code === "invalid_input") return EXIT.usage;
  return error.code === "unavailable" ? EXIT.unavailable : EXIT.failed;
}

/** Codes of Node.js for an address that does not answer. */
const UNREACHABLE = /^(ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/;

/** What really failed stands behind the message for callers, in the causes; a denial has one remedy for every action. */
function causeOf(error: unknown, fix: string): { detail: string; fix: string } {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    if (error !== cause && UNREACHABLE.test(code))
      return {
        detail: messageOf(error),
        fix: "Nothing answers there: check the network, AWS_REGION and DYNAMODB_ENDPOINT_URL",
      };
    const [, action] = /not authorized to perform: (\w+:\w+)/.exec(cause.message) ?? [];
    if (action)
      return {
        detail: `these credentials may not do ${action}`,
        fix: `Allow ${action} on the table; \`stateful-mcp iam-policy\` prints all that serving needs`,
      };
  }
  return { detail: messageOf(error), fix };
}

const lineOf = ({ name, ok, detail, fix, milliseconds }: Outcome): string =>
  ok
    ? `${mark("green", "✓")} ${name}: ${printable(detail)} ${faint(`(${milliseconds} ms)`)}`
    : `${mark("red", "✗")} ${name}: ${printable(detail)}\n  → ${fix}`;

const coloured = () => process.stdout.isTTY && !process.env.NO_COLOR;
const mark = (colour: "green" | "red", text: string) => (coloured() ? styleText(colour, text) : text);
const faint = (text: string) => (coloured() ? styleText("dim", text) : text);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
