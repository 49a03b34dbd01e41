// HTTP benchmarks: our echo and our counter against the official SDKs, fastmcp and the bare floor.
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
    againstOfficial(bench, "echo", bench.start("ours.ts"), bench.start("official.ts"), bench.settings.calls, echo),
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
    const options = { era: "modern", connections: 32 } as const;
    const [ours, constant] = await bench.inTurn(
      bench.settings.calls,
      await bench.side("ours", [bench.start("ours.ts")], { ...options, work: echo }),
      await bench.side("Hono constant", [bench.start("constant.ts")], {
        ...options,
        work: () => ({ kind: "constant" }),
      }),
    );
    return [
      cpuOutcome("echo: CPU per call, 32 connections", ours, "Hono constant", constant, 0.5),
      rateOutcome("echo: rate, 32 connections", ours, "Hono constant", constant),
    ];
  },
};

export const statefulCpu: Bench = {
  id: "P4",
  title: "stateful call against the official SDK with lib-dynamodb",
  async run(bench) {
    const endpoint = await bench.engine();
    const servers = [bench.start("ours.ts", [endpoint]), bench.start("official-dynamodb.ts", [endpoint])] as const;
    return againstOfficial(bench, "counter", ...servers, bench.storeCalls, increment);
  },
};

export const processes: Bench = {
  id: "P8",
  title: "one, two and four processes on one table",
  async run(bench) {
    const endpoint = await bench.engine();
    // The counters are shared by all processes, and the client fails the run unless each value from 1 to n came back once.
    const work = (run: string): Work => ({ kind: "increment", run, sharedKeys: 16 });
    const servers = [1, 2, 3, 4].map(() => bench.start("ours.ts", [endpoint]));
    const fleet = (size: number) =>
      bench.side(`${size} of our processes`, servers.slice(0, size), { era: "modern", connections: 16, work });
    const [one, two, four] = await bench.inTurn(bench.storeCalls, await fleet(1), await fleet(2), await fleet(4));
    return [two, four].map((several, index) => ({
      measure: `shared counters: CPU per call, ${[2, 4][index]} processes`,
      unit: "µs",
      ours: several.cpu,
      baseline: { name: "one process", values: one.cpu },
      ratios: ratios(several.cpu, one.cpu),
      goal: { of: "ratio", atMost: 1.1 },
    }));
  },
};

async function againstOfficial(
  bench: Bencher,
  what: string,
  ourServer: Child,
  officialServer: Child,
  calls: number,
  work: (run: string) => Work,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const connections of [1, 32]) {
    const [ours, official] = await bench.inTurn(
      calls,
      await bench.side("ours", [ourServer], { era: "modern", connections, work }),
      await bench.side("official SDK", [officialServer], { era: "modern", connections, work }),
    );
    const where = connections === 1 ? "1 connection" : `${connections} connections`;
    outcomes.push(cpuOutcome(`${what}: CPU per call, ${where}`, ours, "official SDK", official, 4));
    outcomes.push(rateOutcome(`${what}: rate, ${where}`, ours, "official SDK", official));
  }
  return outcomes;
}
