// The torture run: bars at full scale, progress on stderr, the table on stdout, a page on request.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { parseSeed } from "@stateful-mcp/rig";
import { loadBars, type ScaleName } from "./bars.ts";
import { type BarReport, judge, markdownPage, terminalTable } from "./report.ts";

const USAGE = `pnpm torture [--seed N] [--only S1,S2] [--scale test|full] [--out FILE]

  --seed   replays a run's choices; default: a fresh one, which is printed
  --only   runs these bars; default: all
  --scale  default: full
  --out    also writes the report as a Markdown page

Exit codes: 0 every bar holds, 1 one does not or its run is invalid, 2 usage.`;

class UsageError extends Error {}

function parse(args: string[]): {
  seed: number;
  only: string[] | undefined;
  scale: ScaleName;
  out: string | undefined;
} {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({ args, options: { seed: text, only: text, scale: text, out: text } });
    const scale = values.scale ?? "full";
    if (scale !== "test" && scale !== "full") throw new Error(`--scale is test or full; "${scale}" is neither.`);
    return { seed: parseSeed(values.seed), only: values.only?.split(","), scale, out: values.out };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function main(args: string[]): Promise<number> {
  const { seed, only, scale, out } = parse(args);
  const bars = await loadBars();
  const unknown = only?.find((id) => !bars.some((bar) => bar.id === id));
  if (unknown !== undefined) {
    throw new UsageError(`There is no bar "${unknown}"; there are ${bars.map((bar) => bar.id).join(", ") || "none"}.`);
  }
  process.stderr.write(`seed ${seed}\n`);
  const reports: BarReport[] = [];
  for (const bar of bars) if (only?.includes(bar.id) ?? true) reports.push(await bar.run(scale, seed));
  process.stdout.write(`${terminalTable(reports)}\n`);
  if (out !== undefined) await writeFile(out, markdownPage(reports, new Date()));
  return reports.every((report) => judge(report) === "holds") ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}\n`);
  process.exitCode = 2;
}
