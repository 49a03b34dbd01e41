import { acceptedContent, inputRequired } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { ToolContext } from "../define/context.ts";
import { defineTool, type ToolDefinition } from "../define/tool.ts";
import { AppError, StateUnavailable } from "../errors.ts";
import { type LogFields, type Logger, silentLogger } from "../logger.ts";
import { makePrincipal } from "../principal.ts";
import type { TaskHead } from "../state/task-head.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";
import { type TestApp, testApp } from "../testing/test-app.ts";

/** A gate that a test opens while a run stands at it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let reached = () => {};
  const arrived = new Promise<void>((resolve) => {
    reached = resolve;
  });
  return {
    open: () => open(),
    arrived,
    pass: async () => {
      reached();
      await opened;
    },
  };
}

const LEASE_SECONDS = 21;

/** How the runs of an app ended, as its log tells. */
function endingsOf(): { logger: Logger; endings: unknown[] } {
  const endings: unknown[] = [];
  const info = ({ outcome }: LogFields, message: string) => {
    if (message === "task") endings.push(outcome);
  };
  return { logger: { ...silentLogger, info }, endings };
}

/** A tool of one name that does what a test says. */
const job = (
  run: (context: ToolContext, input: { note?: string | undefined }) => unknown,
  task: ToolDefinition["task"] = "allowed",
  more: Partial<ToolDefinition> = {},
) =>
  defineTool({
    name: "job",
    description: "Works.",
    input: z.object({ note: z.string().optional() }),
    output: z.object({ done: z.unknown() }),
    task,
    ...more,
    run: (input: { note?: string | undefined }, context: ToolContext) => run(context, input) as { done: unknown },
  } as never);

const elicit = (message: string) => inputRequired.elicit({ message, requestedSchema: z.object({ yes: z.boolean() }) });
const accepted = { action: "accept", content: { yes: true } };

/** A store that keeps what a step has come to, of whose process nothing is heard from then on. */
class DiesAtSteps extends MemoryStore {
  kept = 0;
  override async create(...[key, ...rest]: Parameters<MemoryStore["create"]>) {
    const created = await super.create(key, ...rest);
    if (!key.sk.startsWith("S#")) return created;
    this.kept += 1;
    return new Promise<never>(() => {});
  }
}

async function notesOf({ call }: Pick<TestApp, "call">): Promise<unknown[]> {
  const { notes } = await call("get_notes");
  return notes as unknown[];
}

/** Beside the job under test, the notes that show its effects. */
async function withNotes(tool: ReturnType<typeof job>) {
  const { builtinTools } = await import("../builtin/tools/index.ts");
  return [tool, ...builtinTools({ backend: "memory", anonymous: false, ttlSeconds: 0 })];
}

describe("a call that becomes a task", () => {
  it("is answered with its id at once, and with its result when it is done", async () => {
    const door = gate();
    const { callAsTask } = testApp({
      tools: [
        job(async () => {
          await door.pass();
          return { done: "yes" };
        }),
      ],
    });
    const task = await callAsTask("job");
    expect(task.id).toMatch(/^tsk_[0-9a-z]{26}$/);
    expect(await task.get()).toMatchObject({ status: "working", tool: "job", ttlMs: 86_400_000 });
    door.open();
    expect(await task.settled()).toMatchObject({
      status: "completed",
      outcome: { result: { session_id: "default", done: "yes" }, blocks: false },
    });
  });

  it("writes once although the process that ran it was killed after its first write", async () => {
    const door = gate();
    let runs = 0;
    const tools = await withNotes(
      job(async ({ session }) => {
        runs += 1;
        await session.notes.add("once");
        if (runs === 1) await door.pass();
        await session.notes.add("and again once");
        return { done: runs };
      }),
    );
    const one = testApp({ tools });
    const { id } = await one.callAsTask("job");
    await door.arrived;
    const other = one.crash();
    other.clock.advance(LEASE_SECONDS);
    expect(await other.task(id).settled()).toMatchObject({ status: "completed", outcome: { result: { done: 2 } } });
    expect(await notesOf(other)).toEqual(["once", "and again once"]);
    // The killed one goes on in a test: nothing of it may reach the store any more.
    door.open();
    expect(await notesOf(other)).toEqual(["once", "and again once"]);
  });

  it("keeps what a step came to, and does it again only where it had not ended", async () => {
    const door = gate();
    const ran: string[] = [];
    const tools = [
      job(async ({ step }) => {
        const rows = await step("fetch", () => {
          ran.push("fetch");
          return [1, 2];
        });
        const sum = await step("sum", async () => {
          ran.push("sum");
          if (ran.length === 2) await door.pass();
          return rows.reduce((a, b) => a + b);
        });
        return { done: sum };
      }),
    ];
    const one = testApp({ tools });
    const { id } = await one.callAsTask("job");
    await door.arrived;
    const other = one.crash();
    other.clock.advance(LEASE_SECONDS);
    expect(await other.task(id).settled()).toMatchObject({ outcome: { result: { done: 3 } } });
    expect(ran).toEqual(["fetch", "sum", "sum"]);
  });

  it("of a paused run that wakes up believes nothing, while another run works and after it has ended", async () => {
    for (const secondEndsFirst of [false, true]) {
      const first = gate();
      const second = gate();
      let runs = 0;
      const tools = [
        job(async () => {
          runs += 1;
          const run = runs;
          await (run === 1 ? first : second).pass();
          return { done: run };
        }),
      ];
      const { logger, endings } = endingsOf();
      const one = testApp({ tools, logger });
      const two = testApp({ tools, store: one.store, clock: one.clock });
      const task = await one.callAsTask("job");
      await first.arrived;
      one.clock.advance(LEASE_SECONDS);
      await two.task(task.id).get();
      await second.arrived;
      if (secondEndsFirst) {
        second.open();
        await two.task(task.id).settled();
      }
      first.open();
      await expect.poll(() => endings).toEqual(["overtaken"]);
      if (!secondEndsFirst) expect(await task.get()).toMatchObject({ status: "working" });
      second.open();
      expect(await task.settled()).toMatchObject({ outcome: { result: { done: 2 } } });
    }
  });

  it("is given up, with a sentence, after three runs of which the process ended", async () => {
    const tools = [job(() => new Promise(() => {}))];
    let app = testApp({ tools });
    const { id } = await app.callAsTask("job");
    for (let attempt = 2; attempt <= 3; attempt++) {
      app = app.crash();
      app.clock.advance(LEASE_SECONDS);
      await app.task(id).get();
      await expect
        .poll(() =>
          app
            .task(id)
            .get()
            .then(({ status }) => status),
        )
        .toBe("working");
    }
    app = app.crash();
    app.clock.advance(LEASE_SECONDS);
    const last = app.task(id);
    await last.get();
    expect(await last.settled()).toMatchObject({
      status: "failed",
      outcome: { protocolError: { code: -32_603, message: expect.stringContaining("given up after 3 attempts") } },
    });
  });

  it("is never given up while each run finishes a step, although each is killed right after it", async () => {
    const ran: number[] = [];
    let ended = 0;
    const tools = [
      job(async ({ step }) => {
        for (let part = 1; part <= 6; part++) {
          const before = ran.length;
          await step(`part ${part}`, () => void ran.push(part));
          if (ran.length === before || part === 6) continue;
          ended = part;
          await new Promise(() => {});
        }
        return { done: "all" };
      }),
    ];
    let app = testApp({ tools });
    const { id } = await app.callAsTask("job");
    for (let part = 1; part < 6; part++) {
      await expect.poll(() => ended).toBe(part);
      app = app.crash();
      app.clock.advance(LEASE_SECONDS);
      await app.task(id).get();
    }
    expect(await app.task(id).settled()).toMatchObject({ status: "completed", outcome: { result: { done: "all" } } });
    expect(ran).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("is never given up while each run keeps a step, although each is killed before it can tell of it", async () => {
    const clock = movableClock();
    const store = new DiesAtSteps({ clock });
    const tools = [
      job(async ({ step }) => {
        for (let part = 1; part <= 7; part++) await step(`part ${part}`, () => part);
        return { done: "all" };
      }),
    ];
    let app = testApp({ tools, store, clock });
    const { id } = await app.callAsTask("job");
    for (let part = 1; part <= 7; part++) {
      await expect.poll(() => store.kept).toBe(part);
      app = app.crash();
      clock.advance(LEASE_SECONDS);
      await app.task(id).get();
    }
    expect(await app.task(id).settled()).toMatchObject({ status: "completed", outcome: { result: { done: "all" } } });
  });

  it.each([1, 2, 3])(
    "is given up after three runs since its last step, which the killed run %i kept",
    async (keeps) => {
      const clock = movableClock();
      const store = new DiesAtSteps({ clock });
      let runs = 0;
      const tools = [
        job(async ({ step }) => {
          runs += 1;
          if (runs === keeps) await step("one", () => 1);
          return new Promise(() => {});
        }),
      ];
      let app = testApp({ tools, store, clock });
      const { id } = await app.callAsTask("job");
      const goesOn = async (before: number) => runs > before || (await app.task(id).get()).status === "failed";
      for (let before = 0; (await app.task(id).get()).status === "working"; before = runs) {
        await expect.poll(() => goesOn(before)).toBe(true);
        if (runs === keeps) await expect.poll(() => store.kept).toBe(1);
        app = app.crash();
        clock.advance(LEASE_SECONDS);
      }
      // That run itself, and two more.
      expect(runs).toBe(keeps + 2);
      expect(await app.task(id).get()).toMatchObject({
        status: "failed",
        outcome: { protocolError: { code: -32_603 } },
      });
    },
  );

  it.each([
    ["its call", "A"],
    ["its claim", "C"],
  ])("counts no run whose tool did not begin, because the table refused %s", async (_, sk) => {
    const clock = movableClock();
    let refusals = 0;
    class Refusing extends MemoryStore {
      override async get(...given: Parameters<MemoryStore["get"]>) {
        if (refusals === 0 || given[0].sk !== sk) return super.get(...given);
        refusals -= 1;
        throw new AppError("unavailable", "The table does not answer.");
      }
    }
    const store = new Refusing({ clock });
    const attempts: (number | undefined)[] = [];
    const tools = [
      job(({ task }) => {
        attempts.push(task?.attempt);
        return attempts.length === 1 ? new Promise(() => {}) : { done: true };
      }),
    ];
    const { logger, endings } = endingsOf();
    const first = testApp({ tools, store, clock, logger });
    const { id } = await first.callAsTask("job");
    await expect.poll(() => attempts).toEqual([1]);
    const second = first.crash();
    clock.advance(LEASE_SECONDS);
    refusals = 5;
    for (let refused = 1; refused <= 5; refused++) {
      await second.task(id).get();
      await expect.poll(() => endings.length).toBe(refused);
      clock.advance(5);
    }
    expect(await second.task(id).settled()).toMatchObject({ status: "completed" });
    expect(endings.slice(0, 5)).toEqual(Array(5).fill("released"));
    expect(attempts).toEqual([1, 2]);
  });

  it("counts no run in the middle of which the state was away", async () => {
    const clock = movableClock();
    let refusals = 0;
    class Throttled extends MemoryStore {
      override async create(...given: Parameters<MemoryStore["create"]>) {
        if (refusals === 0 || !given[0].sk.startsWith("N#")) return super.create(...given);
        refusals -= 1;
        throw new StateUnavailable("The table is throttled.", { retryAfterSeconds: 1 });
      }
    }
    const attempts: (number | undefined)[] = [];
    const tools = [
      job(async ({ session, task }) => {
        attempts.push(task?.attempt);
        await session.notes.add("Done once.");
        return { done: true };
      }),
    ];
    const { logger, endings } = endingsOf();
    const { callAsTask } = testApp({ tools, store: new Throttled({ clock }), clock, logger });
    refusals = 5;
    const task = await callAsTask("job");
    for (let refused = 1; refused <= 5; refused++) {
      await expect.poll(() => endings.length).toBe(refused);
      clock.advance(5);
      await task.get();
    }
    expect(await task.settled()).toMatchObject({ status: "completed", outcome: { result: { done: true } } });
    expect(endings).toEqual([...Array(5).fill("released"), "completed"]);
    expect(attempts).toEqual(Array(6).fill(1));
  });

  it("is given up after three runs since its answers; steps before these do not count", async () => {
    let runs = 0;
    const tools = [
      job(async ({ step, answers }) => {
        runs += 1;
        if (runs < 3 || answers) return new Promise(() => {});
        await step("one", () => 1);
        return inputRequired({ inputRequests: { go: elicit("Go on?") } });
      }),
    ];
    let app = testApp({ tools });
    const { id } = await app.callAsTask("job");
    const killed = async (run: number) => {
      await expect.poll(() => runs).toBe(run);
      app = app.crash();
      app.clock.advance(LEASE_SECONDS);
      return app.task(id).get();
    };
    for (const run of [1, 2]) await killed(run);
    expect(await app.task(id).settled()).toMatchObject({ status: "input_required" });
    await app.task(id).answer({ "1.go": accepted });
    for (const run of [4, 5, 6]) await killed(run);
    expect(await app.task(id).settled()).toMatchObject({ status: "failed", outcome: { protocolError: {} } });
    expect(runs).toBe(6);
  });

  it("counts refusals for a passing reason from its last step on", async () => {
    let runs = 0;
    const tool = job(async ({ step }) => {
      runs += 1;
      if (runs === 3) await step("one", () => 1);
      throw new AppError("unavailable", "Not now.");
    });
    const { logger, endings } = endingsOf();
    const one = testApp({ tools: [tool], logger });
    const task = await one.callAsTask("job");
    // After the step the pauses begin anew as well.
    for (const [at, pauseSeconds] of [1, 5, 1, 5].entries()) {
      await expect.poll(() => endings.length).toBe(at + 1);
      one.clock.advance(pauseSeconds);
      await expect.poll(async () => (await task.get()) && runs).toBe(at + 2);
    }
    expect(await task.settled()).toMatchObject({ status: "completed", outcome: { error: { code: "unavailable" } } });
    expect(runs).toBe(5);
  });

  it("goes to another process at once, and without counting, when its own is about to end", async () => {
    const attempts: (number | undefined)[] = [];
    let ends = false;
    const tools = [
      job(async ({ task, signal }) => {
        attempts.push(task?.attempt);
        if (ends) return { done: true };
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      }),
    ];
    const one = testApp({ tools });
    const { id } = await one.callAsTask("job");
    await expect.poll(() => attempts.length).toBe(1);
    one.app.drain();
    await one.app.close();
    ends = true;
    const two = testApp({ tools, store: one.store, clock: one.clock });
    expect(await two.task(id).settled()).toMatchObject({ status: "completed" });
    expect(attempts).toEqual([1, 1]);
  });

  it("fails as its tool fails: refused, not found, or with an error of the protocol", async () => {
    const { ProtocolError } = await import("@modelcontextprotocol/server");
    const fails = [
      [
        new AppError("conflict", "No."),
        { status: "completed", outcome: { error: { code: "conflict", message: "No." } } },
      ],
      [new ProtocolError(-32_050, "Not so."), { status: "failed", outcome: { protocolError: { code: -32_050 } } }],
      [new Error("secret"), { status: "completed", outcome: { error: { code: "internal" } } }],
    ] as const;
    for (const [error, outcome] of fails) {
      const { callAsTask } = testApp({
        tools: [
          job(() => {
            throw error;
          }),
        ],
      });
      const view = await (await callAsTask("job")).settled();
      expect(view).toMatchObject(outcome);
      expect(JSON.stringify(view)).not.toContain("secret");
    }
  });

  it("is run again when it was refused for a passing reason, and keeps the last refusal", async () => {
    let runs = 0;
    const one = testApp({
      tools: [
        job(() => {
          runs += 1;
          throw new AppError("unavailable", "Not now.");
        }),
      ],
    });
    const task = await one.callAsTask("job");
    for (const [run, pauseSeconds] of [1, 5].entries()) {
      await expect.poll(() => runs).toBe(run + 1);
      await expect.poll(() => task.get().then(({ status }) => status)).toBe("working");
      one.clock.advance(pauseSeconds);
      await task.get();
      await expect.poll(async () => (await task.get()) && runs).toBe(run + 2);
    }
    expect(await task.settled()).toMatchObject({ status: "completed", outcome: { error: { code: "unavailable" } } });
    expect(runs).toBe(3);
  });

  it("says what it reports, and when its time is over it is no more", async () => {
    const { callAsTask, clock, call } = testApp({ tools: [job(() => ({ done: 1 }), { ttlSeconds: 3_600 })] });
    const task = await callAsTask("job");
    await task.settled();
    clock.advance(3_599);
    expect(await task.get()).toMatchObject({ status: "completed" });
    clock.advance(2);
    await expect(task.get()).rejects.toThrow("There is no task");
    await expect(call("get_task", { task_id: task.id })).rejects.toMatchObject({ code: "not_found" });
  });

  it("of a result that is too large says so, and that the call was made", async () => {
    const large = "x".repeat(100_000);
    const { callAsTask } = testApp({ tools: [job(() => ({ done: large }))] });
    expect(await (await callAsTask("job")).settled()).toMatchObject({
      status: "completed",
      outcome: { error: { code: "too_large", message: expect.stringContaining("limit is 60000") } },
    });
    const beside = testApp({ tools: [job(() => ({ done: "x".repeat(10_000) }))] });
    expect(await (await beside.callAsTask("job")).settled()).toMatchObject({
      outcome: { result: { done: "x".repeat(10_000) } },
    });
  });
});

describe("a task that asks", () => {
  const asking = (count = 1) =>
    job(({ answers }) => {
      if (answers)
        return {
          done: Object.fromEntries(
            Object.keys(answers).map((name) => [
              name,
              acceptedContent(answers, name, z.object({ yes: z.boolean() }))?.yes,
            ]),
          ),
        };
      const names = Array.from({ length: count }, (_, i) => `q${i + 1}`);
      return inputRequired({ inputRequests: Object.fromEntries(names.map((name) => [name, elicit(name)])) });
    });

  it("waits without a run, and goes on in the process that was answered", async () => {
    const tools = [asking()];
    const one = testApp({ tools });
    const task = await one.callAsTask("job");
    expect(await task.settled()).toMatchObject({
      status: "input_required",
      questions: { "1.q1": { method: "elicitation/create" } },
    });
    const two = one.crash();
    await two.task(task.id).answer({ "1.q1": accepted, "1.nonsense": 1, "9.q1": 2, __proto__: {} });
    expect(await two.task(task.id).settled()).toMatchObject({ outcome: { result: { done: { q1: true } } } });
  });

  it("of two answers to one question keeps the first, and goes on once when both are answered at the same time", async () => {
    const tools = [asking(2)];
    const one = testApp({ tools });
    const two = testApp({ tools, store: one.store, clock: one.clock });
    const task = await one.callAsTask("job");
    await task.settled();
    const no = { action: "accept", content: { yes: false } };
    await Promise.all([task.answer({ "1.q1": accepted }), two.task(task.id).answer({ "1.q2": no })]);
    await task.answer({ "1.q1": no });
    expect(await task.settled()).toMatchObject({ outcome: { result: { done: { q1: true, q2: false } } } });
  });

  it("asks again under another key, so that an answer to the first round is none to the second", async () => {
    let round = 0;
    const tools = [
      job(({ answers }) => {
        if (answers) round += 1;
        if (round === 2) return { done: "after two" };
        return inputRequired({ inputRequests: { again: elicit("Again?") } });
      }),
    ];
    const { callAsTask } = testApp({ tools });
    const task = await callAsTask("job");
    await task.settled();
    await task.answer({ "1.again": accepted });
    expect(Object.keys((await task.settled()).questions ?? {})).toEqual(["2.again"]);
    await task.answer({ "1.again": accepted });
    expect((await task.get()).status).toBe("input_required");
    await task.answer({ "2.again": accepted });
    expect(await task.settled()).toMatchObject({ outcome: { result: { done: "after two" } } });
  });

  it("what its client cannot be asked fails, and what is too much is the tool's fault", async () => {
    const { app } = testApp({ tools: [asking()] });
    const { LOCAL_PRINCIPAL } = await import("../principal.ts");
    await expect(app.call({ name: "job", arguments: {}, principal: LOCAL_PRINCIPAL })).rejects.toMatchObject({
      code: -32_021,
    });
    const many = testApp({ tools: [asking(17)] });
    expect(await (await many.callAsTask("job")).settled()).toMatchObject({ outcome: { error: { code: "internal" } } });
  });
});

describe("a cancelled task", () => {
  it("is so at once and for good, also when its run ends later", async () => {
    const door = gate();
    const tools = [
      job(async () => {
        await door.pass();
        return { done: 1 };
      }),
    ];
    const { logger, endings } = endingsOf();
    const one = testApp({ tools, logger });
    const two = testApp({ tools, store: one.store, clock: one.clock });
    const task = await one.callAsTask("job");
    await door.arrived;
    await two.task(task.id).cancel();
    expect(await task.get()).toMatchObject({ status: "cancelled" });
    door.open();
    await expect.poll(() => endings).toEqual(["cancelled"]);
    expect(await task.get()).toMatchObject({ status: "cancelled" });
    await task.cancel();
    expect((await task.get()).outcome).toBeUndefined();
  });

  it("that had ended keeps its result", async () => {
    const { callAsTask } = testApp({ tools: [job(() => ({ done: 1 }))] });
    const task = await callAsTask("job");
    const ended = await task.settled();
    await task.cancel();
    expect(await task.get()).toEqual(ended);
  });

  it("or an ended one: of many races exactly one side wins, and both sides read the same", async () => {
    const tools = [job(() => ({ done: 1 }))];
    const one = testApp({ tools });
    const seen = new Set<string>();
    for (let race = 0; race < 50; race++) {
      const task = await one.callAsTask("job");
      await Promise.all([task.cancel(), task.settled()]);
      const first = await task.get();
      seen.add(first.status);
      expect(["completed", "cancelled"]).toContain(first.status);
      expect(first.outcome === undefined).toBe(first.status === "cancelled");
      expect(await task.get()).toEqual(first);
      // At most 100 are open, and neither outcome leaves one open.
    }
    expect(seen.size).toBeGreaterThan(0);
  });
});

describe("clients that take no tasks", () => {
  it("are answered with the result when it comes soon, as if it were an ordinary call", async () => {
    const { call } = testApp({ tools: [job(() => ({ done: "soon" }))] });
    expect(await call("job")).toEqual({ session_id: "default", done: "soon" });
  });

  it("are told the id when it does not, and get the result with get_task", async () => {
    const door = gate();
    const { call, task } = testApp({
      tools: [
        job(async () => {
          await door.pass();
          return { done: "late" };
        }),
      ],
      limits: { callTimeoutMs: 200 },
    });
    const error = await call("job").then(
      () => undefined,
      (thrown: AppError) => thrown,
    );
    expect(error).toMatchObject({
      code: "in_progress",
      retryable: false,
      message: expect.stringContaining("get_task"),
    });
    const { task_id } = (error as AppError).details as { task_id: string };
    expect(await call("get_task", { task_id })).toMatchObject({ status: "working", tool: "job" });
    expect(await call("list_tasks")).toMatchObject({ tasks: [{ task_id, status: "working" }] });
    door.open();
    await task(task_id).settled();
    expect(await call("get_task", { task_id })).toMatchObject({ status: "completed", result: { done: "late" } });
  });

  it("are told the id at once where a tool insists on tasks", async () => {
    const { call } = testApp({ tools: [job(() => new Promise(() => {}), "required")] });
    await expect(call("job")).rejects.toMatchObject({ code: "in_progress" });
  });

  it("with an idempotency key find the task that their first call made", async () => {
    let runs = 0;
    const { call } = testApp({
      tools: [
        job(() => {
          runs += 1;
          return { done: runs };
        }),
      ],
    });
    expect(await call("job", { idempotency_key: "k" })).toMatchObject({ done: 1 });
    expect(await call("job", { idempotency_key: "k" })).toMatchObject({ done: 1 });
    expect(runs).toBe(1);
    await expect(call("job", { idempotency_key: "k", note: "other" })).rejects.toMatchObject({ code: "key_reused" });
  });
});

describe("a task of another caller", () => {
  it("does not exist, for each way of asking", async () => {
    const { callAsTask, call, task } = testApp({ tools: [job(() => ({ done: 1 }), "allowed", { session: "none" })] });
    const { id } = await callAsTask("job", {}, "ana");
    await task(id, "ana").settled();
    const unknown = `tsk_${"0".repeat(26)}`;
    for (const name of ["get_task", "cancel_task"]) {
      const refusal = (task_id: string) =>
        call(name, { task_id }, "bob").catch((error: AppError) => error.message.replace(task_id, "…"));
      expect(await refusal(id)).toBe(await refusal(unknown));
    }
    expect(await call("list_tasks", {}, "bob")).toEqual({ tasks: [] });
    await expect(task(id, "bob").get()).rejects.toThrow("There is no task");
  });

  it("cannot be touched by a token that does not reach its tool", async () => {
    const { app, callAsTask } = testApp({ tools: [job(() => new Promise(() => {}), "allowed", { session: "none" })] });
    const { id } = await callAsTask("job", {}, "ana");
    const reader = makePrincipal("token", "token", "ana", ["read"]);
    const call = (name: string, args: Record<string, unknown>) =>
      app.call({ name, arguments: args, principal: reader });
    await expect(call("cancel_task", { task_id: id })).rejects.toMatchObject({ code: "forbidden" });
    await expect(call("get_task", { task_id: id })).rejects.toMatchObject({ code: "forbidden" });
  });
});

describe("what is kept of a call", () => {
  it("is its arguments and its caller's name, and not where it came from", async () => {
    const clock = movableClock();
    const kept: string[] = [];
    const store = new MemoryStore({ clock });
    const create = store.create.bind(store);
    store.create = (key, attributes, options) => {
      kept.push(JSON.stringify(attributes));
      return create(key, attributes, options);
    };
    const tools = [job(() => ({ done: 1 }), "allowed", { session: "none" })];
    const { app } = testApp({ tools, store, clock, access: { mode: "anonymous" } });
    const principal = { ...makePrincipal("anonymous", "stateful-mcp", "anonymous"), network: "a-network" };
    await app.call({ name: "job", arguments: { note: "an-argument" }, principal });
    expect(kept.join()).toContain("an-argument");
    expect(kept.join()).not.toContain("a-network");
  });
});

describe("bounds", () => {
  it("keep a caller from opening more tasks than the limit, until one has ended", async () => {
    const { callAsTask } = testApp({
      tools: [job(() => new Promise(() => {}))],
      limits: { tasksPerPrincipal: 3 },
    });
    const [first] = [await callAsTask("job"), await callAsTask("job"), await callAsTask("job")];
    await expect(callAsTask("job")).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("3 tasks"),
    });
    await first?.cancel();
    await callAsTask("job");
  });

  it("do not count what has ended", async () => {
    const { call } = testApp({ tools: [job(() => ({ done: 1 }))], limits: { tasksPerPrincipal: 2 } });
    for (let i = 0; i < 5; i++) expect(await call("job")).toMatchObject({ done: 1 });
  });

  it("let a process run so many at a time; the others wait and are run", async () => {
    const door = gate();
    let running = 0;
    let most = 0;
    const { callAsTask } = testApp({
      tools: [
        job(async () => {
          running += 1;
          most = Math.max(most, running);
          await door.pass();
          running -= 1;
          return { done: 1 };
        }),
      ],
      limits: { tasksPerProcess: 2 },
    });
    const tasks = await Promise.all(Array.from({ length: 5 }, () => callAsTask("job")));
    await door.arrived;
    door.open();
    for (const task of tasks) expect(await task.settled()).toMatchObject({ status: "completed" });
    expect(most).toBe(2);
  });

  it.each([
    ["a cache", { session: "none", cache: {} }, "allowed", "it is cached"],
    ["an unknown support", {}, "maybe", "allowed"],
    ["a time to live that is too long", {}, { ttlSeconds: 604_801 }, "604800"],
    ["a time limit of 0", {}, { timeoutSeconds: 0 }, "timeoutSeconds"],
  ])("refuse a definition with %s", (_, more, task, words) => {
    expect(() => job(() => ({ done: 1 }), task as never, more as never)).toThrow(words);
  });
});

describe("where no process lives on between requests", () => {
  it("a call is an ordinary one, what it asks first included, and no tools for tasks are offered", async () => {
    const { call, app } = testApp({
      runsTasks: false,
      tools: [job(async ({ step, task }) => ({ done: [await step("one", () => 1), task ?? null] }), "required")],
    });
    expect(await call("job", { idempotency_key: "k" })).toMatchObject({ done: [1, null] });
    expect(app.tools.map(({ name }) => name)).toEqual(["job"]);
  });
});

describe("orphans", () => {
  it("are found by the list of open tasks when their process has gone and no client asks", async () => {
    let runs = 0;
    const tools = [
      job(() => {
        runs += 1;
        return runs === 1 ? new Promise(() => {}) : { done: runs };
      }),
    ];
    const one = testApp({ tools });
    const { id } = await one.callAsTask("job");
    await expect.poll(() => runs).toBe(1);
    // The killed process had looked when it made the task.
    const two = one.crash();
    two.clock.advance(60);
    two.app.resumeTasks();
    await expect.poll(() => runs).toBe(2);
    expect(await two.task(id).settled()).toMatchObject({ status: "completed" });
  });
});

describe("a free task that eight processes meet at once", () => {
  it("is run by one of them", async () => {
    let runs = 0;
    const tools = [
      job(() => {
        runs += 1;
        return runs === 1 ? new Promise(() => {}) : { done: runs };
      }),
    ];
    const { logger, endings } = endingsOf();
    const one = testApp({ tools, logger });
    const { id } = await one.callAsTask("job");
    await expect.poll(() => runs).toBe(1);
    const first = one.crash();
    const { store, clock } = first;
    const fleet = [first, ...Array.from({ length: 7 }, () => testApp({ tools, logger, store, clock }))];
    clock.advance(LEASE_SECONDS);
    const views = await Promise.all(fleet.map((each) => each.task(id).settled()));
    for (const view of views) expect(view).toMatchObject({ status: "completed", outcome: { result: { done: 2 } } });
    expect(runs).toBe(2);
    expect(endings).toEqual(["completed"]);
  });
});

describe("list_tasks", () => {
  it("comes in pages, and refuses a cursor that it did not give", async () => {
    const { call, callAsTask } = testApp({ tools: [job(() => ({ done: 1 }))] });
    const made = await Promise.all(Array.from({ length: 5 }, () => callAsTask("job")));
    const seen: string[] = [];
    const sizes: number[] = [];
    let cursor: unknown;
    do {
      const page = await call("list_tasks", { limit: 2, ...(cursor !== undefined && { cursor }) });
      const tasks = page.tasks as { task_id: string }[];
      sizes.push(tasks.length);
      seen.push(...tasks.map(({ task_id }) => task_id));
      cursor = page.next_cursor;
    } while (cursor !== undefined);
    expect(Math.max(...sizes)).toBe(2);
    expect(seen.toSorted()).toEqual(made.map(({ id }) => id).toSorted());
    await expect(call("list_tasks", { cursor: "made up" })).rejects.toMatchObject({ code: "invalid_input" });
  });
});

describe("the open tasks of all callers", () => {
  it("are those that have not ended, with who runs them and whose they are", async () => {
    const { app, callAsTask, clock } = testApp({ tools: [job(() => new Promise(() => {}))] });
    const [alices, bobs, ended] = [
      await callAsTask("job", { session_id: "s" }, "alice"),
      await callAsTask("job", { session_id: "s" }, "bob"),
      await callAsTask("job"),
    ];
    await ended.cancel();
    const open: TaskHead[] = [];
    for await (const head of app.openTasks()) open.push(head);
    expect(open.map(({ id }) => id).toSorted()).toEqual([alices.id, bobs.id].toSorted());
    for (const head of open) expect(head).toMatchObject({ tool: "job", status: "working", attempts: 1 });
    expect(new Set(open.map(({ owner }) => owner)).size).toBe(2);
    expect(open[0]?.untilMs).toBeGreaterThan(clock.now());
  });
});

describe("a step", () => {
  it.each([
    ["whose name is used twice", ["one", "one"]],
    ["without a name", [""]],
    ["beyond the thousandth", Array.from({ length: 1_001 }, (_, at) => `${at}`)],
  ])("%s is a fault of the tool, in a task and in a plain call", async (_, names) => {
    const steps = async ({ step }: ToolContext) => {
      for (const name of names) await step(name, () => 1);
      return { done: 1 };
    };
    const { callAsTask } = testApp({ tools: [job(steps)] });
    expect(await (await callAsTask("job")).settled()).toMatchObject({ outcome: { error: { code: "internal" } } });
    const plain = testApp({ tools: [job(steps)], runsTasks: false });
    await expect(plain.call("job")).rejects.toMatchObject({ code: "internal" });
  });
});

/** As a store sees it that lost the reply to its first attempt: each write is made, and made again by its retry. */
function losingReplies(store: StateStore): StateStore {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return async (...given: unknown[]) => {
        if (name === "update" || name === "create") await Reflect.apply(member, target, given);
        return Reflect.apply(member, target, given);
      };
    },
  });
}

describe("when the reply to every write is lost once", () => {
  it("a task that writes, steps, asks and is killed has one outcome, and each of its effects once", async () => {
    const clock = movableClock();
    const store = losingReplies(new MemoryStore({ clock }));
    const door = gate();
    let runs = 0;
    const tools = await withNotes(
      job(async ({ session, step, answers }) => {
        runs += 1;
        await session.notes.add("note");
        const stepped = await step("one", () => runs);
        if (!answers) return inputRequired({ inputRequests: { q1: elicit("1"), q2: elicit("2") } });
        if (runs === 2) await door.pass();
        return { done: [stepped, Object.keys(answers).sort()] };
      }),
    );
    const { logger, endings } = endingsOf();
    const one = testApp({ tools, store, clock, logger });
    const task = await one.callAsTask("job", { idempotency_key: "k" });
    await task.settled();
    await task.answer({ "1.q1": accepted });
    await task.answer({ "1.q2": accepted });
    await door.arrived;
    const two = one.crash();
    clock.advance(LEASE_SECONDS);
    expect(await two.task(task.id).settled()).toMatchObject({
      status: "completed",
      outcome: { result: { done: [1, ["q1", "q2"]] } },
    });
    expect(await notesOf(two)).toEqual(["note"]);
    expect(endings).toEqual(["parked", "completed"]);
    expect((await two.callAsTask("job", { idempotency_key: "k" })).id).toBe(task.id);
  });

  it("cancelling, and ending, are each what they were", async () => {
    const clock = movableClock();
    const store = losingReplies(new MemoryStore({ clock }));
    const { callAsTask } = testApp({ tools: [job(() => new Promise(() => {}))], store, clock });
    const task = await callAsTask("job");
    await task.cancel();
    expect(await task.get()).toMatchObject({ status: "cancelled" });
    const quick = testApp({ tools: [job(() => ({ done: 1 }))], store, clock });
    expect(await (await quick.callAsTask("job")).settled()).toMatchObject({ status: "completed" });
  });
});
