// What a reliability bar is: a claim, the scales it is tried at, and a run that comes back with figures. Each bar is the
// default export of one file in bars/ named after it, such as s1-kill.ts; this file finds and runs them and knows none by name.
import { readdir } from "node:fs/promises";
import { Random } from "@stateful-mcp/rig";
import { type Progress, ProgressLine } from "./progress.ts";
import { type BarReport, judge } from "./report.ts";

export type ScaleName = "test" | "full";

/** Where the state of a run lies: in a table of a DynamoDB engine, or in one SQLite file. */
export type Place = "table" | "file";

export interface BarContext<S> {
  readonly place: Place;
  readonly scale: S;
  readonly random: Random;
  readonly progress: Progress;
}

/** What a run has found. Figures outside fault windows: what fails while a store is down is not counted against it. */
export interface Outcome {
  /** Operations whose answers were checked. */
  readonly operations: number;
  /** 0 to 1: operations that succeeded, of those outside fault windows. */
  readonly successRatio: number;
  /** Faults injected, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** What was measured besides, one sentence each. */
  readonly figures?: readonly string[];
  /** One sentence each; none means that the bar holds. */
  readonly violations: readonly string[];
}

export interface BarDefinition<S> {
  /** As in the table of bars, such as `S1`. */
  readonly id: string;
  /** The claim, in a few words. */
  readonly title: string;
  readonly test: S;
  readonly full: S;
  /** Where it runs. Default: on a table only. */
  readonly places?: readonly Place[];
  run(context: BarContext<S>): Promise<Outcome>;
}

export interface Bar {
  readonly id: string;
  readonly title: string;
  /** At least one; the first one is where it runs unless asked otherwise. */
  readonly places: readonly Place[];
  run(scale: ScaleName, seed: number, place?: Place): Promise<BarReport>;
}

/** Makes a bar of its definition. A run that throws counts as a violation, so that one bar never hides the others. */
export function defineBar<S>({ id, title, places = ["table"], run, ...scales }: BarDefinition<S>): Bar {
  return {
    id,
    title,
    places,
    async run(scale, seed, place = places[0] ?? "table") {
      const progress = new ProgressLine(`${id} ${title}`);
      const started = performance.now();
      const context = { place, scale: scales[scale], random: new Random(seed).fork(id), progress };
      const outcome = await run(context).catch((error: unknown): Outcome => {
        const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
        return { operations: 0, successRatio: 1, faults: {}, violations: [`The run broke off: ${reason}`] };
      });
      const seconds = (performance.now() - started) / 1000;
      const report: BarReport = { bar: id, title, place, scale, seed, seconds, ...outcome };
      progress.end(judge(report));
      return report;
    },
  };
}

/** All bars, in the order of their ids. */
export async function loadBars(): Promise<Bar[]> {
  const folder = new URL("./bars/", import.meta.url);
  const files = (await readdir(folder).catch(() => [])).filter((file) => /^[a-z]\d+[^.]*\.ts$/.test(file));
  const modules: { default: Bar }[] = await Promise.all(files.map((file) => import(new URL(file, folder).href)));
  const byId = new Intl.Collator("en", { numeric: true });
  return modules.map((module) => module.default).sort((a, b) => byId.compare(a.id, b.id));
}
