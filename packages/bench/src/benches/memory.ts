// What a session leaves in a server's memory once it has been used: ours against a transport per session.
import { randomBytes } from "node:crypto";
import type { Bench, Bencher, Side } from "../bench.ts";

/** Principals our sessions are spread over, because one principal may have only so many. */
const principals = 25;

export const memory: Bench = {
  id: "P7",
  title: "memory per 10,000 sessions touched",
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
    const held = { ours: [] as number[], sdk1: [] as number[] };
    for (let round = 1; round <= bench.settings.rounds; round++) {
      bench.progress(`round ${round} of ${bench.settings.rounds}`);
      held.ours.push(await growth(bench, ours, bench.storeCalls, round));
      held.sdk1.push(await growth(bench, sdk1, bench.storeCalls, round));
    }
    return [
      {
        measure: "heap after garbage collection, per 10,000 sessions",
        unit: "MiB",
        ours: held.ours,
        baseline: { name: "SDK 1.x", values: held.sdk1 },
        goal: { of: "ours", atMost: 10 },
        note: `measured on ${bench.storeCalls} sessions per side and round, scaled`,
      },
    ];
  },
};

async function growth(bench: Bencher, side: Side, sessions: number, round: number): Promise<number> {
  const [server] = side.servers;
  if (server === undefined) throw new Error(`${side.name} has no server`);
  if (round === 1) await bench.once(side, Math.ceil(sessions / 4), "warm");
  const before = await server.ask("memory");
  await bench.once(side, sessions, String(round));
  const after = await server.ask("memory");
  return ((after.heapBytes - before.heapBytes) / sessions) * (10_000 / 2 ** 20);
}
