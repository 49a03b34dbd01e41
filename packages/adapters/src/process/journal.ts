// What a process leaves of what it did, by its configuration: on this machine a record of each call at once, on a shared table counts.
import { hostname } from "node:os";
import type { Config, JournalOptions } from "@stateful-mcp/core/runtime";

const DEFAULTS = { local: "calls", dynamodb: "rollup", memory: "off" } as const;

/** Undefined: nothing is left. `ownStore`: the app brought its store, and what is not asked for is not written into it. */
export function journalOf(config: Config, carrier: string, ownStore: boolean): JournalOptions | undefined {
  const mode = config.journal ?? (ownStore ? "off" : DEFAULTS[config.backend]);
  if (mode === "off") return undefined;
  const label = `${hostname()}:${process.pid} ${carrier}`.slice(0, 100);
  // A write to a file of this machine costs next to nothing, and its user looks at it now.
  const soon = config.backend === "dynamodb" ? {} : { callsEverySeconds: 1, rollUpEverySeconds: 10 };
  return { mode, label, ...soon };
}
