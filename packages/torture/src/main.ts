// The torture run: bars at full scale, progress on stderr, the table on stdout, a page on request.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { parseSeed } from "@stateful-mcp/rig";
import { loadBars, type Place, type ScaleName } from "./bars.ts";
import { type BarReport, judge, markdownPage, terminalTable } from "./report.ts";

const USAGE = `pnpm torture [--seed N] [--only S1,S2] [--scale test|full] [--on table|file] [--out FILE]

  --seed   replays a run's choices; default: a fresh one, which is printed
  --only   runs these bars; default: all
  --scale  default: full
  --on     bars that run there, there; default: each where it runs first, which is a table except for bars of the file alone
  --out    also writes the report as a Markdown page

Exit codes: 0 every bar holds, 1 one does not or its run is invalid, 2 usage.`;

class UsageError extends Error {}

function parse(args: string[]): {
  seed: number;
  only: string[] | undefined;
  scale: ScaleName;
  on: Place | undefined;
  out: string | undefined;
} {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({ args, options: { seed: text, only: text, scale: text, on: text, out: text } });
    const scale = values.scale ?? "full";
    if (scale !== "test" && scale !== "full") throw new Error(`--scale is test or full; "${scale}" is neither.`);
    const { on } = values;
    if (on !== undefined && on !== "table" && on !== "file")
      throw new Error(`--on is table or file; "${on}" is neither.`);
    return { seed: parseSeed(values.seed), only: values.only?.split(","), scale, on, out: values.out };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function main(args: string[]): Promise<number> {
  const { seed, only, scale, on, out } = parse(args);
  const bars = await loadBars();
  const unknown = only?.find((id) => !bars.some((bar) => bar.id === id));
  if (unknown !== undefined) {
    throw new UsageError(`There is no bar "${unknown}"; there are ${bars.map((bar) => bar.id).join(", ") || "none"}.`);
  }
  process.stderr.write(`seed ${seed}\n`);
  const reports: BarReport[] = [];
  const asked = bars.filter(
    ({ id, places }) => (only?.includes(id) ?? true) && (on === undefined || places.includes(on)),
  );
  for (const bar of asked) reports.push(await bar.run(scale, seed, on));
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
