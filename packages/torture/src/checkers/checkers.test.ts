import { Random } from "@stateful-mcp/rig";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { firstFailure, type Model, type Operation, type Verdict } from "./linearizability.ts";
import { checkNotes, type NotesInput, NotesModel, type NotesOutput } from "./notes.ts";
import { notesBugs, registerBugs, SimulatedNotes, SimulatedRegister } from "./planted-bugs.ts";
import { checkRegister, type RegisterInput, RegisterModel, type RegisterOutput } from "./register.ts";
import { type Simulated, simulate } from "./simulation.ts";

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

/** How many of the seeds end in each verdict. */
function verdicts<I, O>(
  seeds: readonly number[],
  store: (random: Random) => Simulated<I, O>,
  check: (history: readonly Operation<I, O>[]) => Verdict<I, O>,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const seed of seeds) {
    const random = new Random(seed);
    const { verdict } = check(simulate(store(random.fork("store")), random.fork("schedule")));
    counts[verdict] = (counts[verdict] ?? 0) + 1;
  }
  return counts;
}

type Timed = readonly [invoked: number, completed: number];

const register = (...calls: readonly (readonly [...Timed, RegisterInput, RegisterOutput | undefined])[]) =>
  checkRegister(calls.map(([invoked, completed, input, output]) => ({ key: "k", invoked, completed, input, output })));
const notes = (...calls: readonly (readonly [...Timed, NotesInput, NotesOutput | undefined])[]) =>
  checkNotes(calls.map(([invoked, completed, input, output]) => ({ key: "k", invoked, completed, input, output })));

describe("histories of a register", () => {
  const store = (value: number, ifVersion?: number): RegisterInput => ({
    op: "store",
    value,
    ...(ifVersion === undefined ? {} : { ifVersion }),
  });
  const get: RegisterInput = { op: "get" };
  const remove: RegisterInput = { op: "delete" };
  const add: RegisterInput = { op: "increment", by: 1 };
  const found = (value: number, version: number) => ({ found: true, value, version });

  test("a read that overlaps a write may see either side of it", () => {
    expect(register([0, 9, store(1), { version: 1 }], [1, 2, get, { found: false }]).verdict).toBe("linearizable");
    expect(register([0, 9, store(1), { version: 1 }], [1, 2, get, found(1, 1)]).verdict).toBe("linearizable");
  });

  test("a read after a write must see it", () => {
    const verdict = register([0, 1, store(1), { version: 1 }], [2, 3, get, { found: false }]);
    expect(verdict).toMatchObject({ verdict: "violation", explained: 1, state: "1 at version 1" });
    expect(verdict).toMatchObject({ unexplained: [{ input: get }] });
  });

  test("reads must not go back in time, also when the write is still open", () => {
    const verdict = register([0, 9, store(1), { version: 1 }], [1, 2, get, found(1, 1)], [3, 4, get, { found: false }]);
    expect(verdict.verdict).toBe("violation");
  });

  test("a write without an answer may have happened, late, or never", () => {
    const open = [0, 1, store(1), undefined] as const;
    expect(register(open, [2, 3, get, { found: false }], [4, 5, get, found(1, 1)]).verdict).toBe("linearizable");
    expect(register(open, [2, 3, get, { found: false }]).verdict).toBe("linearizable");
    expect(register(open, [2, 3, get, found(1, 1)], [4, 5, get, { found: false }]).verdict).toBe("violation");
  });

  test("an unanswered increment counts at most once", () => {
    const open = [0, 1, add, undefined] as const;
    expect(register(open, [2, 3, add, { value: 2, version: 2 }]).verdict).toBe("linearizable");
    expect(register(open, [2, 3, add, { value: 3, version: 3 }]).verdict).toBe("violation");
  });

  test("two increments may not give the same value", () => {
    const answer = { value: 1, version: 1 };
    expect(register([0, 5, add, answer], [1, 6, add, answer]).verdict).toBe("violation");
  });

  test("of two writes on one version only one succeeds, and a conflict needs a reason", () => {
    const first = [0, 1, store(1), { version: 1 }] as const;
    const won = { version: 2 };
    expect(register(first, [2, 9, store(2, 1), won], [3, 8, store(3, 1), won]).verdict).toBe("violation");
    const lost: RegisterOutput = { conflict: true, version: 2 };
    expect(register(first, [2, 9, store(2, 1), won], [3, 8, store(3, 1), lost]).verdict).toBe("linearizable");
    expect(register(first, [2, 3, store(2, 1), { conflict: true, version: 1 }]).verdict).toBe("violation");
  });

  test("a deleted value stays away and its versions are not given out again", () => {
    const gone = [[0, 1, store(1), { version: 1 }] as const, [2, 3, remove, { deleted: true }] as const];
    expect(register(...gone, [4, 5, get, found(1, 1)]).verdict).toBe("violation");
    expect(register(...gone, [4, 5, store(2), { version: 1 }]).verdict).toBe("violation");
    expect(register(...gone, [4, 5, store(2), { version: 3 }], [6, 7, get, found(2, 3)]).verdict).toBe("linearizable");
  });

  test("a number is needed to increment", () => {
    const text = [0, 1, { op: "store", value: "text" }, { version: 1 }] as const;
    expect(register(text, [2, 3, add, { conflict: true, version: 1 }]).verdict).toBe("linearizable");
    expect(register(text, [2, 3, add, { value: 1, version: 2 }]).verdict).toBe("violation");
  });
});

describe("histories of notes", () => {
  const append = (note: string): NotesInput => ({ op: "append", note });
  const read: NotesInput = { op: "read" };
  const reset: NotesInput = { op: "reset" };

  test("all readers see one order", () => {
    const both = [
      [0, 9, append("a"), { count: 1 }] as const,
      [0, 9, append("b"), { count: 2 }] as const,
      [10, 11, read, { notes: ["a", "b"] }] as const,
    ];
    expect(notes(...both).verdict).toBe("linearizable");
    const verdict = notes(...both, [12, 13, read, { notes: ["b", "a"] }]);
    expect(verdict).toMatchObject({ verdict: "violation", explained: 3, state: '["a","b"]' });
  });

  test("an acknowledged note is there until a reset, and gone after it", () => {
    const added = [0, 1, append("a"), { count: 1 }] as const;
    const cleared = [2, 3, reset, { cleared: 1 }] as const;
    expect(notes(added, [2, 3, read, { notes: [] }]).verdict).toBe("violation");
    expect(notes(added, cleared, [4, 5, read, { notes: [] }]).verdict).toBe("linearizable");
    expect(notes(added, cleared, [4, 5, read, { notes: ["a"] }]).verdict).toBe("violation");
  });

  test("an unanswered reset happens whole or not at all", () => {
    const open = [
      [0, 1, append("a"), { count: 1 }] as const,
      [2, 3, append("b"), { count: 2 }] as const,
      [4, 5, reset, undefined] as const,
    ];
    expect(notes(...open, [6, 7, read, { notes: ["a", "b"] }], [8, 9, read, { notes: [] }]).verdict).toBe(
      "linearizable",
    );
    expect(notes(...open, [6, 7, read, { notes: ["b"] }]).verdict).toBe("violation");
  });

  test("an unanswered append shows up once at most", () => {
    const open = [0, 1, append("a"), undefined] as const;
    expect(notes(open, [2, 3, read, { notes: [] }], [4, 5, read, { notes: ["a"] }]).verdict).toBe("linearizable");
    expect(notes(open, [2, 3, read, { notes: ["a", "a"] }]).verdict).toBe("violation");
  });

  test("two notes never share an id", () => {
    const verdict = notes([0, 1, append("a"), { count: 1, id: "n1" }], [2, 3, append("b"), { count: 2, id: "n1" }]);
    expect(verdict).toMatchObject({ verdict: "violation", state: "two notes with one id" });
  });

  test("ten thousand appends and a reading of them are checked within the usual bound", () => {
    const texts = Array.from({ length: 10_000 }, (_, at) => `note ${at}`);
    const appends = texts.map((note, at) => [at, at + 3, append(note), { count: at + 1 }] as const);
    expect(notes(...appends, [10_010, 10_011, read, { notes: texts }]).verdict).toBe("linearizable");
  });

  test("forty open appends do not explode the search", () => {
    const open = Array.from({ length: 40 }, (_, at) => [at, at, append(`open ${at}`), undefined] as const);
    const seen = ["open 7", "open 3", "a"];
    expect(notes(...open, [50, 51, append("a"), { count: 3 }], [52, 53, read, { notes: seen }]).verdict).toBe(
      "linearizable",
    );
    expect(notes(...open, [50, 51, append("a"), { count: 3 }], [52, 53, read, { notes: ["a"] }]).verdict).not.toBe(
      "linearizable",
    );
  });
});

test("a search that is cut off says that it has decided nothing", () => {
  const history = simulate(new SimulatedRegister(new Random(1)), new Random(2));
  expect(checkRegister(history, 5)).toEqual({ verdict: "undecided", steps: 6 });
});

test("keys are judged apart, and the one that fails is named", () => {
  const at = { invoked: 0, completed: 1, input: { op: "get" } as const };
  const history = [
    { ...at, key: "good", output: { found: false } },
    { ...at, key: "bad", output: { found: true, value: 1, version: 1 } },
  ];
  expect(firstFailure(history, checkRegister)).toMatchObject({ key: "bad", verdict: { verdict: "violation" } });
  expect(firstFailure(history.slice(0, 1), checkRegister)).toBeUndefined();
});

test("whatever a correct store answers to one client is accepted", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 80 }), (seed, operations) => {
      const alone = { clients: 1, operations, lossChance: 0 };
      const random = new Random(seed);
      const values = simulate(new SimulatedRegister(random.fork(1)), random.fork(2), alone);
      const log = simulate(new SimulatedNotes(random.fork(3)), random.fork(4), alone);
      expect([checkRegister(values).verdict, checkNotes(log).verdict]).toEqual(["linearizable", "linearizable"]);
    }),
  );
});

describe("the search agrees with trying every order of every subset", () => {
  /** Slow and obvious: takes any operation that nothing open was answered before. */
  function exhaustive<S, I, O>(model: Model<S, I, O>, state: S, open: readonly Operation<I, O>[]): boolean {
    if (open.every(({ output }) => output === undefined)) return true;
    const answers = open.filter(({ output }) => output !== undefined).map(({ completed }) => completed);
    return open.some((operation) => {
      if (operation.invoked > Math.min(...answers)) return false;
      const next = model.step(state, operation.input, operation.output);
      return (
        next !== undefined &&
        exhaustive(
          model,
          next,
          open.filter((other) => other !== operation),
        )
      );
    });
  }

  const short = { clients: 4, operations: 8, lossChance: 1 };

  test.each(Object.entries(registerBugs))("register: %s", (_, Bug) => {
    for (const seed of SEEDS) {
      const random = new Random(seed);
      const history = simulate(new Bug(random.fork(1)), random.fork(2), short);
      // Of no history in particular: without what helps the search along.
      const model = new RegisterModel([]);
      const expected = exhaustive(model, model.initial, history) ? "linearizable" : "violation";
      expect({ seed, verdict: checkRegister(history).verdict }).toEqual({ seed, verdict: expected });
    }
  });

  test.each(Object.entries(notesBugs))("notes: %s", (_, Bug) => {
    for (const seed of SEEDS) {
      const random = new Random(seed);
      const history = simulate(new Bug(random.fork(1)), random.fork(2), short);
      const model = new NotesModel([]);
      const expected = exhaustive(model, model.initial, history) ? "linearizable" : "violation";
      expect({ seed, verdict: checkNotes(history).verdict }).toEqual({ seed, verdict: expected });
    }
  });
});

describe("a correct store", () => {
  test("passes as a register on 200 seeds", () => {
    expect(verdicts(SEEDS, (random) => new SimulatedRegister(random), checkRegister)).toEqual({ linearizable: 200 });
  });

  test("passes as a log of notes on 200 seeds", () => {
    expect(verdicts(SEEDS, (random) => new SimulatedNotes(random), checkNotes)).toEqual({ linearizable: 200 });
  });
});

describe("a planted bug is caught on most seeds", () => {
  const seeds = SEEDS.slice(0, 40);

  test.each(Object.entries(registerBugs))("register: %s", (_, Bug) => {
    expect(verdicts(seeds, (random) => new Bug(random), checkRegister).violation).toBeGreaterThan(seeds.length / 2);
  });

  test.each(Object.entries(notesBugs))("notes: %s", (_, Bug) => {
    expect(verdicts(seeds, (random) => new Bug(random), checkNotes).violation).toBeGreaterThan(seeds.length / 2);
  });
});
