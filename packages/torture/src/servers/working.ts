// A server whose tools run as tasks and tell the bar, at each point, where they are: what holds of a task is judged by what its runs
// have said and by what clients were told. Its clock may run faster than time, so that leases end sooner, or be wrong by some seconds.
import { randomBytes } from "node:crypto";
import {
  AppError,
  acceptedContent,
  builtinTools,
  type Clock,
  defineTool,
  inputRequired,
  parseTokens,
  systemClock,
} from "@stateful-mcp/core";
import * as z from "zod";
import { appOf, countRun, serve } from "./serve.ts";

const { CLOCK_SPEED = "1", CLOCK_FROM = "0", TASK_TOKENS, TASKS_PER_PRINCIPAL = "100000" } = process.env;
const clock: Clock = {
  now: () => Number(CLOCK_FROM) + (systemClock.now() - Number(CLOCK_FROM)) * Number(CLOCK_SPEED),
};

const form = z.object({ value: z.string() });
const NAMES = ["p", "q"];

const input = z.object({
  /** Named in its notes. */
  job: z.string(),
  steps: z.int().default(1),
  /** How often it asks two questions. */
  rounds: z.int().default(0),
  /** Its first attempts that are refused for a passing reason. */
  refusals: z.int().default(0),
  /** Written, with its keys, into the session. */
  writes: z.boolean().default(true),
  /** What becomes of its first run. */
  first: z.enum(["runs", "blocks"]).default("runs"),
  /** For how long it stops the whole process. */
  blocksMs: z.int().default(0),
  resultBytes: z.int().default(0),
});

const work = defineTool({
  name: "work",
  description: "Works in steps, asks, writes notes, and tells where it is.",
  task: "allowed",
  input,
  output: z.object({ run: z.string(), text: z.string() }),
  run: async (given, { session, step, task, signal, answers, requestState, progress }) => {
    const run = randomBytes(6).toString("base64url");
    const tell = (phase: string, facts: object = {}) =>
      countRun(
        JSON.stringify({ task: task?.id ?? "none", run, phase, ...(given.writes && { job: given.job }), ...facts }),
      );
    signal.addEventListener("abort", () => void tell("aborted").catch(() => {}), { once: true });
    const round = Number(requestState ?? 0);
    await tell("began", { attempt: task?.attempt });
    for (const name of round === 0 ? [] : NAMES) {
      const value = acceptedContent(answers, name, form)?.value ?? "nothing";
      await tell("answer", { what: `${round}.${name}`, value });
    }
    if (given.first === "blocks" && task?.attempt === 1)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, given.blocksMs);
    if (given.writes) await session.notes.add(`${given.job} begun`);
    for (let at = 0; at < given.steps; at++) {
      const what = `step ${at}`;
      const value = await step(what, () => tell("in step", { what }));
      progress(at + 1, given.steps, "é".repeat(200));
      await tell("step", { what, value });
    }
    if ((task?.attempt ?? 1) <= given.refusals) throw new AppError("unavailable", "Not now.", { retryable: true });
    if (round < given.rounds) {
      await tell("asks");
      const ask = (name: string) =>
        inputRequired.elicit({ message: `${name} in round ${round + 1}, asked by run ${run}`, requestedSchema: form });
      const inputRequests = Object.fromEntries(NAMES.map((name) => [name, ask(name)]));
      return inputRequired({ inputRequests, requestState: String(round + 1) });
    }
    if (given.writes) await session.notes.add(`${given.job} ended`);
    await tell("end");
    return { run, text: "x".repeat(given.resultBytes) };
  },
});

const poison = defineTool({
  name: "poison",
  description: "Ends its process each time.",
  task: "allowed",
  input: z.object({}),
  session: "none",
  run: async (_, { task }) => {
    await countRun(JSON.stringify({ task: task?.id, run: randomBytes(6).toString("base64url"), phase: "began" }));
    process.kill(process.pid, "SIGKILL");
    return "never";
  },
});

/** Names that mean something to JavaScript, or to the table. */
const NAMED = ["__proto__", "constructor", "ask.", "#", "a.b", "I#1.q", "status", "é", " "];

const bounds = defineTool({
  name: "bounds",
  description: "Asks too much of the server.",
  task: "allowed",
  session: "none",
  input: z.object({ what: z.enum(["steps", "questions", "names", "message"]) }),
  output: z.object({ reached: z.int() }),
  run: async ({ what }, { step, progress, answers }) => {
    if (answers) return { reached: NAMED.filter((name) => acceptedContent(answers, name, form)).length };
    if (what === "steps") for (let at = 0; ; at++) await step(`step ${at}`, () => at);
    if (what === "message") {
      progress(1, 2, "😀".repeat(75));
      return { reached: 1 };
    }
    const names = what === "questions" ? Array.from({ length: 64 }, (_, at) => `q${at}`) : NAMED;
    const ask = (name: string) => inputRequired.elicit({ message: name, requestedSchema: form });
    return inputRequired({ inputRequests: Object.fromEntries(names.map((name) => [name, ask(name)])) });
  },
});

await serve(
  await appOf({
    tools: [...builtinTools({ backend: "dynamodb", anonymous: false, ttlSeconds: 0 }), work, poison, bounds],
    clock,
    limits: { tasksPerPrincipal: Number(TASKS_PER_PRINCIPAL) },
    ...(TASK_TOKENS && { access: { mode: "tokens", tokens: parseTokens(TASK_TOKENS) } as const }),
  }),
);
