// Every bound in one table: unit in the name, a reason beside the number. A caller who meets one is told the limit and what to do.

export interface Limits {
  /** UTF-8 bytes of one note. */
  noteMaxBytes: number;
  /** UTF-8 bytes of one value as JSON text. */
  valueMaxBytes: number;
  /** Live sessions of one principal. */
  sessionsPerPrincipal: number;
  /** Notes in one session between two resets. */
  notesPerSession: number;
  /** Calls of one principal per minute, over the whole fleet; 0: no limit. */
  callsPerMinute: number;
  /** Bytes of one request body. */
  bodyMaxBytes: number;
  /** Milliseconds a call may take before it is answered with an error. */
  callTimeoutMs: number;
  /** Streams that one principal may hold open to be told of changes. */
  listensPerPrincipal: number;
  /** The same for everybody on one process: each polls the table. */
  listensPerProcess: number;
}

export const DEFAULT_LIMITS: Limits = {
  noteMaxBytes: 32_768,
  // With key, slots and names an item stays under 64 KiB, so that a page of them stays readable and cheap.
  valueMaxBytes: 60_000,
  sessionsPerPrincipal: 500,
  notesPerSession: 100_000,
  // Counting costs a write unit per call or less, so it is the operator's choice.
  callsPerMinute: 0,
  bodyMaxBytes: 1_048_576,
  // Hosts give up on a tool call after about 60 s: answer before they do.
  callTimeoutMs: 50_000,
  listensPerPrincipal: 32,
  listensPerProcess: 1_000,
};

/** A DynamoDB sort key holds 1,024 bytes; percent-encoding may triple a key, and a generation and a letter come before it. */
export const KEY_MAX_BYTES = 256;
export const SESSION_NAME_MAX_BYTES = 128;
export const PAGE_DEFAULT_ENTRIES = 100;
export const PAGE_MAX_ENTRIES = 1000;
/** About 16,000 tokens: hosts cut a tool result at about 25,000. */
export const PAGE_MAX_BYTES = 65_536;
/** Nesting of JSON in a request, arrays and objects together. */
export const NESTING_MAX_LEVELS = 64;

const encoder = new TextEncoder();
/** Length in UTF-8 bytes. */
export const byteLength = (text: string): number => encoder.encode(text).length;
