// An app for a unit test: state in memory, a clock the test moves, and a way to call a tool as anybody.
import { type App, type AppOptions, createApp } from "../app.ts";
import { LOCAL_PRINCIPAL, makePrincipal, type Principal } from "../principal.ts";
import { MemoryStore } from "../stores/memory.ts";
import type { StateStore } from "../stores/state-store.ts";
import { type MovableClock, movableClock } from "./contracts/store-harness.ts";

/** What a test needs of an app. */
export interface TestApp {
  /** For what `call` does not do, such as `app.fetch(request)`. */
  readonly app: App;
  /** Calls a tool and resolves to its structured result. `as` names the caller; default: the local user. @throws AppError */
  call(name: string, args?: Record<string, unknown>, as?: string): Promise<Record<string, unknown>>;
  /** Stands still; `clock.advance(seconds)` moves it. */
  readonly clock: MovableClock;
  readonly store: StateStore;
}

/**
 * An app for a test, with the options of `createApp`:
 *
 *     const { call } = testApp({ tools: [counter] });
 *     await call("increment_counter");
 *     assert.deepEqual(await call("increment_counter"), { session_id: "default", counter: 2 });
 *
 * Give two apps one `store` and one `clock`, and they are two processes on one table.
 */
export function testApp(options: Omit<AppOptions, "clock"> & { clock?: MovableClock } = {}): TestApp {
  const clock = options.clock ?? movableClock();
  const store = options.store ?? new MemoryStore({ clock });
  const app = createApp({ ...options, store, clock });
  return {
    app,
    clock,
    store,
    call: async (name, args = {}, as) => {
      const { structured } = await app.call({ name, arguments: args, principal: principalNamed(as) });
      return structured;
    },
  };
}

/** The principal that `call` acts for under this name. */
export const principalNamed = (name: string | undefined): Principal =>
  name === undefined ? LOCAL_PRINCIPAL : makePrincipal("token", "token", name);
