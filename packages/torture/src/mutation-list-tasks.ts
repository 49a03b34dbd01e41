// The conditions that keep a task one: of two runs, of a run and a cancellation, of a question and its answers.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these texts are source code.
import type { Mutation } from "./mutation-list.ts";

const TASKS = { file: "state/tasks.ts", tests: ["calls/tasks.test.ts"] };
const RUN = { file: "calls/run-task.ts", tests: ["calls/tasks.test.ts"] };
const BOUNDS = { file: "calls/task-runner.ts", tests: ["calls/task-bounds.test.ts"] };
const QUEUED = { file: "calls/queued-tasks.ts", tests: ["calls/queued-tasks.test.ts"] };
const LISTENED = { file: "mcp/listen-tasks.ts", tests: ["mcp/listen-tasks.test.ts"] };
const CALLED = { file: "calls/call-task.ts", tests: ["calls/queued-tasks.test.ts"] };
const WORKER = {
  package: "adapters",
  file: "lambda/task-worker.ts",
  tests: ["lambda/task-worker.test.ts"],
} as const;
const CLAIM = { file: "state/idempotency.ts", tests: ["calls/tasks.test.ts"] };

export const TASK_MUTATIONS: readonly Mutation[] = [
  {
    ...TASKS,
    name: "only the run that holds the task ends it",
    from: "{ set, expiresAt }, { match: holding(head) }",
    to: "{ set, expiresAt }, {}",
  },
  {
    ...TASKS,
    name: "a run is told apart by its fence, not by the status alone",
    from: '({ status: "working", runner, fence });',
    to: '({ status: "working", ...(runner && fence ? {} : {}) });',
  },
  {
    ...TASKS,
    name: "a cancelled or ended task stays as it is",
    from: "if (!head || isEnded(head)) return head;",
    to: "if (!head) return head;",
  },
  {
    ...TASKS,
    name: "a question is known by its round",
    from: "`${round}.${name}`",
    to: "`1.${name}`",
  },
  {
    ...TASKS,
    name: "the last answer frees the task",
    from: "answered.length === head.open.length",
    to: "false",
  },
  {
    ...TASKS,
    name: "an ended task leaves the list of open ones",
    from: "if (ended) await this.openList.remove(head);",
    to: "",
  },
  {
    ...RUN,
    name: "a run finds the steps of an earlier one",
    from: "head.fence <= 1 ? undefined : await tasks.stepOf(head, name)",
    to: "undefined as string | undefined",
  },
  {
    ...RUN,
    name: "a task is given up after some attempts",
    from: "head.attempts > ATTEMPTS_MAX",
    to: "false",
  },
  {
    ...RUN,
    name: "a run that the state was away for is no attempt",
    from: "error instanceof StateUnavailable && error.retryable",
    to: "false",
  },
  {
    ...RUN,
    name: "a passing refusal is no answer while attempts are left",
    from: "error.retryable && this.#counted < ATTEMPTS_MAX",
    to: "false",
  },
  {
    ...RUN,
    name: "a run that is handed over is no attempt",
    from: "uncounted: !thrown.counted",
    to: "uncounted: false",
  },
  {
    ...RUN,
    name: "a step that a run kept and could not tell counts when its task would be given up",
    from: "progressBy > head.progressBy ? head.attempts - attempts + 1 : head.attempts",
    to: "head.attempts",
  },
  {
    ...RUN,
    name: "a step that was told is counted once",
    from: "progressBy > head.progressBy ?",
    to: "progressBy > 0 ?",
    tests: ["calls/queued-tasks.test.ts"],
  },
  {
    ...RUN,
    name: "runs are counted from the one that kept the last step",
    from: "head.attempts - attempts + 1",
    to: "1",
  },
  {
    ...RUN,
    name: "a refusal after a step is the first of a new count",
    from: "      this.#counted = 1;\n",
    to: "",
  },
  {
    ...TASKS,
    name: "answers begin a new count, also after earlier steps",
    from: "fence: head.fence + 1, progressBy: head.fence }",
    to: "fence: head.fence + 1 }",
  },
  {
    ...TASKS,
    name: "a step names the run that kept it",
    from: "beside: { fence, attempts } satisfies StepMaker",
    to: "beside: {}",
  },
  {
    ...RUN,
    name: "a client is asked only what it can be asked",
    from: "if (missing) return",
    to: "if (missing && Date.now() < 0) return",
  },
  {
    ...BOUNDS,
    name: "a process runs so many tasks at a time",
    from: "this.#running.size < this.#slots && ",
    to: "",
  },
  {
    ...BOUNDS,
    name: "one caller leaves slots to others",
    from: "(this.#taken.get(caller) ?? 0) < share",
    to: "share > 0",
  },
  {
    ...CLAIM,
    name: "a later run takes over the claim of an earlier one, also one whose lease lasts",
    from: 'const held = await this.leases.take(key, entry, { fenceAbove: 0, expiresAt });\n      if (held) return new KeyedCall(this, key, hash, "", { takenOver: { entry, held }, expiresAt });',
    to: 'return new KeyedCall(this, key, hash, "", { expiresAt });',
  },
  {
    file: "calls/run-task.ts",
    tests: ["calls/task-deploys.test.ts"],
    name: "deploys: a process leaves a tool that it does not have to one that may have it",
    from: "state.clock.now() - Math.max(untilMs, updatedMs) < UNKNOWN_TOOL_MS;",
    to: "state.clock.now() < Math.max(untilMs, updatedMs) - UNKNOWN_TOOL_MS;",
  },
  {
    file: "calls/run-task.ts",
    tests: ["calls/task-deploys.test.ts"],
    name: "deploys: a tool that no version has any more fails its tasks",
    from: "state.clock.now() - Math.max(untilMs, updatedMs) < UNKNOWN_TOOL_MS;",
    to: "state.clock.now() > 0;",
  },
  {
    ...QUEUED,
    name: "queue: the process that takes a call leaves its task to a worker",
    from: "runner: SENT_FOR, fence: 1, attempts: 0",
    to: "runner: newRunner(), fence: 1, attempts: 0",
  },
  {
    ...QUEUED,
    name: "queue: a call whose message was not sent is refused",
    from: 'throw new AppError("unavailable", message, { cause: error, retryAfterSeconds: 1 });',
    to: "this.#services.logger.warn({ err: error }, message);",
  },
  {
    ...CALLED,
    name: "queue: a call that was refused leaves no task to be run",
    from: "if (!caller.keyed) await",
    to: "if (caller.keyed) await",
  },
  {
    ...QUEUED,
    name: "queue: of many looks at a free task one sends for a worker",
    from: "if (held) await this.#queue.send(messageOf(held));",
    to: "await this.#queue.send(messageOf(held ?? seen));",
  },
  {
    ...QUEUED,
    name: "queue: a message of a task that has ended, or asks, is nothing",
    from: 'if (seen?.status !== "working") return "done";',
    to: 'if (!seen) return "done";',
  },
  {
    ...QUEUED,
    name: "queue: a message of an older sending takes nothing from a newer one",
    from: "!(isSentFor && seen.fence === fence)",
    to: "!isSentFor",
  },
  {
    ...QUEUED,
    name: "queue: a message that comes again while its task runs is kept",
    from: 'return isSentFor ? "done" : "later";',
    to: 'return "done";',
  },
  {
    ...QUEUED,
    name: "queue: a task that runs is taken from none",
    from: "!isFree(seen, clock.now()) && !(isSentFor",
    to: "!isFree(seen, clock.now()) && isSentFor && !(isSentFor",
  },
  {
    ...QUEUED,
    name: "queue: a worker leaves a tool that it does not know to a newer one",
    from: "if (isToolToCome(this.#services, seen)) return",
    to: "if (!seen.tool) return",
  },
  {
    ...QUEUED,
    name: "queue: a run ends when its worker's time is over",
    from: "new HandedOver({ counted: true })), options.timeLimitMs);",
    to: "new HandedOver({ counted: true })), 2 ** 30);",
  },
  {
    ...QUEUED,
    name: "queue: a run whose time is over counts as an attempt",
    from: "new HandedOver({ counted: true })",
    to: "new HandedOver({ counted: false })",
  },
  {
    ...QUEUED,
    name: "queue: a run that hands its task on sends for a worker",
    from: 'if (ended.ending === "released") await',
    to: 'if (ended.ending === "expired") await',
  },
  {
    ...QUEUED,
    name: "queue: a worker is sent for after the pause of a refusal",
    from: "{ afterMs: ended.againMs ?? 0 }",
    to: "{ afterMs: 0 }",
  },
  {
    ...LISTENED,
    name: "listen: a task of another caller is not acknowledged",
    from: "if (!view || !isAdmitted(view, admit)) continue;",
    to: "if (view && !isAdmitted(view, admit)) continue;",
  },
  {
    ...LISTENED,
    name: "listen: a task that the caller's token does not allow is not acknowledged",
    from: "!view || !isAdmitted(view, admit)",
    to: "!view",
  },
  {
    ...LISTENED,
    name: "listen: what has not changed is not told again",
    from: "if (!view || stateOf(view) === this.#told.get(id)) return false;",
    to: "if (!view) return false;",
  },
  {
    ...LISTENED,
    name: "listen: a stream ends when all of its tasks have ended",
    from: "if (!view || isEnded(view)) this.#told.delete(id);",
    to: "",
  },
  {
    ...LISTENED,
    name: "listen: a task that had ended before is told",
    from: 'view.status === "working" ? stateOf(view) : ""',
    to: "stateOf(view)",
  },
  {
    ...LISTENED,
    name: "listen: a stream that its client has left asks the table nothing",
    from: "this.#over.abort();",
    to: "",
  },
  {
    ...LISTENED,
    name: "listen: a stream that its client has left gives its place back",
    from: "        this.onend();\n",
    to: "",
  },
  {
    ...LISTENED,
    name: "listen: a table that does not answer ends no stream",
    from: "    } catch {\n      return false;\n    }\n    if (!view || isEnded",
    to: "    } finally {\n    }\n    if (!view || isEnded",
  },
  {
    ...LISTENED,
    name: "listen: the stream's end comes after that of its tasks",
    from: "if (result !== undefined) await poll;",
    to: "",
  },
  {
    ...WORKER,
    name: "worker: a message that is to come later is reported as failed",
    from: 'if (delivery === "done") continue;',
    to: "if (delivery) continue;",
  },
  {
    ...WORKER,
    name: "worker: a message that was done is reported as done",
    from: 'if (delivery === "done") continue;',
    to: "",
  },
  {
    ...WORKER,
    name: "worker: a message that is to come later comes back after minutes",
    from: "await keep.for(LATER_SECONDS);",
    to: "",
  },
  {
    ...WORKER,
    name: "worker: a run ends before the function's time",
    from: "left - Math.min(LEAVE_MS, left * LARGEST_PART)",
    to: "left",
  },
  {
    ...WORKER,
    name: "worker: a message comes back soon when its worker dies",
    from: "      await forSeconds(KEPT_SECONDS);\n",
    to: "",
  },
  {
    ...WORKER,
    name: "worker: a message is kept for as long as its task runs",
    from: "const timer = setInterval(() => void forSeconds(KEPT_SECONDS), KEEP_EVERY_MS);",
    to: "const timer = setInterval(() => {}, KEEP_EVERY_MS);",
  },
  {
    ...WORKER,
    name: "worker: a message that names no task is refused and takes no other one with it",
    from: 'throw new AppError("invalid_input", "The message names no task: expected owner, id and fence");',
    to: "return Object(JSON.parse(body));",
  },
  {
    ...WORKER,
    name: "worker: a queue that does not answer ends no run",
    from: '.catch((error: unknown) => logger.debug({ err: error }, "A message\'s visibility could not be changed"));',
    to: ";",
  },
  {
    ...WORKER,
    name: "worker: what goes on in the background is done before the environment is frozen",
    from: "    await app.settle();\n",
    to: "",
  },
];
