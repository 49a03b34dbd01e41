// What a server holds in memory at most under load, and what a session leaves there once it has been used: ours against a transport per
// session.
import { randomBytes } from "node:crypto";
import type { Bench, Bencher, Side } from "../bench.ts";
import type { Outcome } from "../outcome.ts";

/** Principals our sessions are spread over, because one principal may have only so many. */
const principals = 25;

export const memory: Bench = {
  id: "P7",
  title: "memory: peak under load, and per 10,000 sessions touched",
  async run(bench) {
    const tokens = Array.from({ length: principals }, () => randomBytes(32).toString("base64url"));
    const table = tokens.map((token, index) => `p${index}=${token}`).join(",");
    const ours = await bench.side("ours", [bench.start("ours.ts", [await bench.engine(), table])], {
      era: "modern",
      connections: 8,
      work: (run) => ({ kind: "sessions", run, tokens }),
    });
    const sdk1 = await bench.side("SDK 1.x", [bench.start("sdk1.ts")], {
      era: "legacy",
      connections: 8,
      work: (run) => ({ kind: "sessions", run }),
    });
    for (const side of [ours, sdk1]) await bench.once(side, Math.ceil(bench.storeCalls / 4), "warm");
    const rounds = await bench.rounds(async (round, say) => {
      say("sessions");
      return [
        await growth(bench, ours, bench.storeCalls, round),
        await growth(bench, sdk1, bench.storeCalls, round),
      ] as const;
    });
    return [
      await peak(bench),
      {
        measure: "heap after garbage collection, per 10,000 sessions",
        unit: "MiB",
        ours: rounds.map(([held]) => held),
        baseline: { name: "SDK 1.x", values: rounds.map(([, held]) => held) },
        goal: { of: "ours", atMost: 10 },
        note: `measured on ${bench.storeCalls} sessions per side and round, scaled`,
      },
    ];
  },
};

/** The most that a process has had in memory under the load of P2, which is sent to fresh ones. */
async function peak(bench: Bencher): Promise<Outcome> {
  const rounds = await bench.rounds(async (round, say) => {
    const most: number[] = [];
    for (const [file, era] of [
      ["ours.ts", "modern"],
      ["sdk1.ts", "legacy"],
    ] as const) {
      say(`peak of ${file}`);
      const server = bench.start(file);
      const side = await bench.side(file, [server], { era, connections: 32, work: () => ({ kind: "echo" }) });
      await bench.once(side, 5 * bench.settings.calls, round);
      most.push((await server.ask("memory")).peakBytes / 2 ** 20);
      await server.stop();
    }
    return most;
  });
  return {
    measure: "peak under load, echo, 32 connections",
    unit: "MiB",
    ours: rounds.map(([ours = Number.NaN]) => ours),
    baseline: { name: "SDK 1.x", values: rounds.map(([, sdk1 = Number.NaN]) => sdk1) },
    goal: { of: "ours", atMost: 200 },
  };
}

async function growth(bench: Bencher, side: Side, sessions: number, round: string): Promise<number> {
  const [server] = side.servers;
  if (server === undefined) throw new Error(`${side.name} has no server`);
  const before = await server.ask("memory");
  await bench.once(side, sessions, round);
  const after = await server.ask("memory");
  return ((after.heapBytes - before.heapBytes) / sessions) * (10_000 / 2 ** 20);
}
