import { inputRequired } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { ToolContext } from "../define/context.ts";
import { defineTool } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import { type LogFields, silentLogger } from "../logger.ts";
import { type TestApp, testApp } from "../testing/test-app.ts";
import type { TaskMessage, TaskQueue } from "./queued-tasks.ts";

const LIMIT = { timeLimitMs: 60_000 };
/** A worker that was sent for and does not come is sent for again after so long. */
const SENT_FOR_SECONDS = 61;
const LEASE_SECONDS = 21;

/** A queue that delivers when a test says so. */
class Messages implements TaskQueue {
  readonly sent: (TaskMessage & { afterMs?: number | undefined })[] = [];
  away = false;

  async send(message: TaskMessage, options: { afterMs?: number } = {}): Promise<void> {
    if (this.away) throw new AppError("unavailable", "The queue does not answer.");
    this.sent.push({ ...message, ...options });
  }

  async next(): Promise<TaskMessage> {
    await expect.poll(() => this.sent.length).toBeGreaterThan(0);
    return this.sent.shift() as TaskMessage;
  }
}

/** An app whose tasks a worker runs, and what that worker came to. */
function queued(run: (context: ToolContext) => unknown) {
  const job = defineTool({
    name: "job",
    description: "Works.",
    input: z.object({}),
    output: z.object({ done: z.unknown() }),
    task: "allowed",
    run: async (_, context) => run(context) as { done: unknown },
  });
  const taskQueue = new Messages();
  const endings: unknown[] = [];
  const info = ({ outcome }: LogFields, message: string) => {
    if (message === "task") endings.push(outcome);
  };
  const api = testApp({ tools: [job], taskQueue, logger: { ...silentLogger, info } });
  return { ...api, taskQueue, endings };
}

const deliver = async ({ app, taskQueue }: Pick<TestApp, "app"> & { taskQueue: Messages }, limit = LIMIT) =>
  app.runTask(await taskQueue.next(), limit);

describe("where a worker is sent for", () => {
  it("the process that takes the call does not run its task, and the worker does", async () => {
    let runs = 0;
    const api = queued(() => ({ done: ++runs }));
    const task = await api.callAsTask("job");
    expect(await task.get()).toMatchObject({ status: "working" });
    expect(runs).toBe(0);
    expect(await deliver(api)).toBe("done");
    expect(await task.get()).toMatchObject({ status: "completed", outcome: { result: { done: 1 } } });
    expect(api.endings).toEqual(["completed"]);
    expect(api.taskQueue.sent).toEqual([]);
  });

  it("a message tells which task, and nothing of it", async () => {
    const { callAsTask, taskQueue } = queued(() => ({ done: 1 }));
    const { id } = await callAsTask("job", { session_id: "s" }, "alice");
    const message = await taskQueue.next();
    expect(message).toEqual({ owner: expect.any(String), id, fence: 1 });
    expect(JSON.stringify(message)).not.toContain("alice");
  });

  it("a message that comes again while the task runs is kept, and after its end it is nothing", async () => {
    let open = () => {};
    const door = new Promise<void>((resolve) => {
      open = resolve;
    });
    let runs = 0;
    const { app, callAsTask, taskQueue } = queued(async () => {
      runs += 1;
      await door;
      return { done: 1 };
    });
    await callAsTask("job");
    const message = await taskQueue.next();
    const first = app.runTask(message, LIMIT);
    await expect.poll(() => runs).toBe(1);
    expect(await app.runTask(message, LIMIT)).toBe("later");
    open();
    expect(await first).toBe("done");
    expect(await app.runTask(message, LIMIT)).toBe("done");
    expect(runs).toBe(1);
  });

  it("a message that is lost costs a look: the next one after a minute sends again, and many send once", async () => {
    const api = queued(() => ({ done: 1 }));
    const task = await api.callAsTask("job");
    const lost = await api.taskQueue.next();
    await task.get();
    expect(api.taskQueue.sent).toEqual([]);
    api.clock.advance(SENT_FOR_SECONDS);
    await Promise.all(Array.from({ length: 8 }, () => task.get()));
    await api.app.settle();
    expect(api.taskQueue.sent).toEqual([{ ...lost, fence: 2 }]);
    // The one that was thought lost comes late, and the newer one follows.
    expect(await api.app.runTask(lost, LIMIT)).toBe("done");
    expect(await task.get()).toMatchObject({ status: "working" });
    expect(await deliver(api)).toBe("done");
    expect(await task.get()).toMatchObject({ status: "completed" });
  });

  it("a call whose message cannot be sent is refused and leaves no task; with a key, called again, it is that task", async () => {
    const api = queued(() => ({ done: 1 }));
    api.taskQueue.away = true;
    await expect(api.callAsTask("job")).rejects.toMatchObject({ code: "unavailable", retryable: true });
    await expect(api.callAsTask("job", { idempotency_key: "k" })).rejects.toMatchObject({ code: "unavailable" });
    api.taskQueue.away = false;
    const task = await api.callAsTask("job", { idempotency_key: "k" });
    expect(await deliver(api)).toBe("done");
    expect(await task.get()).toMatchObject({ status: "completed" });
    const { tasks } = await api.call("list_tasks");
    expect((tasks as { status: string }[]).map(({ status }) => status).toSorted()).toEqual(["cancelled", "completed"]);
  });

  it("a worker that was killed is followed by its message's next delivery", async () => {
    let runs = 0;
    const api = queued(() => (++runs === 1 ? new Promise(() => {}) : { done: runs }));
    const { id } = await api.callAsTask("job");
    const message = await api.taskQueue.next();
    void api.app.runTask(message, LIMIT);
    await expect.poll(() => runs).toBe(1);
    const other = api.crash();
    expect(await other.app.runTask(message, LIMIT)).toBe("later");
    other.clock.advance(LEASE_SECONDS);
    expect(await other.app.runTask(message, LIMIT)).toBe("done");
    expect(await other.task(id).get()).toMatchObject({ status: "completed", outcome: { result: { done: 2 } } });
  });

  it("answers to a question send for a worker", async () => {
    const api = queued(({ answers }) =>
      answers
        ? { done: Object.keys(answers) }
        : inputRequired({
            inputRequests: { sure: inputRequired.elicit({ message: "Sure?", requestedSchema: z.object({}) }) },
          }),
    );
    const task = await api.callAsTask("job");
    expect(await deliver(api)).toBe("done");
    expect(await task.get()).toMatchObject({ status: "input_required" });
    expect(api.taskQueue.sent).toEqual([]);
    await task.answer({ "1.sure": { action: "accept", content: {} } });
    expect(await deliver(api)).toBe("done");
    expect(await task.get()).toMatchObject({ status: "completed", outcome: { result: { done: ["sure"] } } });
    expect(api.endings).toEqual(["parked", "completed"]);
  });

  it("a refusal for a passing reason is tried again after its pause", async () => {
    let runs = 0;
    const api = queued(() => {
      runs += 1;
      if (runs === 1) throw new AppError("unavailable", "Not now.");
      return { done: runs };
    });
    const task = await api.callAsTask("job");
    expect(await deliver(api)).toBe("done");
    expect(api.taskQueue.sent).toMatchObject([{ afterMs: 1_000 }]);
    api.clock.advance(1);
    expect(await deliver(api)).toBe("done");
    expect(await task.get()).toMatchObject({ status: "completed", outcome: { result: { done: 2 } } });
  });

  it("a worker whose time is over hands on at once, and goes on for as long as steps are made", async () => {
    const api = queued(async ({ step, task }) => {
      for (let part = 1; part <= 5; part++) {
        const fresh = await step(`part ${part}`, () => task?.attempt);
        // One part is done in each run; then its time is over.
        if (fresh === task?.attempt && part < 5 && !(await seen(part))) await new Promise(() => {});
      }
      return { done: "all" };
    });
    const parts = new Set<number>();
    async function seen(part: number) {
      const before = parts.has(part);
      parts.add(part);
      return before;
    }
    const task = await api.callAsTask("job");
    for (let run = 1; run <= 5; run++) expect(await deliver(api, { timeLimitMs: 50 })).toBe("done");
    expect(api.endings).toEqual(["released", "released", "released", "released", "completed"]);
    expect(await task.get()).toMatchObject({ status: "completed" });
  });

  it("a worker whose time is always over without a step gives up after three runs", async () => {
    const api = queued(() => new Promise(() => {}));
    const task = await api.callAsTask("job");
    for (let run = 1; run <= 4; run++) expect(await deliver(api, { timeLimitMs: 20 })).toBe("done");
    expect(api.endings).toEqual(["released", "released", "released", "given_up"]);
    expect(await task.get()).toMatchObject({ status: "failed" });
    expect(api.taskQueue.sent).toEqual([]);
  });

  it("a step counts for the runs after it, and no longer", async () => {
    let runs = 0;
    const api = queued(async ({ step }) => {
      runs += 1;
      if (runs === 3) await step("one", () => 1);
      return new Promise(() => {});
    });
    await api.callAsTask("job");
    for (let run = 1; run <= 6; run++) expect(await deliver(api, { timeLimitMs: 50 })).toBe("done");
    expect(api.endings).toEqual([...Array.from({ length: 5 }, () => "released"), "given_up"]);
  });

  it("a worker that does not know the tool leaves it to a newer one", async () => {
    const api = queued(() => ({ done: 1 }));
    await api.callAsTask("job");
    const older = testApp({ tools: [], taskQueue: api.taskQueue, store: api.store, clock: api.clock });
    const message = await api.taskQueue.next();
    expect(await older.app.runTask(message, LIMIT)).toBe("later");
    expect(await api.app.runTask(message, LIMIT)).toBe("done");
  });
});

it("an app that runs its tasks itself takes no messages", async () => {
  await expect(testApp().app.runTask({ owner: "o", id: "i", fence: 1 }, LIMIT)).rejects.toThrow("taskQueue");
});
