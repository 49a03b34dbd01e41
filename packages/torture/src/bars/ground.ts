// What a place of state offers to bars that run on a table and on a file alike. Knows neither.
import type { App, AppOptions, Clock, StateStore } from "@stateful-mcp/core";

/** An app of its own, as another process would have it. */
export interface Instance {
  readonly app: App;
}

export interface JoinOptions extends Omit<AppOptions, "store"> {
  readonly clock?: Clock;
  /** Puts something between the app and its store. */
  readonly around?: (store: StateStore) => StateStore;
}

/** Where the state of a run lies, for bars that run on a table and on a file alike. */
export interface Ground extends AsyncDisposable {
  /** Injected so far. A file has no network before it, and so none. */
  readonly faults: Readonly<Record<string, number>>;
  join(options?: JoinOptions): Promise<Instance>;
  /** Ends an instance. What it had under way may have taken effect or not. */
  kill(instance: Instance): Promise<void>;
  /** The environment in which the servers of `servers/` find the state. */
  forServers(): Promise<Readonly<Record<string, string>>>;
}
