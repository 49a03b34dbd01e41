// The checker of tasks accuses no right history, catches each planted bug, and knows each of its rules.
import { Random } from "@stateful-mcp/rig";
import { describe, expect, test } from "vitest";
import { SimulatedTask, TASK_BUGS, type TaskBug } from "./planted-tasks.ts";
import { checkTasks, type TaskHistory } from "./tasks.ts";

const SEEDS = 400;
const NOTHING: TaskHistory = {
  created: [],
  reads: [],
  runs: [],
  steps: [],
  answers: [],
  answersTold: [],
  cancels: [],
  effects: [],
};

/** The seeds on which these rules break the checker's, with the first complaint. */
function caught(bug?: TaskBug): { seed: number; first: string | undefined }[] {
  return Array.from({ length: SEEDS }, (_, seed) => {
    const [first] = checkTasks(new SimulatedTask(new Random(seed), bug).play());
    return { seed, first };
  }).filter(({ first }) => first !== undefined);
}

test("tasks under the right rules pass on every seed, and every kind of history is among them", () => {
  expect(caught()).toEqual([]);
  const histories = Array.from({ length: SEEDS }, (_, seed) => new SimulatedTask(new Random(seed)).play());
  const ends = new Set(histories.map(({ reads }) => reads.at(-1)?.status));
  expect([...ends].toSorted()).toEqual(["cancelled", "completed", "failed"]);
  expect(histories.filter(({ runs }) => runs.length > 2).length).toBeGreaterThan(SEEDS / 10);
  expect(histories.filter(({ answersTold }) => answersTold.length > 2).length).toBeGreaterThan(SEEDS / 10);
});

test.each(TASK_BUGS)("a planted bug is caught: %s", (bug) => {
  expect(caught(bug).length, bug).toBeGreaterThan(SEEDS / 100);
});

describe("what no simulation shows", () => {
  const done = { task: "t", from: 1, to: 2, status: "completed" } as const;

  test("an effect that stands twice, or not at all", () => {
    const effects = [0, 1, 2].map((times) => ({ task: "t", effect: `e${times}`, times }));
    expect(checkTasks({ ...NOTHING, effects })).toEqual([
      "t: its effect e0 stands 0 times",
      "t: its effect e2 stands 2 times",
    ]);
  });

  test("a task that vanishes before its time, and one that had its time", () => {
    const unknown = { ...done, status: "unknown" } as const;
    const created = [{ task: "t", mayEndAt: 2 }];
    expect(checkTasks({ ...NOTHING, created, reads: [unknown] })).toEqual([]);
    expect(checkTasks({ ...NOTHING, created: [{ task: "t" }], reads: [unknown] })).toEqual([
      "t: it was given to a client, and is unknown",
    ]);
  });

  test("a task that is never seen to end, and one of which two looks overlapped when it ended", () => {
    const created = [{ task: "t" }];
    const working = { ...done, status: "working" } as const;
    expect(checkTasks({ ...NOTHING, created })).toEqual(["t: it never came to an end"]);
    expect(checkTasks({ ...NOTHING, created, reads: [working] })).toEqual(["t: it never came to an end"]);
    const reads = [
      { ...done, from: 1, to: 4 },
      { ...working, from: 2, to: 3 },
    ];
    expect(checkTasks({ ...NOTHING, created, reads })).toEqual([]);
  });

  test("two readers with two outcomes", () => {
    const reads = ["one", "other"].map((outcome) => ({ ...done, outcome }));
    expect(checkTasks({ ...NOTHING, reads })).toEqual(["t: it has 2 outcomes: one, other"]);
  });

  test("an entry of the open list without a task", () => {
    const open = [
      { task: "being made", old: false },
      { task: "left over", old: true },
    ];
    expect(checkTasks({ ...NOTHING, table: { heads: [], open } })).toEqual([
      "left over: it is listed as open, and does not exist",
    ]);
  });

  test("a cancellation of what had ended", () => {
    const heads = [true, false].map((hasOutcome) => ({ task: `t${hasOutcome}`, status: "cancelled", hasOutcome }));
    expect(checkTasks({ ...NOTHING, table: { heads, open: [] } })).toEqual([
      "ttrue: it had ended when it was cancelled",
    ]);
  });

  test("an answer that counted although another one had been acknowledged", () => {
    const answers = ["first", "second"].map((value, at) => ({
      task: "t",
      key: "1.q",
      value,
      from: 2 * at,
      to: 2 * at + 1,
    }));
    const answersTold = [{ task: "t", what: "1.q", value: "second" }];
    expect(checkTasks({ ...NOTHING, answers, answersTold })).toEqual([
      "t: the answer second to 1.q counted, and came second",
    ]);
  });
});
