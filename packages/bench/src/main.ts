// `pnpm bench`: runs the benchmarks one after the other, shows where it is, and prints one table.
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { type Bench, Bencher, type Settings } from "./bench.ts";
import {
  floor,
  journal,
  legacyCpu,
  localStore,
  processes,
  statefulCpu,
  statelessCpu,
  statelessRate,
} from "./benches/http.ts";
import { coldStart } from "./benches/lambda.ts";
import { memory } from "./benches/memory.ts";
import { stdio } from "./benches/stdio.ts";
import { store } from "./benches/store.ts";
import { met, type Outcome, table } from "./outcome.ts";
import { spread } from "./statistics.ts";

const benches: readonly Bench[] = [
  statelessCpu,
  statelessRate,
  floor,
  legacyCpu,
  statefulCpu,
  store,
  coldStart,
  memory,
  processes,
  stdio,
  localStore,
  journal,
];

/** The whole run ends after this long, also when a part hangs. */
const limitMinutes = 60;

const { only, json, ...settings } = new Command("bench")
  .description("Measures server CPU per call against baselines, in turn in one run, on loopback.")
  .option("--rounds <count>", "rounds per comparison, 5 to 50", bounded(5, 50), 5)
  .option("--calls <count>", "calls per side and round, 100 to 20000", bounded(100, 20_000), 2_000)
  .option("--only <ids>", `some of ${benches.map(({ id }) => id).join(",")}`, chosen)
  .option("--json <file>", "also write every round's values there")
  .parse()
  .opts<Settings & { only?: readonly Bench[]; json?: string }>();

let current: Bencher | undefined;
setTimeout(async () => {
  await current?.stop();
  process.stderr.write(`\nstopped: not done after ${limitMinutes} minutes; use fewer --calls or --rounds\n`);
  process.exit(1);
}, limitMinutes * 60_000).unref();

const results: {
  id: string;
  title: string;
  outcomes: readonly Outcome[];
  floors: readonly number[];
  refused: number;
}[] = [];
const failures: string[] = [];
for (const { id, title, run } of only ?? benches) {
  if (!process.stderr.isTTY) process.stderr.write(`${id} ${title}\n`);
  current = new Bencher(settings, (text) => progress(`${id} ${title}: ${text}`));
  try {
    const outcomes = await run(current);
    results.push({ id, title, outcomes, floors: current.floors, refused: current.refused });
  } catch (error) {
    failures.push(`${id} failed: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await current.stop();
  }
}
progress("");
if (results.length > 0) process.stdout.write(`${table(results)}\n\n${steadiness()}\n`);
for (const failure of failures) process.stderr.write(`${failure}\n`);
process.exitCode = failures.length > 0 ? 1 : 0;

if (json !== undefined) {
  const withVerdict = results.map((result) => ({
    ...result,
    outcomes: result.outcomes.map((outcome) => ({ ...outcome, met: met(outcome) })),
  }));
  const machine = { node: process.version, cpu: cpus()[0]?.model, cpus: cpus().length };
  await writeFile(
    json,
    `${JSON.stringify({ date: new Date().toISOString(), machine, settings, results: withVerdict, failures }, null, 2)}\n`,
  );
}

/** How steady the machine was: the reader judges by it what the figures are worth. */
function steadiness(): string {
  const { median, low, high } = spread(results.flatMap(({ floors }) => floors));
  const refused = results.reduce((sum, result) => sum + result.refused, 0);
  return `Floor around the rounds: ${median.toFixed(0)} µs (${low.toFixed(0)}–${high.toFixed(0)}). Rounds refused because it moved: ${refused}.`;
}

/** One line that replaces itself; only for a terminal. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text.slice(0, process.stderr.columns - 1)}`);
}

function bounded(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

function chosen(text: string): readonly Bench[] {
  return text.split(",").map((id) => {
    const bench = benches.find((candidate) => candidate.id.toUpperCase() === id.trim().toUpperCase());
    if (bench === undefined)
      throw new InvalidArgumentError(`There is no ${id}; choose from ${benches.map((one) => one.id).join(", ")}.`);
    return bench;
  });
}
