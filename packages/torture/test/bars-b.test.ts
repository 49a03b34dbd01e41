// Runs the bars on histories, expiry, reads elsewhere, pages, cached and keyed calls at test scale. TORTURE_SEED replays a run.
import { expect, test } from "vitest";
import s3 from "../src/bars/s3-linearizable.ts";
import s5 from "../src/bars/s5-expired.ts";
import s7 from "../src/bars/s7-read-your-writes.ts";
import s9 from "../src/bars/s9-pages.ts";
import s10 from "../src/bars/s10-single-flight.ts";
import s11 from "../src/bars/s11-idempotency.ts";
import { parseSeed } from "../src/random.ts";
import { judge, terminalTable } from "../src/report.ts";

const seed = parseSeed(process.env.TORTURE_SEED);

for (const bar of [s3, s5, s7, s9, s10, s11]) {
  test(`${bar.id}: ${bar.title}`, { timeout: 600_000 }, async () => {
    const report = await bar.run("test", seed);
    const found = `TORTURE_SEED=${seed}\n${terminalTable([report])}`;
    process.stderr.write(`${found}\n`);
    expect(judge(report), found).toBe("holds");
  });
}
