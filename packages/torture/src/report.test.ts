import { parseSeed, Random } from "@stateful-mcp/rig";
import { expect, test } from "vitest";
import { defineBar } from "./bars.ts";
import { ProgressLine, percent } from "./progress.ts";
import { type BarReport, judge, markdownPage, terminalTable } from "./report.ts";

const report: BarReport = {
  bar: "S1",
  title: "No acknowledged write is lost",
  place: "table",
  scale: "test",
  operations: 2000,
  successRatio: 0.95,
  faults: { kill: 10, throttle: 3 },
  violations: [],
  seed: 42,
  seconds: 12.34,
};

test("a run with under 90 % success, or without operations, is invalid", () => {
  expect(judge(report)).toBe("holds");
  expect(judge({ ...report, successRatio: 0.8999 })).toBe("INVALID");
  expect(judge({ ...report, operations: 0 })).toBe("INVALID");
  expect(judge({ ...report, violations: ["lost one"], successRatio: 0.1 })).toBe("VIOLATED");
});

test("the page shows date, seed, figures and every violation", () => {
  const page = markdownPage([report, { ...report, bar: "S2", violations: ["key a: 3 | 4"] }], new Date(0));
  expect(page).toContain("1970-01-01, seed 42, ");
  expect(page).toContain(
    "| S1 | No acknowledged write is lost | table | test | 2000 | 95.0 % | 10 kill, 3 throttle | 0 | 12.3 | holds |",
  );
  expect(page).toContain("- S2: key a: 3 | 4");
});

test("the terminal table lines its columns up", () => {
  const [head, row] = terminalTable([report]).split("\n");
  expect(row?.indexOf("2000")).toBe(head?.indexOf("Operations"));
});

test("a share is rounded down: 100.0 % means all", () => {
  expect([percent(1), percent(0.99999), percent(0.9)]).toEqual(["100.0 %", "99.9 %", "90.0 %"]);
});

test("progress updates one line on a terminal and writes whole lines elsewhere", () => {
  const show = (isTTY: boolean) => {
    let text = "";
    const line = new ProgressLine("S1", {
      isTTY,
      write: (chunk: string | Uint8Array) => {
        text += chunk;
        return true;
      },
    });
    line.update({ done: 5, total: 10, ok: 4, faults: 2 });
    line.end("holds");
    return text;
  };
  expect(show(true)).toBe("\r\u001b[KS1  [##########..........] 5/10  ok 80.0 %  faults 2  holds\n");
  expect(show(false)).toBe("S1  [##########..........] 5/10  ok 80.0 %  faults 2  holds\n");
});

test("a bar gets its scale and its own stream of the seed, and breaking off is a violation", async () => {
  const scales = { test: { writes: 1 }, full: { writes: 2 } };
  const good = defineBar({
    id: "S1",
    title: "good",
    ...scales,
    run: async ({ scale, random }) => ({
      operations: scale.writes,
      successRatio: 1,
      faults: { seed: random.seed },
      violations: [],
    }),
  });
  const full = await good.run("full", 7);
  expect(full).toMatchObject({ bar: "S1", place: "table", scale: "full", operations: 2, seed: 7 });
  expect(full.faults).toEqual((await good.run("test", 7)).faults);

  const broken = defineBar({ id: "S2", title: "broken", ...scales, run: () => Promise.reject(new Error("no engine")) });
  expect(judge(await broken.run("test", 7))).toBe("VIOLATED");
});

test("a seed gives one sequence, and its streams do not disturb each other", () => {
  const draw = (random: Random) => [
    random.int(0, 1e6),
    random.chance(0.5),
    random.pick([1, 2, 3]),
    random.shuffle([1, 2, 3, 4]),
  ];
  expect(draw(new Random(5))).toEqual(draw(new Random(5)));
  expect(draw(new Random(5))).not.toEqual(draw(new Random(6)));
  const root = new Random(5);
  const before = draw(root.fork("a"));
  draw(root);
  expect(draw(root.fork("a"))).toEqual(before);
  expect(draw(root.fork("b"))).not.toEqual(before);
  expect(new Random(9).shuffle([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
});

test("a seed that is no 32-bit integer is refused", () => {
  expect(parseSeed("42")).toBe(42);
  for (const bad of ["", "x", "1.5", "99999999999"]) expect(() => parseSeed(bad)).toThrow(/whole number/);
});
