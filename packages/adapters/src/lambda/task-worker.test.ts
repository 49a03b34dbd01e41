// What the worker does with messages, without a queue and without tasks: which it reports, and how long each is kept from others.
import { AppError, type TaskDelivery, type TaskMessage } from "@stateful-mcp/core";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { LambdaContext } from "./handler.ts";
import { type QueueEvent, taskWorker } from "./task-worker.ts";

const MINUTE = 60;
const LATER = 300;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const record = (messageId: string, body: unknown) => ({
  messageId,
  receiptHandle: `receipt of ${messageId}`,
  body: typeof body === "string" ? body : JSON.stringify(body),
});
const named = (id: string) => record(id, { owner: "alice", id, fence: 1 });
const contextOf = (leftMs: number) => ({ getRemainingTimeInMillis: () => leftMs }) as LambdaContext;

/** A worker whose runs end as a test says, and what it asked of the queue. */
function workerOf(run: (message: TaskMessage) => Promise<TaskDelivery>, keepFails = false) {
  const kept: [receipt: string, seconds: number][] = [];
  const limits: number[] = [];
  let settled = 0;
  const app = {
    options: {},
    settle: async () => {
      settled += 1;
    },
    runTask: async (message: TaskMessage, { timeLimitMs }: { timeLimitMs: number }) => {
      limits.push(timeLimitMs);
      return run(message);
    },
  };
  const keep = async (receipt: string, seconds: number) => {
    kept.push([receipt, seconds]);
    if (keepFails) throw new Error("The queue does not answer.");
  };
  const handle = taskWorker(app, { keep });
  const work = (Records: QueueEvent["Records"], leftMs = 900_000) => handle({ Records }, contextOf(leftMs));
  return { work, kept, limits, settled: () => settled };
}

it("reports a message as failed that is to come later, and that one only; it comes after minutes", async () => {
  const { work, kept, settled } = workerOf(async ({ id }) => (id === "runs elsewhere" ? "later" : "done"));
  const failures = await work([named("done"), named("runs elsewhere")]);
  expect(failures).toEqual({ batchItemFailures: [{ itemIdentifier: "runs elsewhere" }] });
  expect(kept).toEqual([
    ["receipt of done", MINUTE],
    ["receipt of runs elsewhere", MINUTE],
    ["receipt of runs elsewhere", LATER],
  ]);
  expect(settled()).toBe(1);
});

it("keeps a message for a minute at a time, for as long as its task runs, and no longer", async () => {
  const run = Promise.withResolvers<TaskDelivery>();
  const { work, kept } = workerOf(() => run.promise);
  const worked = work([named("long")]);
  await vi.advanceTimersByTimeAsync(61_000);
  expect(kept).toEqual(Array(4).fill(["receipt of long", MINUTE]));
  run.resolve("done");
  await worked;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(kept).toHaveLength(4);
});

it("leaves 20 s of the function's time, and of a short one a third", async () => {
  const { work, limits } = workerOf(async () => "done");
  await work([named("one")], 900_000);
  await work([named("one")], 6_000);
  await work([named("one")], 0);
  expect(limits).toEqual([880_000, 4_000, 0]);
});

it("reports what names no task, and a task that cannot be run now, without harm to the next message", async () => {
  const ran: string[] = [];
  const { work } = workerOf(async ({ id }) => {
    ran.push(id);
    if (id === "table away") throw new AppError("unavailable", "The table does not answer.");
    return "done";
  });
  const bad = ["no JSON", null, [], { owner: "alice", id: "no fence" }, { owner: 1, id: "x", fence: 1 }];
  const records = [...bad.map((body, at) => record(`bad ${at}`, body)), named("table away"), named("good")];
  const { batchItemFailures } = await work(records);
  expect(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier)).toEqual([
    ...bad.map((_, at) => `bad ${at}`),
    "table away",
  ]);
  expect(ran).toEqual(["table away", "good"]);
});

it("runs a task also when the queue does not say that it keeps the message", async () => {
  const { work } = workerOf(async ({ id }) => (id === "later" ? "later" : "done"), true);
  expect(await work([named("one"), named("later")])).toEqual({ batchItemFailures: [{ itemIdentifier: "later" }] });
});
