// Runs the bars that hold for a table and for a file on the file too, at test scale. TORTURE_SEED replays a run.
import { parseSeed } from "@stateful-mcp/rig";
import { expect, test } from "vitest";
import { loadBars } from "./bars.ts";
import { judge, terminalTable } from "./report.ts";

const seed = parseSeed(process.env.TORTURE_SEED);
const bars = (await loadBars()).filter(({ places }) => places.length > 1 && places.includes("file"));

test("bars run on a file too", () => {
  expect(bars.map(({ id }) => id)).toContain("S1");
});

for (const bar of bars) {
  test(`${bar.id} on a file: ${bar.title}`, { timeout: 600_000 }, async () => {
    const report = await bar.run("test", seed, "file");
    expect(judge(report), `TORTURE_SEED=${seed}\n${terminalTable([report])}`).toBe("holds");
  });
}
