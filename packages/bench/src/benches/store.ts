// The cost of one DynamoDB operation in the process that asks for it: our store against the AWS SDK alone.
import type { Bench } from "../bench.ts";
import { ratios } from "../statistics.ts";

export const store: Bench = {
  id: "P5",
  title: "client CPU per DynamoDB operation",
  async run(bench) {
    const endpoint = await bench.engine();
    const operations = bench.storeCalls;
    const sides = [
      { name: "our store", child: bench.start("store-ours.ts", [endpoint]), cpu: [] as number[] },
      { name: "AWS SDK", child: bench.start("store-sdk.ts", [endpoint]), cpu: [] as number[] },
    ] as const;
    for (let round = 0; round <= bench.settings.rounds; round++) {
      for (const { name, child, cpu } of sides) {
        bench.progress(round === 0 ? `warming ${name}` : `round ${round} of ${bench.settings.rounds}: ${name}`);
        const before = await child.ask("cpu");
        await child.ask("operations", operations);
        if (round > 0) cpu.push(((await child.ask("cpu")) - before) / operations);
      }
    }
    const [ours, sdk] = sides;
    return [
      {
        measure: "get and update in turn: client CPU per operation",
        unit: "µs",
        ours: ours.cpu,
        baseline: { name: sdk.name, values: sdk.cpu },
        ratios: ratios(sdk.cpu, ours.cpu),
        goal: { of: "ratio", atLeast: 2.5 },
      },
    ];
  },
};
