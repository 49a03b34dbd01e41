// T6: a process dies between two requests to the table, before each of them in turn, and after each was committed. Another one finds the
// task or lets the call make it, and nothing is there twice. And a task's time ends when it ends, also where clocks are wrong.
import { acceptedContent, builtinTools, defineTool, inputRequired, type Tool } from "@stateful-mcp/core";
import * as z from "zod";
import { defineBar } from "../bars.ts";
import { checkTasks, type TaskHistory } from "../checkers/tasks.ts";
import { callApp, resend } from "./calls.ts";
import { Cluster, MovedClock } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";
import { inProcess, TASK_LEASE_MS, tableOf, until } from "./task-rig.ts";

interface Scale {
  /** How often the whole script is played with its process dying at one request after the other, in both ways. */
  readonly scripts: number;
  /** It is cut at each so many of them. */
  readonly every: number;
}

const WIDTH = 4;
/** The script makes about so many requests to the table. */
const SCRIPT_REQUESTS = 60;
/** More than that. */
const CUTS_MAX = 120;
const TTL_SECONDS = 60;
const RESULT_KEPT_SECONDS = 3_600;
const WRONG_SECONDS = 5;
/** For clocks that are wrong, and for the time that passes meanwhile. */
const SLACK_SECONDS = 60;
/** More than stands in the head. */
const LARGE = "x".repeat(5_000);
const REFUSED_MAX = 5;
const form = z.object({ value: z.string() });

/** Where a run is, and what lets it go on. */
interface Held {
  readonly aborted: () => boolean;
  readonly release: () => void;
}

/** Writes, remembers a step, asks, and ends with more than a head holds; or is held until it is released. */
function toolsOf(held?: Map<string, Held>): Tool[] {
  let runs = 0;
  const work = defineTool({
    name: "work",
    description: "Works.",
    task: { support: "allowed", ttlSeconds: held ? TTL_SECONDS : 86_400 },
    input: z.object({ job: z.string(), does: z.enum(["all", "waits", "asks", "ends"]) }),
    output: z.object({ run: z.string(), text: z.string() }),
    run: async ({ job, does }, { session, step, task, signal, answers }) => {
      const run = `${process.pid}.${++runs}`;
      if (does === "ends") return { run, text: "" };
      if (does === "waits") {
        const opened = Promise.withResolvers<void>();
        held?.set(task?.id ?? "", { aborted: () => signal.aborted, release: opened.resolve });
        await opened.promise;
        return { run, text: "" };
      }
      const ask = (message: string) => inputRequired.elicit({ message, requestedSchema: form });
      if (does === "all") {
        await session.notes.add(`${job} begun`);
        await step("one", () => run);
      }
      if (!answers) return inputRequired({ inputRequests: { p: ask("p"), q: ask("q") } });
      await session.notes.add(`${job} ended`);
      const given = ["p", "q"].map((name) => acceptedContent(answers, name, form)?.value);
      return { run, text: `${given.join()} ${LARGE}` };
    },
  });
  return [...builtinTools({ backend: "dynamodb", anonymous: false, ttlSeconds: 0 }), work];
}

const limits = { tasksPerPrincipal: 100_000 };

/** One script whose process dies at its n-th request. False when it made fewer. */
async function cutAt(cluster: Cluster, name: string, n: number, committed: boolean, tally: Tally): Promise<boolean> {
  const clock = new MovedClock();
  const first = await cluster.join({ clock, tools: toolsOf(), limits });
  let dead = false;
  first.proxy.order((at) => {
    if (at < n) return undefined;
    dead = true;
    return at === n && committed ? "commit-then-drop" : "drop-before";
  });
  const one = inProcess(first.app);
  const job = `${name} cut ${n}${committed ? " committed" : ""}`;
  const call = { job, session_id: name, does: "all" };
  const id = await one.create("work", call, { key: job });
  while (!dead && id !== undefined) {
    const read = await one.get(id);
    if (read?.status === "completed") break;
    // One answer at a time, so that there is a moment between them.
    const [key] = Object.keys(read?.asks ?? {});
    if (key !== undefined) await one.answer(id, { [key]: `first ${key}` });
  }
  // Its requests find no table any more; how long it takes to give up concerns no other process.
  const killed = cluster.kill(first);
  clock.advance(TASK_LEASE_MS / 1000 + 1);
  const second = await cluster.join({ clock, tools: toolsOf(), limits });
  const other = inProcess(second.app);
  // On a busy machine a table that is whole can be too slow; the same call may be made again then.
  let again: string | undefined;
  do again = await other.create("work", call, { key: job });
  while (again === undefined && other.refused.at(-1)?.code === "unavailable" && other.refused.length < REFUSED_MAX);
  const told = () => other.refused.map(({ text }) => text).join();
  tally.count(again !== undefined);
  tally.expect(
    again !== undefined && (id ?? again) === again,
    () => `${job}: the call made again has task ${again}, not ${id}; refused: ${told()}`,
  );
  const last = again === undefined ? undefined : await other.settle(again);
  tally.expect(last?.status === "completed", () => `${job}: the task is ${last?.status}: ${last?.outcome}`);
  const noted = await resend(() => callApp(second.app, "get_notes", { session_id: name, limit: 1000 }));
  const notes = "result" in noted ? noted.result.notes : [];
  const own = (notes as string[]).filter((note) => note.startsWith(`${job} begun`) || note.startsWith(`${job} ended`));
  tally.expect(own.join() === `${job} begun,${job} ended`, () => `${job}: its notes are ${own}`);
  const list = ["created", "reads", "answers", "cancels"] as const;
  const history = Object.fromEntries(list.map((part) => [part, [...one[part], ...other[part]]]));
  const seen = { runs: [], steps: [], answersTold: [], effects: [], ...history } as unknown as TaskHistory;
  // What runs said is not asked for here: of a process that has died, it is not known.
  const reads = seen.reads.map(({ run: _, ...read }) => read);
  for (const sentence of checkTasks({ ...seen, reads })) tally.expect(false, () => `${job}: ${sentence}`);
  void killed;
  return dead;
}

/** A task's time, for processes whose clocks are wrong by some seconds: it is over for all of them, and a result is kept an hour. */
async function timeIsOver(cluster: Cluster, tally: Tally): Promise<void> {
  const clock = new MovedClock();
  const held = new Map<string, Held>();
  const tools = toolsOf(held);
  const wrong = WRONG_SECONDS * 1000;
  const [ahead, behind] = await Promise.all(
    [wrong, -wrong].map((ms) => cluster.join({ clock: clock.skewedBy(ms), tools, limits })),
  );
  if (!ahead || !behind) throw new Error("An app could not be made.");
  const clients = [inProcess(ahead.app), inProcess(behind.app)] as const;
  const statuses = async (id: string) => Promise.all(clients.map(async (client) => (await client.get(id))?.status));
  const expectAll = async (id: string, what: string, status: string) => {
    const seen = await statuses(id);
    tally.count();
    tally.expect(
      seen.every((one) => one === status),
      () => `${what}: a task is ${seen} where it should be ${status}`,
    );
  };
  for (const maker of clients) {
    const create = async (does: string) => {
      const id = await maker.create("work", { job: does, session_id: "time", does });
      if (id === undefined) throw new Error("A task was refused.");
      return id;
    };
    const [waits, asks, ends] = await Promise.all([create("waits"), create("asks"), create("ends")]);
    await until("one asks and one has ended", async () => {
      const [asking, ended] = await Promise.all([maker.get(asks), maker.get(ends)]);
      return asking?.status === "input_required" && ended?.status === "completed" && held.has(waits);
    });
    // As long as each clock may say so.
    clock.advance(TTL_SECONDS + SLACK_SECONDS);
    await expectAll(waits, "after its time, running", "unknown");
    await expectAll(asks, "after its time, asking", "unknown");
    await expectAll(ends, "after its time, ended", "completed");
    for (const client of clients) {
      const answers = [
        await client.answer(asks, { "1.p": "late" }),
        await client.cancel(asks),
        await client.cancel(waits),
      ];
      tally.expect(!answers.some(Boolean), () => "a task whose time is over was answered or cancelled");
    }
    await until("the run of a task whose time is over is told", () => held.get(waits)?.aborted() === true);
    held.get(waits)?.release();
    clock.advance(RESULT_KEPT_SECONDS - TTL_SECONDS - 3 * SLACK_SECONDS);
    await expectAll(ends, "nearly an hour after its end", "completed");
    clock.advance(4 * SLACK_SECONDS);
    await expectAll(ends, "over an hour after its end", "unknown");
  }
}

export default defineBar<Scale>({
  id: "T6",
  title: "a process that dies between any two requests leaves nothing half done, and a task's time ends by any clock",
  test: { scripts: 1, every: 4 },
  full: { scripts: 10, every: 1 },
  async run({ scale, random, progress }) {
    const tally = new Tally(progress, (scale.scripts * 2 * SCRIPT_REQUESTS) / scale.every);
    await using cluster = await Cluster.start(random);
    let cuts = 0;
    await inParallel(2 * scale.scripts, WIDTH, async (at) => {
      for (let n = random.int(1, scale.every); n <= CUTS_MAX; n += scale.every) {
        const cut = await cutAt(cluster, `script ${at}`, n, at % 2 === 0, tally);
        if (!cut) return;
        cuts += 1;
      }
      tally.expect(false, () => `the script makes more than ${CUTS_MAX} requests`);
    });
    const { heads, open } = tableOf(await cluster.items());
    for (const { task, status } of heads)
      tally.expect(status === "completed", () => `${task} is left in the table as ${status}`);
    const made = new Set(heads.map(({ task }) => task));
    tally.expect(made.size === tally.operations, () => `${tally.operations} calls have ${made.size} tasks`);
    const left = open.filter(({ task }) => !made.has(task));
    tally.expect(left.length === 0, () => `${left.length} entries of the list of open tasks have no task`);
    await timeIsOver(cluster, tally);
    return tally.outcome({ "process died between two requests": cuts, "clock that is wrong": 2 });
  },
});
