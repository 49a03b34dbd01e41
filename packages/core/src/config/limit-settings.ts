// The settings that only replace a bound of `DEFAULT_LIMITS`. Reads nothing.
import { DEFAULT_LIMITS, type Limits } from "../limits.ts";
import { integer, type SettingText, withDefault } from "./kinds.ts";

/** A setting named `STATEFUL_MCP_` and `name` for the limit under this key. */
export const limit = (name: string, key: keyof Limits, min: number, max: number, described: SettingText) =>
  withDefault(String(DEFAULT_LIMITS[key]), integer(`STATEFUL_MCP_${name}`, min, max, described));

/** Those that stand together at the end of the list. */
export const LIMIT_SETTINGS = {
  sessionsPerPrincipal: limit("SESSIONS_PER_PRINCIPAL", "sessionsPerPrincipal", 1, 100_000, {
    description: "Live sessions of one caller",
  }),
  notesPerSession: limit("NOTES_PER_SESSION", "notesPerSession", 1, 10_000_000, {
    description: "Notes in one session between two resets",
  }),
  valuesPerSession: limit("VALUES_PER_SESSION", "valuesPerSession", 1, 10_000_000, {
    description: "Values in one session; counted now and then, so some thousands more may get in",
  }),
  tasksPerPrincipal: limit("TASKS_PER_PRINCIPAL", "tasksPerPrincipal", 1, 10_000, {
    description: "Tasks of one caller that have not ended",
  }),
  tasksPerProcess: limit("TASKS_PER_PROCESS", "tasksPerProcess", 1, 1_000, {
    description: "Tasks that one process runs at a time; further ones wait",
  }),
  callsPerMinute: limit("CALLS_PER_MINUTE", "callsPerMinute", 0, 1_000_000, {
    defaultText: "0 (no limit)",
    description: "Calls of one caller per minute, over all processes together",
  }),
  anonymousCallsPerMinute: limit("ANONYMOUS_CALLS_PER_MINUTE", "anonymousCallsPerMinute", 0, 1_000_000, {
    description: "With `--allow-anonymous`: calls of one network address per minute and process, ten times that of all",
  }),
  anonymousSessionsPerHour: limit("ANONYMOUS_SESSIONS_PER_HOUR", "anonymousSessionsPerHour", 0, 1_000_000, {
    description: "The same for new sessions per hour",
  }),
  anonymousTasksPerHour: limit("ANONYMOUS_TASKS_PER_HOUR", "anonymousTasksPerHour", 0, 1_000_000, {
    description: "The same for calls that become tasks, per hour",
  }),
  anonymousBytesPerHour: limit("ANONYMOUS_BYTES_PER_HOUR", "anonymousBytesPerHour", 0, 1_000_000_000_000, {
    unit: "bytes",
    description:
      "The same for bytes of request bodies, per hour, and as much of what 2025-era calls tell on the way, which is kept for who comes back; 0 in any of the four: no limit",
  }),
  bodyMaxBytes: limit("BODY_MAX_BYTES", "bodyMaxBytes", 1024, 64 * 1_048_576, {
    unit: "bytes",
    description: "Largest HTTP request body",
  }),
  callTimeoutMs: limit("CALL_TIMEOUT_MS", "callTimeoutMs", 100, 900_000, {
    unit: "milliseconds",
    description: "How long a call may take before it is answered with an error",
  }),
};
