// Streams of changes over stdio: real processes of their own on one data directory, as several desktop clients start them.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, onTestFinished, test } from "vitest";

const CLI = ["--import", import.meta.resolve("tsx"), fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url))];
const PLAN = "session://plan/notes";
const OTHER = "session://other/notes";

async function dataDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "stdio-listen-"));
  onTestFinished(async () => {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  return directory;
}

/** A client with a server process of its own. */
async function connect(directory: string, settings: Record<string, string> = {}) {
  const client = new Client(
    { name: "stdio-listen", version: "1" },
    { versionNegotiation: { mode: { pin: "2026-07-28" } } },
  );
  const updated: string[] = [];
  client.setNotificationHandler("notifications/resources/updated", ({ params }) => void updated.push(params.uri));
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: directory,
    MCP_STATE_BACKEND: "local",
    STATEFUL_MCP_DATA_DIR: directory,
    ...settings,
  };
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: CLI,
    cwd: directory,
    env,
    stderr: "ignore",
  });
  await client.connect(transport);
  onTestFinished(() => client.close());
  const addNote = (session: string) =>
    client.callTool({ name: "add_note", arguments: { session_id: session, note: "x" } });
  return { client, updated, addNote, pid: Number(transport.pid) };
}

test("a client over stdio is told of changes that another process makes, until it no longer listens", async () => {
  const directory = await dataDirectory();
  const listener = await connect(directory);
  const writer = await connect(directory);
  expect(listener.client.getServerCapabilities()?.resources?.subscribe).toBe(true);
  const plan = await listener.client.listen({ resourceSubscriptions: [PLAN, "session://no/such/thing"] });
  expect(plan.honoredFilter.resourceSubscriptions).toEqual([PLAN]);
  await writer.addNote("plan");
  await expect.poll(() => listener.updated, { timeout: 100_000 }).toEqual([PLAN]);

  await plan.close();
  const other = await listener.client.listen({ resourceSubscriptions: [OTHER] });
  await writer.addNote("plan");
  await writer.addNote("other");
  // The note that came first has not been told of.
  await expect.poll(() => listener.updated, { timeout: 100_000 }).toEqual([PLAN, OTHER]);

  process.kill(listener.pid, "SIGTERM");
  expect(await other.closed).toBe("graceful");
}, 120_000);

test("a stream over stdio that asks for nothing valid is refused, and calls go on", async () => {
  const listener = await connect(await dataDirectory());
  const uris = Array.from({ length: 33 }, (_, i) => `session://s${i}/notes`);
  await expect(listener.client.listen({ resourceSubscriptions: uris })).rejects.toThrow("can watch 32 resources");
  expect((await listener.addNote("plan")).structuredContent).toMatchObject({ count: 1 });
}, 120_000);

test("a server over stdio that keeps no streams says so, and ends at once all the same", async () => {
  const listener = await connect(await dataDirectory(), { STATEFUL_MCP_SUBSCRIPTIONS: "off" });
  expect(listener.client.getServerCapabilities()?.resources?.subscribe).toBeUndefined();
  const nothing = await listener.client.listen({ resourceSubscriptions: [PLAN] });
  expect(nothing.honoredFilter.resourceSubscriptions).toBeUndefined();
  await listener.addNote("plan");
  process.kill(listener.pid, "SIGTERM");
  expect(await nothing.closed).not.toBe("local");
}, 120_000);
