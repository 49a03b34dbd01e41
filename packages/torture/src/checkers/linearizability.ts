// Decides whether a recorded history could have come from one copy of a thing on which every operation takes effect at one
// instant between its call and its answer. It knows no registers and no logs: a model says what a single step does.

export interface Operation<I, O> {
  /** What it was about. Different keys are independent of each other and are checked one by one. */
  readonly key: string;
  readonly input: I;
  /** Undefined: unknown (no answer, or one that leaves it open). Such an operation may take effect at any time after its call, or never. */
  readonly output: O | undefined;
  /** Milliseconds on the one monotonic clock of the history. */
  readonly invoked: number;
  /** Same clock; not looked at when the output is unknown. */
  readonly completed: number;
}

export interface Model<S, I, O> {
  readonly initial: S;
  /**
   * The state after the operation, or undefined when it could not have answered so in this state. For an unknown output: the
   * state after its effect, or undefined when it would have none.
   */
  step(state: S, input: I, output: O | undefined): S | undefined;
  /** The same for equal states, different for others. */
  identify(state: S): string | number;
  /** For people. */
  describe(state: S): string;
  /** False only if no sequence of operations with unknown outputs can lead from this state to one that allows this answer. */
  reachable(state: S, input: I, output: O): boolean;
  /** The same for operations that, with unknown outputs, could stand in for each other. */
  twin(input: I): string;
}

export type Verdict<I, O> =
  | { readonly verdict: "linearizable"; readonly steps: number }
  /** The search was cut off: nothing is shown. */
  | { readonly verdict: "undecided"; readonly steps: number }
  | {
      readonly verdict: "violation";
      readonly steps: number;
      /** How many answered operations the best order explains, the state it ends in, and what then does not fit. */
      readonly explained: number;
      readonly state: string;
      readonly unexplained: readonly Operation<I, O>[];
    };

interface Frame<S> {
  readonly state: S;
  /** Indexes into the operations. */
  readonly choices: readonly number[];
  next: number;
}

/**
 * Depth-first search for an order that explains every answer, after Wing and Gong, remembering as Lowe does which sets of
 * operations have led to which state, so that none is explored twice. `maxSteps` bounds time and memory.
 */
export function checkLinearizable<S, I, O>(
  model: Model<S, I, O>,
  history: readonly Operation<I, O>[],
  maxSteps = 500_000,
): Verdict<I, O> {
  const order = new Order(history, (input) => model.twin(input));
  const seen = new Set<string>();
  const stack: Frame<S>[] = [{ state: model.initial, choices: order.choices(), next: 0 }];
  const path: number[] = [];
  let best = { explained: 0, state: model.initial, choices: order.choices() };
  let steps = 0;

  while (order.left > 0) {
    const frame = stack.at(-1);
    if (frame === undefined) {
      const unexplained = best.choices.map((at) => order.at(at)).filter((operation) => operation.output !== undefined);
      return { verdict: "violation", steps, explained: best.explained, state: model.describe(best.state), unexplained };
    }
    const at = frame.choices[frame.next++];
    if (at === undefined) {
      stack.pop();
      const last = path.pop();
      if (last !== undefined) order.undo(last);
      continue;
    }
    if (++steps > maxSteps) return { verdict: "undecided", steps };
    const { input, output } = order.at(at);
    const state = model.step(frame.state, input, output);
    if (state === undefined) continue;
    // An unknown operation may only come in where it can help explain one of the answers that are due next.
    if (output === undefined && !frame.choices.some((next) => awaits(model, state, order.at(next)))) continue;
    order.do(at);
    const id = `${order.identify()}|${model.identify(state)}`;
    if (seen.has(id)) {
      order.undo(at);
      continue;
    }
    seen.add(id);
    path.push(at);
    const choices = order.choices();
    stack.push({ state, choices, next: 0 });
    if (order.explained > best.explained) best = { explained: order.explained, state, choices };
  }
  return { verdict: "linearizable", steps };
}

function awaits<S, I, O>(model: Model<S, I, O>, state: S, { input, output }: Operation<I, O>): boolean {
  return output !== undefined && model.reachable(state, input, output);
}

/** Which operations have been put in order so far, and which may come next. Answered ones come first, each kind by time of call. */
class Order<I, O> {
  readonly #operations: readonly Operation<I, O>[];
  readonly #answered: number;
  readonly #done: Uint8Array;
  /** For an unknown operation: its twin before it, which it need not overtake. */
  readonly #twin = new Map<number, number>();
  #first = 0;
  explained = 0;

  constructor(history: readonly Operation<I, O>[], twin: (input: I) => string) {
    const sorted = [...history].sort((a, b) => a.invoked - b.invoked);
    const answered = sorted.filter((operation) => operation.output !== undefined);
    this.#operations = [...answered, ...sorted.filter((operation) => operation.output === undefined)];
    this.#answered = answered.length;
    this.#done = new Uint8Array(this.#operations.length);
    const last = new Map<string, number>();
    for (let at = this.#answered; at < this.#operations.length; at++) {
      const kind = twin(this.at(at).input);
      const before = last.get(kind);
      if (before !== undefined) this.#twin.set(at, before);
      last.set(kind, at);
    }
  }

  get left(): number {
    return this.#answered - this.explained;
  }

  at(index: number): Operation<I, O> {
    return this.#operations[index] as Operation<I, O>;
  }

  do(index: number): void {
    this.#done[index] = 1;
    if (index < this.#answered) this.explained++;
    while (this.#done[this.#first] === 1 && this.#first < this.#answered) this.#first++;
  }

  undo(index: number): void {
    this.#done[index] = 0;
    if (index >= this.#answered) return;
    this.explained--;
    this.#first = Math.min(this.#first, index);
  }

  /** The open operations that were called before any open one was answered; answered ones first. */
  choices(): number[] {
    const choices: number[] = [];
    let firstAnswer = Number.POSITIVE_INFINITY;
    for (let at = this.#first; at < this.#answered && this.at(at).invoked <= firstAnswer; at++) {
      if (this.#done[at] === 1) continue;
      choices.push(at);
      firstAnswer = Math.min(firstAnswer, this.at(at).completed);
    }
    for (let at = this.#answered; at < this.#operations.length && this.at(at).invoked <= firstAnswer; at++) {
      const twin = this.#twin.get(at);
      if (this.#done[at] === 0 && (twin === undefined || this.#done[twin] === 1)) choices.push(at);
    }
    return choices;
  }

  /** The set of ordered operations, in few characters: all before the first open one, and these others. */
  identify(): string {
    const others: number[] = [];
    const end = this.#first < this.#answered ? this.at(this.#first).completed : Number.NEGATIVE_INFINITY;
    for (let at = this.#first + 1; at < this.#answered && this.at(at).invoked <= end; at++) {
      if (this.#done[at] === 1) others.push(at);
    }
    for (let at = this.#answered; at < this.#operations.length; at++) if (this.#done[at] === 1) others.push(at);
    return `${this.#first}:${others.join()}`;
  }
}

/** The first key whose history does not stand, with its verdict; undefined when all are linearizable. */
export function firstFailure<I, O>(
  history: readonly Operation<I, O>[],
  check: (history: readonly Operation<I, O>[]) => Verdict<I, O>,
): { key: string; verdict: Verdict<I, O> } | undefined {
  for (const [key, operations] of Map.groupBy(history, (operation) => operation.key)) {
    const verdict = check(operations);
    if (verdict.verdict !== "linearizable") return { key, verdict };
  }
  return undefined;
}
