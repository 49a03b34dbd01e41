// One story, lived by every official client over every transport against real processes on one data directory: what was
// acknowledged is there after kill -9, for the next process on the next port.
import { chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Connection, OWNER, PAIRS, type Pair } from "./clients.ts";

const BURST = 30;

test.each(PAIRS)("$name finds everything acknowledged after each kill -9", { timeout: 300_000 }, async (pair) => {
  const { restart } = await stage(pair);

  let server = await restart();
  const { session_id } = await server.call("create_session");
  const note = (text: string) => server.call("add_note", { session_id, note: text });
  expect(await note("first")).toMatchObject({ session_id, count: 1 });
  expect(await note("second")).toMatchObject({ session_id, count: 2 });

  server = await restart();
  expect(await server.call("get_notes", { session_id })).toMatchObject({ notes: ["first", "second"] });
  expect(await note("third")).toMatchObject({ count: 3 });
  const value = { number: 123, text: "née", list: [null, true, 0.1] };
  expect(await server.call("store_value", { session_id, key: "plan", value })).toMatchObject({ version: 1 });
  expect(await server.call("increment_value", { session_id, key: "count", by: 2 })).toMatchObject({ value: 2 });

  server = await restart();
  expect(await server.call("get_value", { session_id, key: "plan" })).toMatchObject({ found: true, value, version: 1 });
  expect(await server.call("increment_value", { session_id, key: "count" })).toMatchObject({ value: 3, version: 2 });
  expect(await server.call("echo_cached", { text: "hello" })).toMatchObject({ text: "HELLO", cached: false });
  expect(await server.call("echo_cached", { text: "hello" })).toMatchObject({ text: "HELLO", cached: true });
  const acknowledged = await killInTheMiddle(server, String(session_id));

  server = await restart();
  expect(await server.call("echo_cached", { text: "hello" })).toMatchObject({ text: "HELLO", cached: true });
  const { notes } = (await server.call("get_notes", { session_id })) as { notes: string[] };
  expect(notes.slice(0, 3)).toEqual(["first", "second", "third"]);
  expect(notes).toEqual(expect.arrayContaining(acknowledged));
  expect(new Set(notes).size).toBe(notes.length);
  expect(await server.call("reset_session", { session_id })).toEqual({ session_id, cleared: notes.length });

  server = await restart();
  expect(await server.call("get_notes", { session_id })).toEqual({ session_id, notes: [] });
  expect(await server.call("get_value", { session_id, key: "plan" })).toMatchObject({ found: false });
  expect(await note("after the reset")).toMatchObject({ count: 1 });
});

/** Sends notes all at once, kills the server when it has acknowledged some, and gives back those. */
async function killInTheMiddle(server: Connection, sessionId: string): Promise<string[]> {
  const acknowledged: string[] = [];
  const { promise: someAreIn, resolve: enough } = Promise.withResolvers<void>();
  const calls = Array.from({ length: BURST }, async (_, index) => {
    const note = `burst ${index}`;
    await server.call("add_note", { session_id: sessionId, note });
    acknowledged.push(note);
    if (acknowledged.length === 5) enough();
  });
  const all = Promise.allSettled(calls);
  await Promise.race([someAreIn, all]);
  await server.kill();
  await all;
  expect(acknowledged.length).toBeGreaterThanOrEqual(5);
  return acknowledged;
}

/** A data directory, and the one server that runs on it. */
async function stage({ connect, revision }: Pair) {
  const directory = await mkdtemp(join(tmpdir(), "end-to-end-"));
  if (OWNER) await chown(directory, OWNER[0] ?? 0, OWNER[1] ?? 0);
  const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: directory };
  const ports = new Set<number>();
  let server: Connection | undefined;
  onTestFinished(async () => {
    await server?.kill();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  const restart = async (): Promise<Connection> => {
    await server?.kill();
    server = await connect({ cwd: directory, env });
    expect([revision, undefined]).toContain(server.revision);
    const { port } = server;
    if (port !== undefined) {
      expect(ports).not.toContain(port);
      ports.add(port);
    }
    return server;
  };
  return { restart };
}
