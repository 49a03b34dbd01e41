// Runs one command of a process and turns its end into an exit code. An error becomes one line on stderr.
import type { AppError, ErrorCode } from "@stateful-mcp/core/runtime";
import { printable } from "./printable.ts";

/** The exit codes of every command. */
export const EXIT = { done: 0, failed: 1, usage: 2, unavailable: 3 } as const;

const EXIT_CODES: Partial<Record<ErrorCode, number>> = {
  invalid_input: EXIT.usage,
  unavailable: EXIT.unavailable,
};

/** Ends the process with the command's exit code. Stacks are for those who ask with LOG_LEVEL=debug. */
export async function endWith(command: () => Promise<number>): Promise<never> {
  try {
    process.exit(await command());
  } catch (error) {
    const shown =
      process.env.LOG_LEVEL?.toLowerCase() === "debug" && error instanceof Error ? error.stack : messageOf(error);
    process.stderr.write(`stateful-mcp: ${printable(String(shown))}\n`);
    process.exit((isAppError(error) && EXIT_CODES[error.code]) || EXIT.failed);
  }
}

/** By its name: a module of core that were loaded here would bring all of core into each start. */
const isAppError = (error: unknown): error is AppError => error instanceof Error && error.name === "AppError";

/** The sentence of a thrown value, which may be no Error. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
