// Turns the figures of a torture run into a page for the documentation and a table for the terminal.
import os from "node:os";
import { percent } from "./progress.ts";

export interface BarReport {
  readonly bar: string;
  readonly title: string;
  readonly place: "table" | "file";
  readonly scale: "test" | "full";
  readonly operations: number;
  readonly successRatio: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly figures?: readonly string[];
  readonly violations: readonly string[];
  readonly seed: number;
  readonly seconds: number;
}

/** Below this share of successes outside fault windows, a run shows nothing. */
const LEAST_SUCCESS_RATIO = 0.9;

/** A run without operations, or with too few successes, proves nothing: INVALID unless it has found a violation all the same. */
export function judge(report: BarReport): "holds" | "VIOLATED" | "INVALID" {
  if (report.violations.length > 0) return "VIOLATED";
  return report.operations === 0 || report.successRatio < LEAST_SUCCESS_RATIO ? "INVALID" : "holds";
}

const HEADINGS = ["Bar", "Claim", "On", "Scale", "Operations", "Success", "Faults", "Violations", "Seconds", "Verdict"];

function cells(report: BarReport): string[] {
  const faults = Object.entries(report.faults).map(([kind, count]) => `${count} ${kind}`);
  return [
    report.bar,
    report.title,
    report.place,
    report.scale,
    String(report.operations),
    percent(report.successRatio),
    faults.join(", ") || "none",
    String(report.violations.length),
    report.seconds.toFixed(1),
    judge(report),
  ];
}

/** Columns padded with spaces, then every figure and violation in full. */
export function terminalTable(reports: readonly BarReport[]): string {
  const rows = [HEADINGS, ...reports.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [...lines, ...sentences(reports)].join("\n");
}

/** A page with date, seed, machine and figures. */
export function markdownPage(reports: readonly BarReport[], date: Date): string {
  const row = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const seeds = [...new Set(reports.map((report) => report.seed))].join(", ");
  const machine = `${os.cpus().length} cores (${os.cpus()[0]?.model ?? "unknown"}), ${Math.round(os.totalmem() / 2 ** 30)} GiB`;
  return [
    "# Torture report",
    "",
    `${date.toISOString().slice(0, 10)}, seed ${seeds}, ${machine}, ${os.type()}, Node ${process.versions.node}.`,
    `A run in which under ${LEAST_SUCCESS_RATIO * 100} % of the operations outside fault windows succeed is invalid.`,
    "",
    row(HEADINGS),
    row(HEADINGS.map(() => "---")),
    ...reports.map((report) => row(cells(report))),
    ...sentences(reports).map((line) => (line === "" ? line : `- ${line}`)),
    "",
  ].join("\n");
}

function sentences(reports: readonly BarReport[]): string[] {
  const lines = reports.flatMap((report) =>
    [...(report.figures ?? []), ...report.violations].map((sentence) => `${report.bar}: ${sentence}`),
  );
  return lines.length === 0 ? [] : ["", ...lines];
}
