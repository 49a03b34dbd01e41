// What the notes of one session may do: append, read, reset. It judges histories of tool answers; it shares no code with
// what it judges.
import { checkLinearizable, type Model, type Operation, type Verdict } from "./linearizability.ts";

/** The text of each append must be unique in its history. */
export type NotesInput =
  | { readonly op: "append"; readonly note: string }
  | { readonly op: "read" }
  | { readonly op: "reset" };

/** An answer; what it does not say is not checked. */
export interface NotesOutput {
  /** Append: how many notes there are, this one included. */
  readonly count?: number;
  /** Append: must be different for each note. */
  readonly id?: string;
  /** Read: all notes, oldest first. */
  readonly notes?: readonly string[];
  /** Reset: how many notes there were. */
  readonly cleared?: number;
}

export type NotesOperation = Operation<NotesInput, NotesOutput>;

/** A list as the path from the empty one, shared by all lists that begin alike: equal lists are the same object. */
export interface List {
  readonly id: number;
  readonly length: number;
  /** The last note. */
  readonly note: string;
  readonly before: List | undefined;
  readonly longer: Map<string, List>;
}

export class NotesModel implements Model<List, NotesInput, NotesOutput> {
  readonly initial: List = { id: 0, length: 0, note: "", before: undefined, longer: new Map() };
  readonly #read = new WeakMap<NotesOutput, List>();
  /** The list that a note ends, as readers saw it. A note is appended once at most, so there is no other place for it. */
  readonly #seen = new Map<string, List>();
  #lists = 1;

  constructor(history: readonly NotesOperation[]) {
    for (const { output } of history) {
      if (output?.notes === undefined) continue;
      for (let list = this.#shown(output); list.before !== undefined; list = list.before) {
        if (this.#seen.get(list.note) === list) break;
        this.#seen.set(list.note, list);
      }
    }
  }

  step(state: List, input: NotesInput, output: NotesOutput | undefined): List | undefined {
    switch (input.op) {
      case "append":
        if ((output?.count ?? state.length + 1) !== state.length + 1) return undefined;
        if (output === undefined && (this.#seen.get(input.note)?.before ?? state) !== state) return undefined;
        return this.#append(state, input.note);
      case "read":
        return output !== undefined && this.#shown(output) === state ? state : undefined;
      case "reset":
        if (output === undefined && state.length === 0) return undefined;
        return (output?.cleared ?? state.length) === state.length ? this.initial : undefined;
    }
  }

  identify(state: List): number {
    return state.id;
  }

  describe(state: List): string {
    const notes: string[] = [];
    for (let list: List | undefined = state; list?.before !== undefined; list = list.before) notes.unshift(list.note);
    return JSON.stringify(notes);
  }

  // An unknown reset can empty any list, but what was appended just before it, no reader has seen: such an order is as good
  // without that append. So only appends need to be thought of here.
  reachable(state: List, input: NotesInput, output: NotesOutput): boolean {
    if (input.op === "append") return output.count === undefined || state.length < output.count;
    if (input.op === "reset") return output.cleared === undefined || state.length <= output.cleared;
    let list: List | undefined = this.#shown(output);
    while (list !== undefined && list.length > state.length) list = list.before;
    return list === state;
  }

  /** Notes that no reader ever saw cannot be told apart. */
  twin(input: NotesInput): string {
    return input.op === "append" && this.#seen.has(input.note) ? `append ${input.note}` : input.op;
  }

  #append(list: List, note: string): List {
    let longer = list.longer.get(note);
    if (longer === undefined) {
      longer = { id: this.#lists++, length: list.length + 1, note, before: list, longer: new Map() };
      list.longer.set(note, longer);
    }
    return longer;
  }

  #shown(output: NotesOutput): List {
    let list = this.#read.get(output);
    if (list === undefined) {
      list = (output.notes ?? []).reduce((list, note) => this.#append(list, note), this.initial);
      this.#read.set(output, list);
    }
    return list;
  }
}

/** Checks the history of one session. */
export function checkNotes(history: readonly NotesOperation[], maxSteps?: number): Verdict<NotesInput, NotesOutput> {
  const identified = history.filter(({ input, output }) => input.op === "append" && output?.id !== undefined);
  const twins = [...Map.groupBy(identified, ({ output }) => output?.id).values()].find((group) => group.length > 1);
  if (twins !== undefined) {
    return { verdict: "violation", steps: 0, explained: 0, state: "two notes with one id", unexplained: twins };
  }
  return checkLinearizable(new NotesModel(history), history, maxSteps);
}
