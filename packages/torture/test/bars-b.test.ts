// Runs the bars on histories, expiry, reads, pages, cached and keyed calls at test scale. TORTURE_SEED replays a run.
import { expect, test } from "vitest";
import s3 from "../src/bars/s3-linearizable.ts";
import { parseSeed } from "../src/random.ts";
import { judge, terminalTable } from "../src/report.ts";

const seed = parseSeed(process.env.TORTURE_SEED);

for (const bar of [s3]) {
  test(`${bar.id}: ${bar.title}`, { timeout: 600_000 }, async () => {
    const report = await bar.run("test", seed);
    const table = `TORTURE_SEED=${seed}\n${terminalTable([report])}`;
    process.stderr.write(`${table}\n`);
    expect(judge(report), table).toBe("holds");
  });
}
