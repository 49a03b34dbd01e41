// The conditions that keep a task one: of two runs, of a run and a cancellation, of a question and its answers.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these texts are source code.
import type { Mutation } from "./mutation-list.ts";

const TASKS = { file: "state/tasks.ts", tests: ["calls/tasks.test.ts"] };
const RUN = { file: "calls/run-task.ts", tests: ["calls/tasks.test.ts"] };
const RUNNER = { file: "calls/task-runner.ts", tests: ["calls/tasks.test.ts"] };
const BOUNDS = { file: "calls/task-runner.ts", tests: ["calls/task-bounds.test.ts"] };
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
    name: "a passing refusal is no answer while attempts are left",
    from: "error.retryable && this.#head.attempts < ATTEMPTS_MAX",
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
    ...RUNNER,
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
];
