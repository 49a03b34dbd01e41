// Every bound in one table: unit in the name, a reason beside the number. A caller who meets one is told the limit and what to do.

/** What an app bounds. A caller who meets a limit is told it and what to do. */
export interface Limits {
  /** UTF-8 bytes of one note. */
  noteMaxBytes: number;
  /** UTF-8 bytes of one value, or one cached result, as JSON text in the table. */
  valueMaxBytes: number;
  /** The same where a blob store takes what is larger than `valueMaxBytes`. */
  blobMaxBytes: number;
  /** Live sessions of one principal. */
  sessionsPerPrincipal: number;
  /** Notes in one session between two resets. */
  notesPerSession: number;
  /** Values in one session. Counted only now and then, so that several processes may together store some thousands more. */
  valuesPerSession: number;
  /** Calls of one principal per minute, over the whole fleet; 0: no limit. */
  callsPerMinute: number;
  /** On a server that is open to everybody: calls of one network address per minute and process, ten times as many of all; 0: no limit. */
  anonymousCallsPerMinute: number;
  /** The same for sessions that are begun, per hour. */
  anonymousSessionsPerHour: number;
  /** The same for calls that become tasks, per hour. */
  anonymousTasksPerHour: number;
  /** The same for bytes of request bodies, per hour, and as much of what 2025-era calls tell on the way: both are kept, and a disk has an end. */
  anonymousBytesPerHour: number;
  /** Bytes of one request body. */
  bodyMaxBytes: number;
  /** Milliseconds a call may take before it is answered with an error. */
  callTimeoutMs: number;
  /** Tasks of one principal that have not ended. */
  tasksPerPrincipal: number;
  /** Tasks that one process runs at a time; further ones wait. */
  tasksPerProcess: number;
  /** Bytes of answers that wait until one caller reads them. */
  unsentBytesPerCaller: number;
  /** The same for everybody on one process; a caller for whom nothing waits is answered all the same. */
  unsentBytesPerProcess: number;
  /** Bytes of request bodies of one caller that have arrived in part, or are announced, and are held until they are whole. */
  arrivingBytesPerCaller: number;
  /** The same for everybody on one process; a caller with no other body under way is heard all the same. */
  arrivingBytesPerProcess: number;
  /** Streams that one principal may hold open to be told of changes. */
  listensPerPrincipal: number;
  /** The same for everybody on one process: each polls the table. */
  listensPerProcess: number;
}

/** The limits of an app that gives none. */
export const DEFAULT_LIMITS: Limits = {
  noteMaxBytes: 32_768,
  // With key, slots and names an item stays under 64 KiB, so that a page of them stays readable and cheap.
  valueMaxBytes: 60_000,
  // A function on AWS Lambda receives 6 MB at most.
  blobMaxBytes: 5_000_000,
  sessionsPerPrincipal: 500,
  notesPerSession: 100_000,
  valuesPerSession: 100_000,
  // Counting costs a write unit per call or less, so it is the operator's choice.
  callsPerMinute: 0,
  // An office of people behind one address stays below.
  anonymousCallsPerMinute: 600,
  anonymousSessionsPerHour: 100,
  anonymousTasksPerHour: 100,
  // More than 600 calls of 1 KB in each minute; at most 24 GB of all strangers together in the day that it is kept.
  anonymousBytesPerHour: 100_000_000,
  bodyMaxBytes: 1_048_576,
  // Hosts give up on a tool call after about 60 s: answer before they do.
  callTimeoutMs: 50_000,
  tasksPerPrincipal: 100,
  tasksPerProcess: 16,
  // Two batches of a hundred full pages, or three of the largest values. A process holds up to three times that, encoded and on its way.
  unsentBytesPerCaller: 32 * 1_048_576,
  unsentBytesPerProcess: 128 * 1_048_576,
  // A client that begins many bodies and ends none holds them for 60 s.
  arrivingBytesPerCaller: 32 * 1_048_576,
  arrivingBytesPerProcess: 128 * 1_048_576,
  listensPerPrincipal: 32,
  listensPerProcess: 1_000,
};

/** Bytes that a request may have beside the largest value. */
export const BODY_HEADROOM_BYTES = 262_144;

/** What a DynamoDB sort key holds. */
export const SORT_KEY_MAX_BYTES = 1_024;
/** Percent-encoding may triple a key, and in a sort key a generation and a letter come before it. */
export const KEY_MAX_BYTES = 256;
export const SESSION_NAME_MAX_BYTES = 128;
export const PAGE_DEFAULT_ENTRIES = 100;
export const PAGE_MAX_ENTRIES = 1000;
/** As `sentBytes` counts them. About 16,000 tokens: hosts cut a tool result at about 25,000. */
export const PAGE_MAX_BYTES = 65_536;
/** Looks at tasks that a caller has for each call that it has per minute: a client is told to look up to twice a second. */
export const LOOKS_PER_CALL = 10;
/** Nesting of JSON in a request, arrays and objects together. */
export const NESTING_MAX_LEVELS = 64;

/** How long an unused session lives unless told otherwise, in seconds: a day. */
export const DEFAULT_SESSION_TTL_SECONDS = 86_400;
/** How long an expiring session can live at most, however often it is used, in seconds: 90 days. */
export const DEFAULT_SESSION_MAX_SECONDS = 7_776_000;
/** How long a cached tool result is served unless the tool says otherwise, in seconds: a quarter of an hour. */
export const DEFAULT_CACHE_TTL_SECONDS = 900;
/** How long the answer to a call with an idempotency key is kept, in seconds: a day. */
export const DEFAULT_IDEMPOTENCY_TTL_SECONDS = 86_400;
/** How long a task and its result are kept after its creation, in seconds: a day. */
export const DEFAULT_TASK_TTL_SECONDS = 86_400;
/** How long one run of a task may take unless its tool says otherwise, in seconds: an hour. */
export const DEFAULT_TASK_TIMEOUT_SECONDS = 3_600;
