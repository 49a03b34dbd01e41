// The newest calls of all processes at a terminal, from the journal in the configured table. Writes nothing.
import { type App, AppError, type CallFilter } from "@stateful-mcp/core/runtime";
import { withApp } from "./call.ts";
import type { LoadOptions } from "./environment.ts";
import { EXIT } from "./exit.ts";
import { printable } from "./printable.ts";
import { columns } from "./tasks.ts";

/** Which calls to print, as words of a command line. */
export interface CallWords extends LoadOptions {
  tool?: string;
  outcome?: string;
  client?: string;
  principal?: string;
  request?: string;
  slowerThan?: string;
  limit?: string;
  json?: true;
}

const HEAD = ["time (UTC)", "call", "outcome", "ms", "client", "principal", "session", "request", "process"] as const;

/** Prints a line for each call, the newest first. Resolves with the exit code. @throws AppError `invalid_input` */
export async function listCalls(app: App, words: CallWords = {}): Promise<number> {
  const { tool, outcome, client, principal, request: requestId, json } = words;
  const filter: CallFilter = {
    ...{ tool, outcome, client, principal, requestId },
    slowerThanMs: numberOf("--slower-than", words.slowerThan, 86_400_000),
    limit: numberOf("--limit", words.limit, 500) ?? 50,
  };
  return withApp(app, words, async ({ journal }) => {
    const { calls, searched } = await journal.calls(filter);
    if (json) for (const call of calls) process.stdout.write(`${printable(JSON.stringify(call))}\n`);
    else if (calls.length === 0)
      process.stdout.write(
        searched > 0
          ? `None of ${searched} calls matches.\n`
          : "No call is in the journal: it holds those of the last 24 hours, where STATEFUL_MCP_JOURNAL is calls.\n",
      );
    else
      process.stdout.write(
        `${columns(
          HEAD,
          calls.map((call) => [
            new Date(call.at).toISOString().slice(0, 19).replace("T", " "),
            call.tool || call.method || "?",
            call.cached ? `${call.outcome}, cached` : call.outcome,
            String(Math.round(call.durationMs)),
            ...[call.client, call.principalName, call.session].map((text) => shown(text) || "-"),
            call.requestIdPrefix,
            call.label,
          ]),
        ).join("\n")}\n`,
      );
    return EXIT.done;
  });
}

/** What programs say of themselves may hold what a terminal takes for a command. */
const shown = (text: string): string => printable(text.replace(/\s/g, " ")).slice(0, 40);

function numberOf(flag: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new AppError("invalid_input", `${flag}: ${JSON.stringify(text)} is no whole number from 1 to ${max}`);
}
