// What every benchmark works with: the processes it starts, the load it sends, and rounds that take the sides in turn.
import { Child } from "./control.ts";
import type { Outcome } from "./outcome.ts";
import type { Target, Work } from "./plan.ts";
import { ratios } from "./statistics.ts";

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

export class Bencher {
  readonly settings: Settings;
  readonly #progress: (text: string) => void;
  readonly #children: Child[] = [];
  #load: Child | undefined;
  #engine: Promise<string> | undefined;
  #targets = 0;

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

  /** Starts a file of `servers/`; it ends with the benchmark. */
  start(file: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Child {
    const child = new Child(`./servers/${file}`, args, { env });
    this.#children.push(child);
    return child;
  }

  /** The shared DynamoDB engine's endpoint. */
  engine(): Promise<string> {
    this.#engine ??= this.start("engine.ts")
      .ask("ready")
      .then(({ port }) => `http://127.0.0.1:${port}`);
    return this.#engine;
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
    for (let round = 1; round <= this.settings.rounds; round++) {
      for (const [index, side] of sides.entries()) {
        this.progress(`round ${round} of ${this.settings.rounds}: ${side.name}`);
        const { cpu, rate, clientBusy } = await this.once(side, calls, String(round));
        measured[index]?.cpu.push(cpu);
        measured[index]?.rate.push(rate);
        measured[index]?.clientBusy.push(clientBusy);
      }
    }
    return measured as { [Index in keyof Sides]: Measured };
  }

  /** Ends every process this benchmark started. */
  async stop(): Promise<void> {
    await Promise.all(this.#children.splice(0).map((child) => child.stop()));
    this.#load = undefined;
    this.#engine = undefined;
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
