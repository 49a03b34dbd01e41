// What the 2025 era keeps in the table: its transport sessions, their streams, and what their clients subscribed to. Made once per
// app, beside the state of the product, which knows nothing of it.
import type { Clock } from "../../clock.ts";
import type { StateStore } from "../../stores/state-store.ts";
import { EventLog } from "./events.ts";
import { Subscriptions } from "./subscriptions.ts";
import { LegacySessions } from "./transport-sessions.ts";

export interface LegacyState {
  readonly sessions: LegacySessions;
  readonly events: EventLog;
  readonly subscriptions: Subscriptions;
}

export const legacyState = (
  store: StateStore,
  clock: Clock,
  inBackground: (work: Promise<unknown>) => void,
): LegacyState => ({
  sessions: new LegacySessions(store, clock),
  events: new EventLog(store, clock, inBackground),
  subscriptions: new Subscriptions(store),
});
