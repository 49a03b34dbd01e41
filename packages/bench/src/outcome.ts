// What a benchmark found, whether that meets the goal, and the table people read.
import { spread } from "./statistics.ts";

export interface Outcome {
  /** The measure, in words. */
  readonly measure: string;
  readonly unit: Unit;
  /** One value per round. */
  readonly ours: readonly number[];
  /** What ours is compared with; absent where the goal is about ours alone. */
  readonly baseline?: { readonly name: string; readonly values: readonly number[] };
  /** One value per round, greater is better unless the goal says `atMost`. */
  readonly ratios?: readonly number[];
  readonly goal?: Goal;
  readonly note?: string;
}

export type Unit = "µs" | "calls/s" | "ms" | "KiB" | "MiB";

/** About the median of the ratios, or of our own values. */
export type Goal = { readonly of: "ratio" | "ours" } & ({ readonly atLeast: number } | { readonly atMost: number });

/** Whether the goal is met; undefined without a goal. */
export function met(outcome: Outcome): boolean | undefined {
  const { goal } = outcome;
  if (goal === undefined) return undefined;
  const values = goal.of === "ratio" ? outcome.ratios : outcome.ours;
  if (values === undefined) throw new Error(`"${outcome.measure}" has a goal about a ratio and no ratio`);
  const { median } = spread(values);
  return "atLeast" in goal ? median >= goal.atLeast : median <= goal.atMost;
}

const headings = ["", "measure", "ours", "baseline", "ratio (rounds)", "goal", "met"];

/** The table, column by column as wide as it must be; notes stand below. */
export function table(results: readonly { id: string; outcomes: readonly Outcome[] }[]): string {
  const rows = [headings];
  const notes: string[] = [];
  for (const { id, outcomes } of results) {
    outcomes.forEach((outcome, index) => {
      rows.push([index === 0 ? id : "", ...cells(outcome)]);
      if (outcome.note !== undefined) notes.push(`${id} ${outcome.measure}: ${outcome.note}`);
    });
  }
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  const [head = [], ...body] = rows;
  return [line(head), rule, ...body.map(line), ...(notes.length > 0 ? ["", ...notes] : [])].join("\n");
}

function cells(outcome: Outcome): string[] {
  const { unit, ours, baseline, goal } = outcome;
  const isMet = met(outcome);
  return [
    outcome.measure,
    amount(spread(ours).median, unit),
    baseline === undefined ? "" : `${amount(spread(baseline.values).median, unit)} ${baseline.name}`,
    outcome.ratios === undefined ? "" : ratioText(outcome.ratios),
    goal === undefined ? "" : goalText(goal, unit),
    isMet === undefined ? "" : isMet ? "yes" : "no",
  ];
}

function amount(value: number, unit: Unit): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}

function ratioText(values: readonly number[]): string {
  const { median, low, high } = spread(values);
  return `${median.toFixed(2)}× (${low.toFixed(2)}–${high.toFixed(2)})`;
}

function goalText(goal: Goal, unit: Unit): string {
  const [sign, bound] = "atLeast" in goal ? ["≥", goal.atLeast] : ["≤", goal.atMost];
  return goal.of === "ratio" ? `${sign} ${bound}×` : `${sign} ${bound} ${unit}`;
}
