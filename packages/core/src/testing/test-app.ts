// An app for a unit test: state in memory, a clock the test moves, and a way to call a tool as anybody.
import { type App, type AppOptions, createApp } from "../app.ts";
import type { ClientChannel } from "../calls/services.ts";
import { LOCAL_PRINCIPAL, makePrincipal, type Principal } from "../principal.ts";
import type { DetailedTaskView } from "../state/caller-tasks.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import { type MovableClock, movableClock } from "./contracts/store-harness.ts";

/** A call that has become a task. */
export interface TestTask {
  readonly id: string;
  /** How it stands. A look at a task that no process runs makes the app run it. */
  get(): Promise<DetailedTaskView>;
  /** Resolves once it has ended or asks. @throws Error after 10 s. */
  settled(): Promise<DetailedTaskView>;
  /** Answers open questions by their keys, such as `{ "1.confirm": { action: "accept", content: { confirm: true } } }`. */
  answer(answers: Record<string, unknown>): Promise<void>;
  cancel(): Promise<void>;
}

/** What a test needs of an app. */
export interface TestApp {
  /** For what `call` does not do, such as `app.fetch(request)`. */
  readonly app: App;
  /** Calls a tool and resolves to its structured result. `as` names the caller; default: the local user. @throws AppError */
  call(name: string, args?: Record<string, unknown>, as?: string): Promise<Record<string, unknown>>;
  /** Calls a tool as a client that takes tasks. The tool must be defined with `task`. */
  callAsTask(name: string, args?: Record<string, unknown>, as?: string): Promise<TestTask>;
  /** A task by its id, as this app sees it: another one's, after that has crashed. */
  task(id: string, as?: string): TestTask;
  /**
   * Ends this app as a killed process ends, with nothing more reaching the store, and resolves to another app on the same store and
   * clock. What the killed one was running is free after `clock.advance(21)`.
   */
  crash(): TestApp;
  /** Stands still; `clock.advance(seconds)` moves it. */
  readonly clock: MovableClock;
  readonly store: StateStore;
}

type TestAppOptions = Omit<AppOptions, "clock"> & { clock?: MovableClock };

const SETTLED_WITHIN_MS = 10_000;
/** A client that takes tasks, and whose user can be asked. */
const TASK_CHANNEL: ClientChannel = {
  answers: undefined,
  requestState: undefined,
  capabilities: { elicitation: {}, sampling: {}, roots: {} },
  tasks: true,
  declaresTasks: true,
  progress: () => {},
  logToClient: () => {},
};

/**
 * An app for a test, with the options of `createApp`:
 *
 *     const { call } = testApp({ tools: [counter] });
 *     await call("increment_counter");
 *     assert.deepEqual(await call("increment_counter"), { session_id: "default", counter: 2 });
 *
 * Give two apps one `store` and one `clock`, and they are two processes on one table.
 */
export function testApp(options: TestAppOptions = {}): TestApp {
  const clock = options.clock ?? movableClock();
  const store = options.store ?? new MemoryStore({ clock });
  const process = { dead: false };
  const app = createApp({ ...options, store: untilDead(store, process), clock });
  const task = (id: string, as?: string): TestTask => {
    const { tasks } = app.memoryOf(principalNamed(as));
    const present = <T>(found: T | undefined): T => {
      if (found === undefined) throw new Error(`There is no task ${id}.`);
      return found;
    };
    return {
      id,
      get: async () => present(await tasks.get(id)),
      settled: async () => {
        const view = present(await tasks.wait(id, { ms: SETTLED_WITHIN_MS, signal: new AbortController().signal }));
        if (view.status === "working")
          throw new Error(`The task ${id} still runs after ${SETTLED_WITHIN_MS / 1000} s.`);
        return view;
      },
      answer: async (answers) => void present(await tasks.answer(id, answers)),
      cancel: async () => void present(await tasks.cancel(id)),
    };
  };
  return {
    app,
    clock,
    store,
    call: async (name, args = {}, as) => {
      const { structured } = await app.call({ name, arguments: args, principal: principalNamed(as) });
      return structured;
    },
    callAsTask: async (name, args = {}, as) => {
      const call = { name, arguments: args, principal: principalNamed(as), channel: TASK_CHANNEL };
      const { task: made } = await app.call(call);
      if (!made) throw new Error(`The tool ${name} is not defined with task.`);
      return task(made.id, as);
    },
    task,
    crash: () => {
      process.dead = true;
      return testApp({ ...options, store, clock });
    },
  };
}

/** A store whose process has been killed is never asked and never answers again. */
function untilDead(store: StateStore, process: { dead: boolean }): StateStore {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return async (...given: unknown[]) => {
        if (process.dead) return new Promise(() => {});
        const answer: unknown = await Reflect.apply(member, target, given);
        return process.dead ? new Promise(() => {}) : answer;
      };
    },
  });
}

/** The principal that `call` acts for under this name. */
export const principalNamed = (name: string | undefined): Principal =>
  name === undefined ? LOCAL_PRINCIPAL : makePrincipal("token", "token", name);
