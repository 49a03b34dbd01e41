// T5: whose a task is, and how much of it there may be. Another caller's task is answered like one that never existed; a call that is
// made again under its key finds its task; limits are told and hold; names that mean something to a table or to JavaScript mean nothing.
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { defineBar } from "../bars.ts";
import type { StoredItem } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";
import { TaskRig, type WireAnswer } from "./task-rig.ts";

interface Scale {
  /** Foreign looks, answers and cancellations. */
  readonly foreign: number;
  /** Calls that are made again under their keys, five times each. */
  readonly keyed: number;
}

const PROCESSES = 3;
const WIDTH = 8;
const OPEN_MAX = 100;
const HEAD_MAX_BYTES = 4_096;
const UNDECLARED = { elicitation: { form: {} } };
const LARGE_BYTES = 5_000_000;
const UNKNOWN = `tsk_${"0".repeat(26)}`;
const HOSTILE_IDS = ["__proto__", "", "#", "tsk_", `${UNKNOWN}#A`, `${UNKNOWN}\u0000`, "K#tsk_", "a".repeat(5_000)];

const token = (): string => randomBytes(32).toString("base64url");
const TOKENS = { alice: token(), bob: token(), reader: token() };

const told = (answer: WireAnswer | undefined): string => JSON.stringify({ ...answer, error: answer?.error });

export default defineBar<Scale>({
  id: "T5",
  title: "a foreign task does not exist, a key has one task, and no bound gives way",
  test: { foreign: 150, keyed: 20 },
  full: { foreign: 30_000, keyed: 1_000 },
  async run({ scale, random, progress }) {
    const tally = new Tally(progress, scale.foreign + 5 * scale.keyed);
    const names = `alice=${TOKENS.alice}\nbob=${TOKENS.bob}\nreader:read=${TOKENS.reader}`;
    const env = { TASK_TOKENS: names, TASKS_PER_PRINCIPAL: String(OPEN_MAX) };
    await using tasks = await TaskRig.start(tally, { random, size: PROCESSES, stepMs: 1, env });
    const { session_id } = await tasks.rig.client.must("create_session", {}, { token: TOKENS.alice });
    const alice = { tasks, tally, session_id };
    await foreign(alice, scale.foreign);
    await keyed(alice, scale.keyed);
    await bounds(alice);
    await open(alice);
    checkItems(await tasks.rig.items(), tally);
    for (const { task } of tasks.tasks.created) await tasks.tasks.get(task, { token: TOKENS.alice });
    await tasks.check();
    return tally.outcome({ "foreign request": scale.foreign, "call made again": 5 * scale.keyed });
  },
});

const QUICK = { steps: 0, writes: false };

/** The caller whose tasks they are. */
interface Alice {
  readonly tasks: TaskRig;
  readonly tally: Tally;
  readonly session_id: unknown;
}

async function createOf({ tasks, session_id }: Alice, args: object, key?: string): Promise<string> {
  const asking = { token: TOKENS.alice, key };
  const id = await tasks.tasks.create("work", { job: "job", session_id, ...args }, asking);
  if (id === undefined) throw new Error("A task was refused.");
  return id;
}

/** By another principal and by one without the right, of a parked task: as if there were none, and nothing changes. */
async function foreign(alice: Alice, times: number): Promise<void> {
  const { tasks, tally } = alice;
  const { tasks: client } = tasks;
  const id = await createOf(alice, { rounds: 1, writes: false });
  while ((await client.get(id, { token: TOKENS.alice }))?.status !== "input_required") await sleep(50);
  const methods = [
    ["tasks/get", {}],
    ["tasks/update", { inputResponses: { "1.p": { action: "accept", content: { value: "from bob" } } } }],
    ["tasks/cancel", {}],
  ] as const;
  await inParallel(times, WIDTH, async (at) => {
    const [method, more] = methods[at % methods.length] ?? methods[0];
    const asking = { token: TOKENS.bob };
    const [theirs, none] = await Promise.all([
      client.send(method, { taskId: id, ...more }, asking),
      client.send(method, { taskId: UNKNOWN, ...more }, asking),
    ]);
    const same = told(theirs).replaceAll(id, "") === told(none).replaceAll(UNKNOWN, "");
    tally.count(theirs !== undefined);
    tally.expect(same, () => `${method} of a foreign task: ${told(theirs)}; of none: ${told(none)}`);
    tally.expect(theirs?.error?.code === -32_602, () => `${method} of a foreign task was answered ${told(theirs)}`);
  });
  for (const [method, more] of methods.slice(1)) {
    const refused = await client.send(method, { taskId: id, ...more }, { token: TOKENS.reader });
    tally.expect(refused?.error !== undefined, () => `${method} by a reader was answered ${told(refused)}`);
  }
  const nobody = await client.send("tasks/get", { taskId: id });
  tally.expect(nobody?.http === 401, () => `without a token a task was answered ${told(nobody)}`);
  const list = await tasks.rig.client.must("list_tasks", {}, { token: TOKENS.bob });
  tally.expect(!JSON.stringify(list).includes(id), () => "list_tasks names a foreign task");
  for (const taskId of HOSTILE_IDS) {
    const answer = await client.send("tasks/get", { taskId }, { token: TOKENS.alice });
    const refused = answer === undefined || (answer.http < 500 && answer.result === undefined);
    tally.expect(refused, () => `tasks/get of ${JSON.stringify(taskId.slice(0, 40))} was answered ${told(answer)}`);
  }
  const parked = await client.get(id, { token: TOKENS.alice });
  tally.expect(parked?.status === "input_required", () => `foreign requests made a task ${parked?.status}`);
  await client.settle(id, { token: TOKENS.alice });
}

/** While it is made, while it runs, after its end, with other arguments, by a client that takes no tasks. */
async function keyed(alice: Alice, times: number): Promise<void> {
  const { tasks, tally, session_id } = alice;
  const { tasks: client } = tasks;
  await inParallel(times, WIDTH, async (at) => {
    const key = `key ${at}`;
    const send = () => createOf(alice, { ...QUICK, steps: 2, job: `keyed ${at}` }, key);
    const together = await Promise.all([send(), send(), send()]);
    const [id = ""] = together;
    await client.settle(id, { token: TOKENS.alice });
    const afterwards = await send();
    const ids = new Set([...together, afterwards]);
    for (const _ of [...together, afterwards]) tally.count();
    tally.expect(ids.size === 1, () => `one key has ${ids.size} tasks`);
    const asking = { token: TOKENS.alice, key };
    const call = { name: "work", arguments: { job: `keyed ${at}`, session_id, ...QUICK, steps: 2 } };
    const plain = await client.send("tools/call", call, { ...asking, capabilities: UNDECLARED });
    const result = plain?.result?.structuredContent as { run?: string } | undefined;
    const runs = tasks.of(id, "began");
    tally.count();
    tally.expect(runs.length === 1, () => `a call that was made five times was run ${runs.length} times`);
    tally.expect(result?.run === runs[0]?.run, () => `a client that takes no tasks was answered ${told(plain)}`);
    const other = { name: "work", arguments: { job: "another", session_id, ...QUICK } };
    const reused = told(await client.send("tools/call", other, asking));
    tally.expect(reused.includes("key_reused"), () => `a key with other arguments was answered ${reused}`);
  });
}

/** Too many steps and questions, names that mean something elsewhere, long messages, large results. */
async function bounds(alice: Alice): Promise<void> {
  const { tasks, tally } = alice;
  const { tasks: client } = tasks;
  const asking = { token: TOKENS.alice };
  const ended = async (what: string) => {
    const id = await client.create("bounds", { what }, asking);
    tally.count(id !== undefined);
    return client.settle(id ?? "none", asking);
  };
  for (const what of ["steps", "questions"]) {
    const { status, outcome = "" } = await ended(what);
    tally.expect(status === "completed", () => `too many ${what}: ${status} ${outcome}`);
    tally.expect(outcome.includes('"isError":true'), () => `too many ${what} were let through: ${outcome}`);
  }
  const named = await ended("names");
  const answered = named.outcome?.includes('"reached":9') === true;
  tally.expect(answered, () => `questions with hostile names: ${JSON.stringify(named)}`);
  const message = await ended("message");
  tally.expect(message.status === "completed", () => `a long message: ${JSON.stringify(message)}`);
  const large = await createOf(alice, { ...QUICK, resultBytes: LARGE_BYTES });
  const { status, outcome = "" } = await client.settle(large, asking);
  const refused = status === "completed" && outcome.includes("too_large");
  tally.expect(refused, () => `a result of ${LARGE_BYTES} bytes: ${status} ${outcome.slice(0, 200)}`);
}

/** As many open tasks as there may be, and one more. */
async function open({ tasks, tally, session_id }: Alice): Promise<void> {
  const { tasks: client, fleet } = tasks;
  const asking = { token: TOKENS.alice, address: fleet.live[0]?.address };
  const call = { name: "work", arguments: { job: "open", session_id, rounds: 1, writes: false } };
  const ids: string[] = [];
  let refusal: WireAnswer | undefined;
  while (refusal === undefined && ids.length <= OPEN_MAX) {
    const answer = await client.send("tools/call", call, asking);
    if (answer?.result?.resultType === "task") ids.push(String(answer.result.taskId));
    else refusal = answer;
  }
  tally.count();
  tally.expect(ids.length === OPEN_MAX, () => `one caller had ${ids.length} open tasks`);
  const right = told(refusal).includes(`${OPEN_MAX} tasks`);
  tally.expect(right, () => `one more open task was answered ${told(refusal)}`);
  await inParallel(ids, WIDTH, async (id) => void (await client.cancel(id, asking)));
  // What a process has counted, it believes for a while; another one counts anew.
  const again = await client.send("tools/call", call, { ...asking, address: fleet.live[1]?.address });
  tally.expect(again?.result?.resultType === "task", () => `with room again a task was refused: ${told(again)}`);
  await client.cancel(String(again?.result?.taskId), asking);
}

/** No head is large, and no token stands anywhere. */
function checkItems(items: readonly StoredItem[], tally: Tally): void {
  for (const item of items) {
    const text = JSON.stringify(item);
    if (item.sk?.S?.startsWith("K#"))
      tally.expect(Buffer.byteLength(text) <= HEAD_MAX_BYTES, () => `a head has ${text.length} bytes: ${text}`);
    const leaks = Object.values(TOKENS).some((secret) => text.includes(secret) || text.includes(secret.slice(0, 20)));
    tally.expect(!leaks, () => `a token stands in ${item.pk?.S} ${item.sk?.S}`);
  }
}
