// Binds an app to its configuration and to what a process has opened for it, in the one order of precedence. Knows neither how a
// store or a bucket is opened nor how the app is served.
import type { App, AppOptions } from "../app.ts";
import type { Access } from "../auth/access.ts";
import type { TaskQueue } from "../calls/queued-tasks.ts";
import type { ItemStore, ItemTables } from "../items/item-store.ts";
import type { Logger } from "../logger.ts";
import type { JournalOptions } from "../state/journal.ts";
import type { BlobStore } from "../stores/blob-store.ts";
import type { StateStore } from "../stores/state-store.ts";
import type { Telemetry } from "../telemetry.ts";
import type { Config } from "./settings.ts";

/** What a process opens or decides for an app. */
export interface AppParts {
  readonly store: StateStore;
  readonly access: Access;
  readonly logger: Logger;
  /** Where spans and metrics go. Default: there are none. */
  readonly telemetry?: Telemetry | undefined;
  /** What is left in the table of what the process did. Default: nothing. */
  readonly journal?: JournalOptions | undefined;
  /** Where large values are kept. Default: nowhere. */
  readonly blobs?: BlobStore | undefined;
  /** The tables of the item tools. Default: none. */
  readonly items?: ItemTables | undefined;
  /** Whether clients may hold streams of changes, where neither the configuration nor the app says. Default true. */
  readonly subscriptions?: boolean;
  /** Whether calls can become tasks, where the app does not say. Default true. */
  readonly runsTasks?: boolean;
  /** Through which a worker is sent for. Default: the process that makes a task runs it. */
  readonly taskQueue?: TaskQueue;
}

/**
 * The app as the configuration says. What the app's own code has fixed wins over the configuration; the store and the access given
 * here win over both, because the process has chosen them with the app in view.
 */
export function bindApp(app: Pick<App, "options" | "with">, config: Config, parts: AppParts): App {
  const { store, access, logger, telemetry, journal, blobs, items, subscriptions, runsTasks, taskQueue } = parts;
  return app.with({
    ...(subscriptions !== undefined && { subscriptions }),
    ...(runsTasks !== undefined && { runsTasks }),
    ...(taskQueue && { taskQueue }),
    ...optionsFrom(config),
    ...(telemetry && { telemetry }),
    ...(journal && { journal }),
    ...(blobs && { blobs }),
    ...(items && { items }),
    logger,
    ...app.options,
    store,
    access,
  });
}

/** The tables of the item tools; undefined when there are none. The process opens the store that reaches them. */
export const itemTablesFrom = (config: Config, store: ItemStore): ItemTables | undefined =>
  config.itemTables.length === 0
    ? undefined
    : {
        store,
        tables: config.itemTables.map((name) => ({ name, mode: config.itemModes.get(name) ?? "read-only" })),
        scan: config.itemScan,
      };

/** What configuration says about an app. */
const optionsFrom = (config: Config): AppOptions => ({
  backend: config.backend,
  table: config.table,
  sessions: {
    ttlSeconds: config.sessionTtlSeconds,
    maxSeconds: config.sessionMaxSeconds,
    defaultSession: config.defaultSession,
  },
  cache: { ttlSeconds: config.cacheTtlSeconds },
  tasks: { ttlSeconds: config.taskTtlSeconds },
  confirm: config.confirm,
  limits: {
    noteMaxBytes: config.noteMaxBytes,
    valueMaxBytes: config.valueMaxBytes,
    blobMaxBytes: config.blobMaxBytes,
    sessionsPerPrincipal: config.sessionsPerPrincipal,
    notesPerSession: config.notesPerSession,
    valuesPerSession: config.valuesPerSession,
    tasksPerPrincipal: config.tasksPerPrincipal,
    tasksPerProcess: config.tasksPerProcess,
    callsPerMinute: config.callsPerMinute,
    anonymousCallsPerMinute: config.anonymousCallsPerMinute,
    anonymousSessionsPerHour: config.anonymousSessionsPerHour,
    anonymousTasksPerHour: config.anonymousTasksPerHour,
    anonymousBytesPerHour: config.anonymousBytesPerHour,
    bodyMaxBytes: config.bodyMaxBytes,
    callTimeoutMs: config.callTimeoutMs,
  },
  allowedHosts: config.allowedHosts,
  allowedOrigins: config.allowedOrigins,
  trustedProxies: config.trustedProxies,
  metrics: config.metrics,
  ...(config.subscriptions !== undefined && { subscriptions: config.subscriptions }),
});
