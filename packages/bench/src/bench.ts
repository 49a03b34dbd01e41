// What every benchmark works with: the processes it starts, the load it sends, and rounds that take the sides in turn.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "./control.ts";
import type { Outcome } from "./outcome.ts";
import type { Target, Work } from "./plan.ts";
import { ratios } from "./statistics.ts";
import { steadyRounds } from "./steady.ts";

export interface Bench {
  readonly id: string;
  readonly title: string;
  run(bench: Bencher): Promise<Outcome[]>;
}

export interface Settings {
  /** Rounds per comparison, at least 5. */
  readonly rounds: number;
  /** Calls per side and round; benchmarks with a store behind them send a fifth. */
  readonly calls: number;
}

/** One side of a comparison: the processes that serve it, the client's target there, and what is called. */
export interface Side {
  readonly name: string;
  readonly servers: readonly Child[];
  readonly target: string;
  /** The work of a run; `run` is a word no other run has, for names of keys. */
  readonly work: (run: string) => Work;
}

/** One value per round each. */
export interface Measured {
  /** Server CPU microseconds per call, summed over its processes. */
  readonly cpu: number[];
  /** Calls per second. */
  readonly rate: number[];
  /** How busy the client was, 0 to 1. */
  readonly clientBusy: number[];
}

/** Enough for a figure that a garbage collection does not move. */
const FLOOR_CALLS = 1_500;

export class Bencher {
  readonly settings: Settings;
  readonly #progress: (text: string) => void;
  readonly #children: Child[] = [];
  readonly #folders: string[] = [];
  #load: Child | undefined;
  #engine: Promise<string> | undefined;
  #targets = 0;
  #floor: Side | undefined;
  /** What the floor cost around the rounds that counted, CPU microseconds per call. */
  readonly floors: number[] = [];
  /** Rounds that did not count because the floor moved. */
  refused = 0;

  constructor(settings: Settings, progress: (text: string) => void) {
    this.settings = settings;
    this.#progress = progress;
  }

  get storeCalls(): number {
    return Math.ceil(this.settings.calls / 5);
  }

  progress(text: string): void {
    this.#progress(text);
  }

  /** Starts a file of `servers/`; it ends with the benchmark. `log` gets what it writes to stderr. */
  start(
    file: string,
    args: readonly string[] = [],
    options: { env?: Record<string, string>; log?: string } = {},
  ): Child {
    const child = new Child(`./servers/${file}`, args, options);
    this.#children.push(child);
    return child;
  }

  /** The shared DynamoDB engine's endpoint. */
  engine(): Promise<string> {
    this.#engine ??= this.startEngine();
    return this.#engine;
  }

  /** An engine of its own, in memory or in a folder. */
  async startEngine(folder?: string): Promise<string> {
    const { port } = await this.start("engine.ts", folder === undefined ? [] : [folder]).ask("ready");
    return `http://127.0.0.1:${port}`;
  }

  /** A side with its connections open; 2025-era ones have done their handshake. */
  async side(
    name: string,
    servers: readonly Child[],
    { work, ...options }: Pick<Target, "era" | "connections"> & Pick<Side, "work">,
  ): Promise<Side> {
    const ports: number[] = [];
    for (const server of servers) ports.push((await server.ask("ready")).port);
    const target = `${this.#targets++}`;
    await this.#client().ask("open", { id: target, ports, ...options });
    return { name, servers, target, work };
  }

  /** Sends the load to one side once. */
  async once(side: Side, calls: number, run: string): Promise<{ cpu: number; rate: number; clientBusy: number }> {
    const before = await cpuOf(side.servers);
    const plan = { target: side.target, calls, work: side.work(`${side.target}-${run}`) };
    const { seconds, clientBusy } = await this.#client().ask("run", plan);
    return { cpu: ((await cpuOf(side.servers)) - before) / calls, rate: calls / seconds, clientBusy };
  }

  /** Warms every side, then measures them in turn, round after round. */
  async inTurn<Sides extends readonly Side[]>(
    calls: number,
    ...sides: Sides
  ): Promise<{ [Index in keyof Sides]: Measured }> {
    const measured = sides.map((): Measured => ({ cpu: [], rate: [], clientBusy: [] }));
    for (const side of sides) {
      this.progress(`warming ${side.name}`);
      await this.once(side, calls * side.servers.length, "warm");
    }
    const rounds = await this.rounds(async (round, say) => {
      const values = [];
      for (const side of sides) {
        say(side.name);
        values.push(await this.once(side, calls, round));
      }
      return values;
    });
    for (const [index, { cpu, rate, clientBusy }] of measured.entries())
      for (const values of rounds) {
        const value = values[index];
        if (value === undefined) throw new Error("a round without a value for each side");
        cpu.push(value.cpu);
        rate.push(value.rate);
        clientBusy.push(value.clientBusy);
      }
    return measured as { [Index in keyof Sides]: Measured };
  }

  /** Runs rounds until enough have counted. Each has a name of its own. @throws Error where the machine is too unsteady. */
  async rounds<T>(one: (round: string, say: (what: string) => void) => Promise<T>): Promise<T[]> {
    const due = this.settings.rounds;
    const { values, floors, refused } = await steadyRounds(
      due,
      () => this.#floorCpu(),
      (attempt, counted) =>
        one(String(attempt), (what) => this.progress(`round ${counted + 1} of ${due} (attempt ${attempt}): ${what}`)),
    );
    this.floors.push(...floors);
    this.refused += refused;
    return values;
  }

  async #floorCpu(): Promise<number> {
    if (this.#floor === undefined) {
      const work = (): Work => ({ kind: "echo" });
      this.#floor = await this.side("floor", [this.start("floor.ts")], { era: "modern", connections: 8, work });
      await this.once(this.#floor, 4 * FLOOR_CALLS, "warm");
    }
    return (await this.once(this.#floor, FLOOR_CALLS, "floor")).cpu;
  }

  /** A folder that is removed with the benchmark's processes. */
  async folder(): Promise<string> {
    const made = await mkdtemp(join(tmpdir(), "stateful-mcp-bench-"));
    this.#folders.push(made);
    return made;
  }

  /** Ends every process this benchmark started. */
  async stop(): Promise<void> {
    await Promise.all(this.#children.splice(0).map((child) => child.stop()));
    for (const made of this.#folders.splice(0)) await rm(made, { recursive: true });
    this.#load = undefined;
    this.#engine = undefined;
    this.#floor = undefined;
  }

  #client(): Child {
    this.#load ??= this.start("../load.ts");
    return this.#load;
  }
}

async function cpuOf(servers: readonly Child[]): Promise<number> {
  let micros = 0;
  for (const server of servers) micros += await server.ask("cpu");
  return micros;
}

/** CPU per call as an outcome: how many times less ours takes. */
export function cpuOutcome(
  measure: string,
  ours: Measured,
  name: string,
  baseline: Measured,
  atLeast?: number,
): Outcome {
  return {
    measure,
    unit: "µs",
    ours: ours.cpu,
    baseline: { name, values: baseline.cpu },
    ratios: ratios(baseline.cpu, ours.cpu),
    ...(atLeast !== undefined && { goal: { of: "ratio", atLeast } }),
  };
}

/** Calls per second as an outcome: how many times more ours serves. Says so where the client was the limit. */
export function rateOutcome(
  measure: string,
  ours: Measured,
  name: string,
  baseline: Measured,
  atLeast?: number,
): Outcome {
  const busy = Math.max(...ours.clientBusy);
  return {
    measure,
    unit: "calls/s",
    ours: ours.rate,
    baseline: { name, values: baseline.rate },
    ratios: ratios(ours.rate, baseline.rate),
    ...(atLeast !== undefined && { goal: { of: "ratio", atLeast } }),
    ...(busy > 0.9 && { note: `the client was ${Math.round(busy * 100)} % busy: it may have set the pace` }),
  };
}
