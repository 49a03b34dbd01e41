// Runs every bar at test scale inside the normal suite. TORTURE_SEED replays a run.

import { parseSeed } from "@stateful-mcp/rig";
import { expect, test } from "vitest";
import { loadBars } from "./bars.ts";
import { judge, terminalTable } from "./report.ts";

const seed = parseSeed(process.env.TORTURE_SEED);
const bars = await loadBars();

test("every bar has an id and a claim of its own", () => {
  expect(new Set(bars.map((bar) => bar.id)).size).toBe(bars.length);
  for (const bar of bars)
    expect(bar).toMatchObject({ id: /^[A-Z]\d+$/.exec(bar.id)?.[0], title: expect.stringMatching(/\w/) });
});

for (const bar of bars) {
  test(`${bar.id}: ${bar.title}`, { timeout: 600_000 }, async () => {
    const report = await bar.run("test", seed);
    expect(judge(report), `TORTURE_SEED=${seed}\n${terminalTable([report])}`).toBe("holds");
  });
}
