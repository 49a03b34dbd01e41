// What a load client is asked to do, and what it answers. Types only.
import type { Era } from "./requests.ts";

/** Servers to call. Calls of one connection go to one server; connections are dealt out evenly. */
export interface Target {
  readonly id: string;
  readonly ports: readonly number[];
  readonly era: Era;
  readonly connections: number;
}

export interface LoadPlan {
  readonly target: string;
  readonly calls: number;
  readonly work: Work;
}

/**
 * `echo`: the tool `echo`, whose answer is the text it was given. `tool`: a tool with the same arguments each time; its answer must be no error. `increment`: the tool `increment_value`, on one key per
 * connection, or on `sharedKeys` keys that all connections use. `sessions`: each call in a session of its own, of the 2025-era
 * protocol or named in an increment.
 */
export type Work =
  | { readonly kind: "echo" }
  | { readonly kind: "tool"; readonly name: string; readonly input: object }
  | { readonly kind: "increment"; readonly run: string; readonly sharedKeys?: number }
  | { readonly kind: "sessions"; readonly run: string; readonly tokens?: readonly string[] };

export interface LoadResult {
  readonly seconds: number;
  /** Part of that time in which this client was busy, 0 to 1. Near 1 the client, not the server, set the pace. */
  readonly clientBusy: number;
}
