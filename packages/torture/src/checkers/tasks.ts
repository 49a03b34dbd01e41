// What may be seen of tasks: by those who ask for them, in their runs, and in the table at the end. It judges histories of answers
// and of what runs told about themselves; it shares no code with what it judges. All times are of one monotonic clock.

export type SeenStatus = "working" | "input_required" | "completed" | "failed" | "cancelled" | "unknown";

/** A task that a client was given. `mayEndAt`: from then on it may be unknown, because its time is over. */
export interface Created {
  readonly task: string;
  readonly mayEndAt?: number;
}

/** What one reader was told. */
export interface TaskRead {
  readonly task: string;
  readonly from: number;
  readonly to: number;
  readonly status: SeenStatus;
  /** The open questions, as text, by their keys. */
  readonly asks?: Readonly<Record<string, string>>;
  /** What came of it, as text that is the same for the same outcome. */
  readonly outcome?: string;
  /** The run that the outcome names. */
  readonly run?: string;
  /** The result lacks what clients insist on. */
  readonly malformed?: boolean;
  /** The outcome is a refusal that says "later". */
  readonly later?: boolean;
}

/** A run of a task's tool. */
export interface TaskRun {
  readonly task: string;
  readonly run: string;
  /** Named where no step and no answer begins the count anew, so that no two runs may have the same. */
  readonly attempt?: number;
  readonly began: number;
  /** When its tool came to its end, before that was written. */
  readonly ended?: number;
}

/** What a run was told that a step has come to, or that a question was answered with. */
export interface Told {
  readonly task: string;
  readonly what: string;
  readonly value: string;
}

/** An answer, or a cancellation, that was acknowledged. */
export interface Acknowledged {
  readonly task: string;
  readonly from: number;
  readonly to: number;
}

export interface TaskAnswer extends Acknowledged {
  readonly key: string;
  readonly value: string;
}

/** How often a keyed write of a task stands in our state. */
export interface Effect {
  readonly task: string;
  readonly effect: string;
  readonly times: number;
}

/** The table at a moment at which no request is under way. */
export interface TaskTable {
  readonly heads: readonly { readonly task: string; readonly status: string; readonly hasOutcome?: boolean }[];
  /** Entries of the list of open tasks; `old`: made more than a minute ago. */
  readonly open: readonly { readonly task: string; readonly old: boolean }[];
}

export interface TaskHistory {
  readonly created: readonly Created[];
  readonly reads: readonly TaskRead[];
  readonly runs: readonly TaskRun[];
  readonly steps: readonly Told[];
  readonly answers: readonly TaskAnswer[];
  /** What runs were told, by the key of the question. */
  readonly answersTold: readonly Told[];
  readonly cancels: readonly Acknowledged[];
  readonly effects: readonly Effect[];
  readonly table?: TaskTable;
}

/** Runs without progress that a task is given. */
const ATTEMPTS_MAX = 3;
const ENDED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

/** Every rule that the history breaks, one sentence each; none means that it may be. */
export function checkTasks(history: TaskHistory): string[] {
  const broken: string[] = [];
  const of = <T extends { readonly task: string }>(list: readonly T[]) => Map.groupBy(list, ({ task }) => task);
  const runs = of(history.runs);
  const answers = of(history.answers);
  const told = of(history.answersTold);
  const steps = of(history.steps);
  const cancels = of(history.cancels);
  const created = new Map(history.created.map((one) => [one.task, one]));
  for (const [task, reads] of of(history.reads)) {
    const complain = (sentence: string) => broken.push(`${task}: ${sentence}`);
    const inOrder = reads.toSorted((a, b) => a.to - b.to);
    checkStatus(inOrder, created.get(task), complain);
    checkOutcome(inOrder, runs.get(task) ?? [], complain);
    checkQuestions(inOrder, complain);
    for (const { to } of cancels.get(task) ?? []) {
      const after = inOrder.find(
        ({ from, status }) => from > to && (status === "working" || status === "input_required"),
      );
      if (after) complain(`a cancellation was acknowledged, and afterwards it was ${after.status}`);
    }
  }
  for (const [task, list] of steps) checkAgreement(list, "step", (sentence) => broken.push(`${task}: ${sentence}`));
  for (const [task, list] of told) {
    const complain = (sentence: string) => broken.push(`${task}: ${sentence}`);
    checkAgreement(list, "answer to", complain);
    for (const { what, value } of list) checkFirstStands(what, value, answers.get(task) ?? [], complain);
  }
  for (const [task, list] of runs) {
    const counted = list.filter(({ attempt }) => attempt !== undefined);
    for (const [attempt, same] of Map.groupBy(counted, (run) => run.attempt))
      if (same.length > 1) broken.push(`${task}: attempt ${attempt} was begun ${same.length} times`);
  }
  for (const { task, effect, times } of history.effects)
    if (times !== 1) broken.push(`${task}: its effect ${effect} stands ${times} times`);
  for (const one of history.created) checkEnd(one, history.reads, broken);
  if (history.table) checkTable(history.table, broken);
  return broken;
}

type Complain = (sentence: string) => void;

/** A status is never left once it is final, and a task does not vanish before its time. */
function checkStatus(reads: readonly TaskRead[], created: Created | undefined, complain: Complain): void {
  const ends = new Set(reads.map(({ status }) => status).filter((status) => ENDED.has(status)));
  if (ends.size > 1) complain(`it ended as ${[...ends].join(" and as ")}`);
  const ended = reads.find(({ status }) => ENDED.has(status));
  const left = ended && reads.find(({ from, status }) => from > ended.to && !ENDED.has(status) && status !== "unknown");
  if (left) complain(`it was ${ended.status}, and then ${left.status}`);
  for (const { status, asks, to } of reads) {
    if (status === "input_required" && Object.keys(asks ?? {}).length === 0) complain("it waits for nothing");
    if (status === "unknown" && created && to < (created.mayEndAt ?? Number.POSITIVE_INFINITY))
      complain("it was given to a client, and is unknown");
  }
}

/** All readers see one outcome, which is that of the run that began last. */
function checkOutcome(reads: readonly TaskRead[], runs: readonly TaskRun[], complain: Complain): void {
  const outcomes = new Set(reads.flatMap(({ outcome }) => (outcome === undefined ? [] : [outcome])));
  if (outcomes.size > 1) complain(`it has ${outcomes.size} outcomes: ${[...outcomes].join(", ").slice(0, 300)}`);
  if (reads.some(({ malformed }) => malformed)) complain("its result has no resultType");
  if (reads.some(({ later }) => later) && runs.length < ATTEMPTS_MAX)
    complain(`after ${runs.length} attempts a passing refusal was its outcome`);
  const named = reads.find(({ run }) => run !== undefined)?.run;
  if (named === undefined) return;
  const run = runs.find((one) => one.run === named);
  if (run?.ended === undefined) {
    complain(`its outcome is that of run ${named}, which did not come to its end`);
    return;
  }
  const { began, ended } = run;
  const later = runs.find((one) => one.began > began && one.began < ended);
  if (later) complain(`its outcome is that of run ${named}, which had lost it to run ${later.run}`);
}

/** A key stands for one question, which is asked once. */
function checkQuestions(reads: readonly TaskRead[], complain: Complain): void {
  const asking = reads.filter(({ asks }) => asks !== undefined);
  for (const key of new Set(asking.flatMap(({ asks }) => Object.keys(asks ?? {})))) {
    const texts = new Set(asking.flatMap(({ asks }) => asks?.[key] ?? []));
    if (texts.size > 1) complain(`the key ${key} stands for ${texts.size} questions`);
    const first = asking.find(({ asks }) => asks?.[key] !== undefined);
    const closed = first && reads.find(({ from, asks }) => from > first.to && asks?.[key] === undefined);
    const again = closed && asking.find(({ from, asks }) => from > closed.to && asks?.[key] !== undefined);
    if (again) complain(`the question ${key} was asked again`);
  }
}

function checkAgreement(told: readonly Told[], kind: string, complain: Complain): void {
  for (const [what, list] of Map.groupBy(told, (one) => one.what)) {
    const values = new Set(list.map(({ value }) => value));
    if (values.size > 1) complain(`its runs were told ${[...values].join(" and ")} for the ${kind} ${what}`);
  }
}

/** A run is told an answer that was given, and none that came after another had been acknowledged. */
function checkFirstStands(key: string, value: string, answers: readonly TaskAnswer[], complain: Complain): void {
  const own = answers.filter((answer) => answer.key === key);
  const given = own.filter((answer) => answer.value === value);
  if (given.length === 0) complain(`a run was told ${value} for ${key}, which was not given`);
  const early =
    given.length === 0 || given.some(({ from }) => !own.some((other) => other.value !== value && other.to < from));
  if (!early) complain(`the answer ${value} to ${key} counted, and came second`);
}

/**
 * What was acknowledged comes to an end, waits for its user, or has had its time. Of looks that overlap, the one that began first may
 * see the end, and the other one not yet.
 */
function checkEnd({ task }: Created, reads: readonly TaskRead[], broken: string[]): void {
  const own = reads.filter((read) => read.task === task);
  if (own.some(({ status }) => ENDED.has(status) || status === "unknown")) return;
  if (own.reduce<TaskRead | undefined>(later, undefined)?.status !== "input_required")
    broken.push(`${task}: it never came to an end`);
}

const later = (a: TaskRead | undefined, b: TaskRead): TaskRead => (a && a.from >= b.from ? a : b);

function checkTable({ heads, open }: TaskTable, broken: string[]): void {
  const headOf = new Map(heads.map((head) => [head.task, head]));
  const listed = new Set(open.map(({ task }) => task));
  for (const { task, old } of open)
    if (old && !headOf.has(task)) broken.push(`${task}: it is listed as open, and does not exist`);
  for (const { task, status, hasOutcome } of heads) {
    if (status === "working" && !listed.has(task)) broken.push(`${task}: it is working, and not listed as open`);
    if (status === "cancelled" && hasOutcome) broken.push(`${task}: it had ended when it was cancelled`);
  }
}
