// Tasks in memory, run by processes that are paused and killed, with a client that reads, answers and cancels: one set of rules that
// is right, and many that lack one. Each wrong one must be caught by the checker of tasks, with which they share no code.
import type { Random } from "@stateful-mcp/rig";
import type { SeenStatus, TaskHistory, TaskTable } from "./tasks.ts";

export const TASK_BUGS = [
  "finish by status only",
  "take without owner",
  "park unfenced",
  "answer unversioned",
  "open entry closed at park",
  "retryable error as final",
  "key without round",
  "result without resultType",
  "step put unconditional",
  "cancel as flag without effect",
] as const;
export type TaskBug = (typeof TASK_BUGS)[number];

const TASK = "task";
const LEASE = 25;
/** How long a process that was paused stays so. */
const PAUSE_MAX = 90;
const ATTEMPTS_MAX = 3;
const QUESTIONS = ["p", "q"];

interface Head {
  status: Exclude<SeenStatus, "unknown">;
  runner: string;
  fence: number;
  until: number;
  attempts: number;
  round: number;
  open: string[];
  askedBy: number;
  version: number;
  outcome?: { text: string; run?: string; later?: boolean };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };
type Recorded = Mutable<Omit<TaskHistory, "table">> & { table?: TaskTable };

/** A `yield` stands between two requests to the table; what is yielded is how long the process pauses there. */
type Work = Generator<number | undefined, void>;

/** One task from its creation to the last look at it. */
export class SimulatedTask {
  readonly #random: Random;
  readonly #bug: TaskBug | undefined;
  readonly #head: Head;
  readonly #history: Recorded = {
    created: [{ task: TASK }],
    reads: [],
    runs: [],
    steps: [],
    answers: [],
    answersTold: [],
    cancels: [],
    effects: [],
  };
  readonly #questions = new Map<string, Record<string, string>>();
  readonly #answers = new Map<string, string>();
  #step: string | undefined;
  #listed = true;
  #now = 0;
  #serial = 0;
  readonly #rounds: number;
  readonly #refusals: number;
  /** Whether clients ask for it, which finds it also where the list does not name it. */
  readonly #polled: boolean;

  constructor(random: Random, bug?: TaskBug) {
    this.#random = random;
    this.#bug = bug;
    this.#rounds = random.int(0, 2);
    this.#refusals = random.chance(0.3) ? 1 : 0;
    this.#polled = random.chance(0.5);
    const lease = { runner: "r0", fence: 1, until: LEASE, attempts: 1 };
    this.#head = { status: "working", ...lease, round: 0, open: [], askedBy: 0, version: 1 };
  }

  play(): TaskHistory {
    const works: { work: Work; until: number }[] = [];
    const begin = (work: Work) => works.push({ work, until: 0 });
    begin(this.#run({ ...this.#head, open: [] }));
    for (let reader = 0; reader < 2; reader++) begin(this.#reader(60));
    for (let client = 0; client < 2; client++) begin(this.#answerer());
    if (this.#random.chance(0.3)) begin(this.#cancel());
    for (let looks = 0; works.length > 0; ) {
      this.#now += 1;
      // A look by a process that goes through the list of open tasks, or was asked for this one.
      if (looks < 40 && this.#random.chance(0.15)) {
        looks += 1;
        begin(this.#look());
      }
      const ready = works.filter(({ until }) => until <= this.#now);
      if (ready.length === 0) continue;
      const one = this.#random.pick(ready);
      const step = one.work.next();
      if (step.done) works.splice(works.indexOf(one), 1);
      else if (step.value !== undefined) one.until = this.#now + step.value;
    }
    const open = this.#listed ? [{ task: TASK, old: true }] : [];
    this.#history.table = { heads: [{ task: TASK, status: this.#head.status }], open };
    this.#settle();
    return this.#history;
  }

  /** After all faults: those that look find it, and its user answers, until it has ended. */
  #settle(): void {
    const through = (work: Work) => {
      let step = work.next();
      while (!step.done) step = work.next();
    };
    for (let round = 0; round < 12; round++) {
      this.#now += LEASE + PAUSE_MAX;
      through(this.#look(false));
      through(this.#answer(QUESTIONS, "late"));
      through(this.#reader(1));
    }
  }

  #record(status: SeenStatus, from: number, asks?: Record<string, string>): void {
    const { outcome } = this.#head;
    const ended = status === "completed" && outcome;
    const result = ended && {
      outcome: outcome.text,
      ...(outcome.run !== undefined && { run: outcome.run }),
      ...(outcome.later && { later: true }),
      malformed: this.#bug === "result without resultType",
    };
    this.#history.reads.push({ task: TASK, from, to: this.#now, status, ...(asks && { asks }), ...result });
  }

  *#reader(times: number): Work {
    for (let read = 0; read < times; read++) {
      const { status, round, askedBy, open } = this.#head;
      const from = this.#now;
      const asked = this.#questions.get(`${round}/${askedBy}`) ?? {};
      const asks = Object.fromEntries(Object.entries(asked).filter(([key]) => open.includes(key)));
      this.#record(status, from, status === "input_required" ? asks : undefined);
      yield this.#random.int(0, 4);
    }
  }

  #write(change: Partial<Head>): void {
    Object.assign(this.#head, change, { version: this.#head.version + 1 });
  }

  #holds({ runner, fence }: Head): boolean {
    return this.#head.status === "working" && this.#head.runner === runner && this.#head.fence === fence;
  }

  *#look(faults = true): Work {
    const seen = { ...this.#head };
    if (!this.#listed && !(faults && this.#polled)) return;
    if (seen.status !== "working" || seen.until > this.#now) return;
    yield undefined;
    const standing = this.#head;
    const as = standing.runner === seen.runner && standing.fence === seen.fence && standing.until === seen.until;
    if (standing.status !== "working" || !(as || this.#bug === "take without owner")) return;
    const lease = { runner: `r${++this.#serial}`, fence: seen.fence + 1, until: this.#now + LEASE };
    this.#write({ ...lease, attempts: seen.attempts + 1 });
    yield* this.#run({ ...this.#head }, faults);
  }

  *#run(head: Head, faults = true): Work {
    if (head.attempts > ATTEMPTS_MAX) {
      if (this.#holds(head)) this.#write({ status: "failed", until: 0 });
      yield undefined;
      if (this.#head.status === "failed") this.#listed = false;
      return;
    }
    const run: { task: string; run: string; attempt?: number; began: number; ended?: number } = {
      task: TASK,
      run: head.runner,
      began: this.#now,
      ...(this.#rounds === 0 && { attempt: head.attempts }),
    };
    this.#history.runs.push(run);
    const mishap = () => (faults && this.#random.chance(0.15) ? this.#random.int(LEASE, PAUSE_MAX) : undefined);
    const dies = () => faults && this.#random.chance(0.05);
    yield mishap();
    for (const key of Object.keys(this.#questions.get(`${head.round}/${head.askedBy}`) ?? {}))
      this.#history.answersTold.push({ task: TASK, what: key, value: this.#answers.get(key) ?? "nothing" });
    if (dies()) return;
    let step = this.#step;
    if (step === undefined) {
      yield mishap();
      if (this.#step === undefined || this.#bug === "step put unconditional") this.#step = `made by ${head.runner}`;
      step = this.#step;
    }
    this.#history.steps.push({ task: TASK, what: "step", value: step });
    yield mishap();
    if (dies()) return;
    run.ended = this.#now;
    if (this.#history.runs.length <= this.#refusals) {
      yield mishap();
      if (!this.#holds(head)) return;
      if (this.#bug === "retryable error as final") yield* this.#finish(head, { text: "refused", later: true });
      else this.#write({ until: 0 });
      return;
    }
    yield mishap();
    if (head.round < this.#rounds) yield* this.#park(head);
    else yield* this.#finish(head, { text: `result of ${head.runner}`, run: head.runner });
  }

  *#park(head: Head): Work {
    const round = head.round + 1;
    const prefix = this.#bug === "key without round" ? 1 : round;
    const asks = QUESTIONS.map((name) => [`${prefix}.${name}`, `${name} of ${head.runner}`] as const);
    this.#questions.set(`${round}/${head.fence}`, Object.fromEntries(asks));
    yield undefined;
    const status = this.#head.status === "working" && this.#bug === "park unfenced";
    if (!this.#holds(head) && !status) return;
    this.#write({ status: "input_required", round, askedBy: head.fence, until: 0, open: asks.map(([key]) => key) });
    if (this.#bug !== "open entry closed at park") return;
    yield undefined;
    this.#listed = false;
  }

  *#finish(head: Head, outcome: NonNullable<Head["outcome"]>): Work {
    const status = this.#bug === "finish by status only" && this.#head.status === "working";
    if (!this.#holds(head) && !status) return;
    this.#write({ status: "completed", until: 0, outcome });
    yield undefined;
    this.#listed = false;
  }

  *#answerer(): Work {
    const name = `client ${++this.#serial}`;
    for (let times = 0; times < 12; times++) {
      const which = this.#random.chance(0.5) ? QUESTIONS : [this.#random.pick(QUESTIONS)];
      yield* this.#answer(which, `${times} of ${name}`);
      yield this.#random.int(0, 20);
    }
  }

  *#answer(names: readonly string[], value: string): Work {
    const from = this.#now;
    for (let round = 0; round < 8; round++) {
      const seen = { ...this.#head };
      const keys = seen.open.filter((key) => names.includes(key.slice(key.indexOf(".") + 1)));
      if (seen.status !== "input_required" || keys.length === 0) return;
      yield undefined;
      for (const key of keys) {
        if (!this.#answers.has(key)) this.#answers.set(key, value);
        this.#history.answers.push({ task: TASK, key, value, from, to: Number.POSITIVE_INFINITY });
      }
      yield undefined;
      const unseen = this.#bug === "answer unversioned" && this.#head.status === "input_required";
      if (this.#head.version !== seen.version && !unseen) continue;
      const open = this.#head.open.filter((key) => !keys.includes(key));
      // As what was seen says, not as what stands there now.
      const last = keys.length === seen.open.length;
      const freed = { status: "working", until: 0, attempts: 0, fence: this.#head.fence + 1 } as const;
      this.#write({ open, ...(last && freed) });
      for (const key of keys) this.#history.answers.push({ task: TASK, key, value, from, to: this.#now });
      if (!last || this.#bug !== "open entry closed at park") return;
      // The process may end before it has put back what it took away.
      if (this.#random.chance(0.3)) return;
      yield undefined;
      this.#listed = true;
      return;
    }
  }

  *#cancel(): Work {
    yield this.#random.int(0, 80);
    const from = this.#now;
    for (;;) {
      const { status } = this.#head;
      yield undefined;
      if (status !== "working" && status !== "input_required") break;
      if (this.#bug === "cancel as flag without effect") break;
      if (this.#head.status !== status) continue;
      this.#write({ status: "cancelled", until: 0 });
      yield undefined;
      this.#listed = false;
      break;
    }
    this.#history.cancels.push({ task: TASK, from, to: this.#now });
  }
}
