// Log lines as a person at a terminal reads them: one short line each. It knows the fields of a call's line; everything else of a
// line stays as it was logged. What it leaves out is in the JSON lines that other readers get.
import type { LogFields } from "@stateful-mcp/core/runtime";
import pretty from "pino-pretty";
import { printable } from "./printable.ts";

/** Of a call's line: the sentence has what matters of them. */
const OF_A_CALL = [
  "transport",
  "era",
  "method",
  "tool",
  "principal_name",
  "client",
  "session",
  "cached",
  "duration_ms",
  "outcome",
  "request_id",
  "trace_id",
  "span_id",
];
const WELL = ["ok", "replayed", "task", "input_required"];

/** Writes lines to `destination`, a file descriptor (stderr by default). */
export const terminalStream = (destination: number | NodeJS.WritableStream = 2): { write(line: string): unknown } => {
  const shown = pretty({
    destination,
    sync: true,
    messageKey: "message",
    timestampKey: "timestamp",
    translateTime: "HH:MM:ss",
    ignore: ["service", "environment", "principal", ...OF_A_CALL].join(","),
    singleLine: true,
    messageFormat: sentence,
  });
  return { write: (line) => shown.write(`${JSON.stringify(JSON.parse(line, plain))}\n`) };
};

/** What programs say of themselves is in the lines of their calls. Only a stack has lines of its own. */
const plain = (name: string, value: unknown): unknown => {
  if (typeof value !== "string") return value;
  return name === "stack" ? printable(value) : printable(value).replaceAll("\n", "\\u000a");
};

/** Such as `add_note ok in 3 ms, session plan, by claude-code`. A call that failed has the id by which its other lines are found. */
export function sentence(line: LogFields, messageKey = "message"): string {
  const message = String(line[messageKey] ?? "");
  if (line.outcome === undefined) return line.request_id === undefined ? message : `${message} (${line.request_id})`;
  return [
    `${line.tool ?? line.method ?? message} ${line.outcome} in ${Math.round(Number(line.duration_ms))} ms`,
    line.session === undefined ? undefined : `session ${line.session}`,
    line.client === undefined ? undefined : `by ${line.client}`,
    line.cached === true ? "cached" : undefined,
    WELL.includes(String(line.outcome)) ? undefined : String(line.request_id ?? ""),
  ]
    .filter((part) => part !== undefined && part !== "")
    .join(", ");
}
