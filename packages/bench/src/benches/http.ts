// HTTP benchmarks: our echo, our counter and our local file against the official SDKs, fastmcp and the floor.
import { join } from "node:path";
import { type Bench, type Bencher, cpuOutcome, rateOutcome } from "../bench.ts";
import type { Child } from "../control.ts";
import type { Outcome } from "../outcome.ts";
import type { Work } from "../plan.ts";
import { ratios } from "../statistics.ts";

const echo = (): Work => ({ kind: "echo" });
const increment = (run: string): Work => ({ kind: "increment", run });

export const statelessCpu: Bench = {
  id: "P1",
  title: "stateless call against the official SDK",
  run: (bench) =>
    againstOfficial(bench, "echo", bench.start("ours.ts"), bench.start("official.ts"), bench.settings.calls, echo, 12),
};

export const statelessRate: Bench = {
  id: "P2",
  title: "stateless call against servers of the previous protocol era",
  async run(bench) {
    const legacy = { era: "legacy", connections: 32, work: echo } as const;
    const [ours, sdk1, fastmcp] = await bench.inTurn(
      bench.settings.calls,
      await bench.side("ours", [bench.start("ours.ts")], { era: "modern", connections: 32, work: echo }),
      await bench.side("SDK 1.x", [bench.start("sdk1.ts")], legacy),
      await bench.side("fastmcp", [bench.start("fastmcp.ts")], legacy),
    );
    return [
      rateOutcome("echo: rate, 32 connections", ours, "SDK 1.x", sdk1, 3),
      cpuOutcome("echo: CPU per call, 32 connections", ours, "SDK 1.x", sdk1),
      rateOutcome("echo: rate, 32 connections", ours, "fastmcp", fastmcp),
      cpuOutcome("echo: CPU per call, 32 connections", ours, "fastmcp", fastmcp),
    ];
  },
};

export const floor: Bench = {
  id: "P3",
  title: "share of what Hono can do at all",
  async run(bench) {
    const options = { era: "modern", connections: 32, work: echo } as const;
    const log = join(await bench.folder(), "log");
    const [ours, logging, least] = await bench.inTurn(
      bench.settings.calls,
      await bench.side("ours", [bench.start("ours.ts")], options),
      await bench.side("ours, logging", [bench.start("ours.ts", [], { env: { BENCH_LOG: "on" }, log })], options),
      await bench.side("Hono", [bench.start("floor.ts")], options),
    );
    return [
      cpuOutcome("echo: CPU per call, 32 connections", ours, "Hono, same bytes", least, 0.6),
      cpuOutcome("echo with its log line in a file: CPU per call", logging, "Hono, same bytes", least, 0.5),
      rateOutcome("echo: rate, 32 connections", ours, "Hono, same bytes", least),
    ];
  },
};

export const legacyCpu: Bench = {
  id: "P3b",
  title: "2025-era call within a session against the SDK of that era",
  async run(bench) {
    const legacy = { era: "legacy", connections: 32, work: echo } as const;
    const [ours, sdk1] = await bench.inTurn(
      bench.settings.calls,
      await bench.side("ours", [bench.start("ours.ts")], legacy),
      await bench.side("SDK 1.x", [bench.start("sdk1.ts")], legacy),
    );
    return [cpuOutcome("echo, 2025 era: CPU per call, 32 connections", ours, "SDK 1.x", sdk1, 2)];
  },
};

export const statefulCpu: Bench = {
  id: "P4",
  title: "stateful call against the official SDK with lib-dynamodb",
  async run(bench) {
    const endpoint = await bench.engine();
    const servers = [bench.start("ours.ts", [endpoint]), bench.start("official-dynamodb.ts", [endpoint])] as const;
    return againstOfficial(bench, "counter", ...servers, bench.storeCalls, increment, 5);
  },
};

export const processes: Bench = {
  id: "P8",
  title: "one, two and four processes on one table and on one local file",
  async run(bench) {
    const places = [
      ["table", await bench.engine()],
      ["file", join(await bench.folder(), "state.sqlite")],
    ] as const;
    const outcomes: Outcome[] = [];
    for (const [kind, where] of places) {
      // The counters are shared by all processes, and the client fails the run unless each value from 1 to n came back once.
      const work = (run: string): Work => ({ kind: "increment", run, sharedKeys: 16 });
      const servers: Child[] = [];
      for (let at = 0; at < 4; at++) {
        const server = bench.start("ours.ts", [where]);
        await server.ask("ready");
        servers.push(server);
      }
      const fleet = (size: number) =>
        bench.side(`${size} of our processes`, servers.slice(0, size), { era: "modern", connections: 16, work });
      const [one, two, four] = await bench.inTurn(bench.storeCalls, await fleet(1), await fleet(2), await fleet(4));
      for (const [size, several] of [
        [2, two],
        [4, four],
      ] as const)
        outcomes.push(
          hardlyMore(`shared counters, one ${kind}: CPU per call, ${size} processes`, several, "one process", one),
        );
    }
    return outcomes;
  },
};

/** The calls of P10: what each is, and how many times as many per second as over the engine there should be. */
const LOCAL_CALLS: readonly (readonly [title: string, work: (run: string) => Work, atLeast: number])[] = [
  ["increment_value", increment, 8],
  ["add_note", (run) => ({ kind: "tool", name: "add_note", input: { session_id: run, note: "A note." } }), 2.5],
  ["get_value", () => ({ kind: "tool", name: "get_value", input: { key: "absent" } }), 15],
  ["cached hit", () => ({ kind: "tool", name: "echo_cached", input: { text: "The same text." } }), 25],
];

export const localStore: Bench = {
  id: "P10",
  title: "local file, one connection, every write synced, against an embedded DynamoDB engine",
  async run(bench) {
    const file = bench.start("ours.ts", [join(await bench.folder(), "state.sqlite")]);
    const onEngine = bench.start("ours.ts", [await bench.startEngine(await bench.folder())]);
    const outcomes: Outcome[] = [];
    for (const [title, work, atLeast] of LOCAL_CALLS) {
      const options = { era: "modern", connections: 1, work } as const;
      const [ours, engine] = await bench.inTurn(
        bench.storeCalls,
        await bench.side("ours", [file], options),
        await bench.side("ours on dynalite with LevelDB", [onEngine], options),
      );
      outcomes.push(rateOutcome(`${title}: rate, 1 connection`, ours, "dynalite, LevelDB", engine, atLeast));
    }
    return outcomes;
  },
};

export const journal: Bench = {
  id: "P11",
  title: "calls that leave a record against calls that leave none",
  async run(bench) {
    const endpoint = await bench.engine();
    const outcomes: Outcome[] = [];
    for (const [title, where, calls, work] of [
      ["echo", [], bench.settings.calls, echo],
      ["increment_value on a table", [endpoint], bench.storeCalls, increment],
    ] as const) {
      const options = { era: "modern", connections: 32, work } as const;
      const keeping = bench.start("ours.ts", where, { env: { BENCH_JOURNAL: "on" } });
      const [ours, silent] = await bench.inTurn(
        calls,
        await bench.side("ours, with the journal", [keeping], options),
        await bench.side("ours", [bench.start("ours.ts", where)], options),
      );
      outcomes.push(
        hardlyMore(`${title}: CPU per call that leaves a record, 32 connections`, ours, "no journal", silent),
      );
    }
    return outcomes;
  },
};

interface Cpu {
  readonly cpu: readonly number[];
}

/** CPU per call that may be a tenth more than the baseline's. */
const hardlyMore = (measure: string, ours: Cpu, name: string, baseline: Cpu): Outcome => ({
  measure,
  unit: "µs",
  ours: ours.cpu,
  baseline: { name, values: baseline.cpu },
  ratios: ratios(ours.cpu, baseline.cpu),
  goal: { of: "ratio", atMost: 1.1 },
});

async function againstOfficial(
  bench: Bencher,
  what: string,
  ourServer: Child,
  officialServer: Child,
  calls: number,
  work: (run: string) => Work,
  atLeast: number,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const connections of [1, 32]) {
    const [ours, official] = await bench.inTurn(
      calls,
      await bench.side("ours", [ourServer], { era: "modern", connections, work }),
      await bench.side("official SDK", [officialServer], { era: "modern", connections, work }),
    );
    const where = connections === 1 ? "1 connection" : `${connections} connections`;
    outcomes.push(cpuOutcome(`${what}: CPU per call, ${where}`, ours, "official SDK", official, atLeast));
    outcomes.push(rateOutcome(`${what}: rate, ${where}`, ours, "official SDK", official));
  }
  return outcomes;
}
