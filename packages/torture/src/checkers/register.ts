// What a single value may do: store (also on a condition), increment, delete, get. It judges histories of tool answers; it
// shares no code with what it judges.
import { checkLinearizable, type Model, type Operation, type Verdict } from "./linearizability.ts";

export type RegisterInput =
  /** `ifVersion` 0: there must be no value. */
  | { readonly op: "store"; readonly value: unknown; readonly ifVersion?: number }
  | { readonly op: "increment"; readonly by: number }
  | { readonly op: "delete"; readonly ifVersion?: number }
  | { readonly op: "get" };

/** An answer; what it does not say is not checked. */
export interface RegisterOutput {
  /** The condition failed, or the value to increment is no number; then `version` is the current one, 0 for none. */
  readonly conflict?: true;
  readonly found?: boolean;
  readonly deleted?: boolean;
  readonly value?: unknown;
  readonly version?: number;
}

export interface State {
  /** JSON; undefined: no value. */
  readonly value: string | undefined;
  /** Grows by one with each write. After a delete it goes on from anywhere above, and is a lower bound until an answer shows it. */
  readonly version: number;
  readonly exact: boolean;
}

/** The state if its version is this one; undefined if it cannot be. */
function pin(state: State, version: number | undefined): State | undefined {
  if (version === undefined) return state;
  if (state.exact ? version !== state.version : version < state.version) return undefined;
  return { ...state, version, exact: true };
}

function write(state: State, value: unknown, shown: number | undefined): State | undefined {
  return pin({ ...state, value: JSON.stringify(value), version: state.version + 1 }, shown);
}

/** The state if the condition holds in it; undefined if it cannot. */
function allow(state: State, ifVersion: number | undefined): State | undefined {
  if (ifVersion === undefined) return state;
  if (ifVersion === 0) return state.value === undefined ? state : undefined;
  return state.value === undefined ? undefined : pin(state, ifVersion);
}

function refuse(state: State, ifVersion: number | undefined, current: number | undefined): State | undefined {
  if (ifVersion === undefined) return undefined;
  const live = state.value !== undefined;
  const surelyHolds = allow(state, ifVersion) !== undefined && (ifVersion === 0 || state.exact);
  if (surelyHolds || current === ifVersion) return undefined;
  if (!live) return (current ?? 0) === 0 ? state : undefined;
  return pin(state, current);
}

function increment(state: State, by: number, output: RegisterOutput | undefined): State | undefined {
  const value: unknown = state.value === undefined ? 0 : JSON.parse(state.value);
  if (typeof value !== "number") return output?.conflict ? pin(state, output.version) : undefined;
  if (output?.conflict || (output?.value !== undefined && output.value !== value + by)) return undefined;
  return write(state, value + by, output?.version);
}

function remove(state: State, ifVersion: number | undefined, output: RegisterOutput | undefined): State | undefined {
  if (output?.conflict) return refuse(state, ifVersion, output.version);
  const live = state.value !== undefined;
  if (!live) return output?.deleted === false ? state : undefined;
  if (output?.deleted === false) return undefined;
  const allowed = allow(state, ifVersion);
  return allowed && { ...allowed, value: undefined, exact: false };
}

function get(state: State, output: RegisterOutput | undefined): State | undefined {
  // A read with an unknown answer changes nothing.
  if (output === undefined) return undefined;
  if (output.found === false) return state.value === undefined ? state : undefined;
  if (state.value === undefined) return undefined;
  if (output.value !== undefined && JSON.stringify(output.value) !== state.value) return undefined;
  return pin(state, output.version);
}

function apply(state: State, input: RegisterInput, output: RegisterOutput | undefined): State | undefined {
  switch (input.op) {
    case "store": {
      if (output?.conflict) return refuse(state, input.ifVersion, output.version);
      const allowed = allow(state, input.ifVersion);
      return allowed && write(allowed, input.value, output?.version);
    }
    case "increment":
      return increment(state, input.by, output);
    case "delete":
      return remove(state, input.ifVersion, output);
    case "get":
      return get(state, output);
  }
}

export type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

/** Versions only grow and are never given out twice: knowing the history, that rules out most orders early. */
export class RegisterModel implements Model<State, RegisterInput, RegisterOutput> {
  readonly initial: State = { value: undefined, version: 0, exact: true };
  /** What some answer shows to have stood at a version, and whether that answer was the writer's own. */
  readonly #shown = new Map<number, { value: string; written: boolean }>();

  constructor(history: readonly RegisterOperation[]) {
    for (const { input, output } of history) {
      if (output?.version === undefined || output.conflict || output.found === false) continue;
      const value = input.op === "store" ? input.value : output.value;
      const written = input.op !== "get" || this.#shown.get(output.version)?.written === true;
      if (value !== undefined) this.#shown.set(output.version, { value: JSON.stringify(value), written });
    }
  }

  step(state: State, input: RegisterInput, output: RegisterOutput | undefined): State | undefined {
    const next = apply(state, input, output);
    if (next?.value === undefined || !next.exact) return next;
    const shown = this.#shown.get(next.version);
    if (shown === undefined) return next;
    return shown.value === next.value && !(output === undefined && shown.written) ? next : undefined;
  }

  identify({ value, version, exact }: State): string {
    return `${exact ? "" : ">="}${version} ${value}`;
  }

  describe({ value, version, exact }: State): string {
    return value === undefined ? "no value" : `${value} at version ${version}${exact ? "" : " or later"}`;
  }

  reachable(state: State, input: RegisterInput, output: RegisterOutput): boolean {
    if (this.step(state, input, output) !== undefined) return true;
    return output.version === undefined || output.version === 0 || state.version < output.version;
  }

  twin(input: RegisterInput): string {
    return JSON.stringify(input);
  }
}

/** Checks the history of one key, from its first write on: a reset of its session, which starts the versions again, is not part of it. */
export function checkRegister(
  history: readonly RegisterOperation[],
  maxSteps?: number,
): Verdict<RegisterInput, RegisterOutput> {
  return checkLinearizable(new RegisterModel(history), history, maxSteps);
}
