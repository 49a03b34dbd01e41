// What one operation costs, in read and write request units, on the engine that reports exact capacity. Items of up to 1 KB.
import { type App, createApp, defineTool, inputRequired, LOCAL_PRINCIPAL } from "@stateful-mcp/core";
import { createDynamoDBClient, createStateClient, DynamoDBStore, setupTable } from "@stateful-mcp/core/dynamodb";
import { type Consumed, type Engine, findDynoxide, recordConsumedCapacity, startDynoxide } from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";

const found = findDynoxide();
if ("missing" in found)
  process.stderr.write(`SKIPPED: the cost of operations is not measured, because ${found.missing}.\n`);

let release = () => {};
const job = (name: string, run: (answers: unknown) => unknown) =>
  defineTool({
    name,
    description: "Works.",
    input: z.object({}),
    session: "none",
    task: "allowed",
    run: async (_, { answers }) => {
      const result = await run(answers);
      return (result ?? { content: [] }) as { content: [] };
    },
  });
const form = inputRequired.elicit({ message: "?", requestedSchema: z.object({}) });
const jobs = [
  job("quick_job", () => undefined),
  job("waiting_job", () => new Promise<undefined>((resolve) => (release = () => resolve(undefined)))),
  job("asking_job", (answers) => (answers ? undefined : inputRequired({ inputRequests: { one: form, two: form } }))),
];

describe.skipIf("missing" in found)("cost per operation", () => {
  const TABLE = "costs";
  const session_id = "costs";
  let engine: Engine;
  let consumed: Consumed[];
  let app: App;
  const stops: (() => void)[] = [];

  /** An app that has seen nothing yet, as a process that has just started. */
  function freshApp(): App {
    const client = createStateClient(engine.connection);
    stops.push(() => client.destroy());
    consumed = recordConsumedCapacity(client);
    const store = new DynamoDBStore({ client, table: TABLE });
    return createApp({ store, tools: [...createApp().tools, ...jobs] });
  }

  /** The units of the call: what it reads, what it writes, and in how many requests. Work in the background comes after the answer. */
  async function costOf(name: string, args: Record<string, unknown>) {
    consumed.length = 0;
    await app.call({ name, arguments: args, principal: LOCAL_PRINCIPAL });
    const seen = [...consumed];
    const sum = (reads: boolean) =>
      seen
        .filter(({ operation }) => ["BatchGetItem", "GetItem", "Query"].includes(operation) === reads)
        .reduce((units, one) => units + one.units, 0);
    return { reads: sum(true), writes: sum(false), requests: seen.length };
  }

  beforeAll(async () => {
    engine = await startDynoxide();
    app = freshApp();
    const client = createDynamoDBClient(engine.connection);
    await setupTable(client, TABLE, () => {});
    client.destroy();
    await app.call({ name: "create_session", arguments: { name: session_id }, principal: LOCAL_PRINCIPAL });
  });

  afterAll(async () => {
    await app?.close();
    for (const stop of stops) stop();
    await engine?.stop();
  });

  const note = { session_id, note: "x".repeat(700) };
  const value = { session_id, key: "key", value: "x".repeat(700) };

  test("adding a note costs 1 read and 1 write once the process knows where the log ends", async () => {
    await costOf("add_note", note);
    expect(await costOf("add_note", note)).toEqual({ reads: 1, writes: 1, requests: 2 });
  });

  test("adding a note costs one read more in a process that does not know where the log ends", async () => {
    const before = app;
    app = freshApp();
    expect(await costOf("add_note", note)).toEqual({ reads: 2, writes: 1, requests: 3 });
    await before.close();
  });

  test("correcting a note costs 1 read and 2 writes, deleting it 1 write more, each a small one", async () => {
    const { structured } = await app.call({ name: "add_note", arguments: note, principal: LOCAL_PRINCIPAL });
    const { note_id } = structured;
    expect(await costOf("update_note", { ...note, note_id })).toEqual({ reads: 1, writes: 2, requests: 3 });
    expect(await costOf("delete_note", { session_id, note_id })).toEqual({ reads: 1, writes: 3, requests: 4 });
  });

  test("storing a value costs 1 read and 1 write, whether it is new or not", async () => {
    expect(await costOf("store_value", value)).toEqual({ reads: 1, writes: 1, requests: 2 });
    expect(await costOf("store_value", value)).toEqual({ reads: 1, writes: 1, requests: 2 });
  });

  test("storing a value on a condition costs no more", async () => {
    const conditional = { session_id, key: "conditional", value: 1, if_version: 0 };
    expect(await costOf("store_value", conditional)).toEqual({ reads: 1, writes: 1, requests: 2 });
  });

  test("incrementing a value costs 1 read and 1 write", async () => {
    expect(await costOf("increment_value", { session_id, key: "number" })).toEqual({
      reads: 1,
      writes: 1,
      requests: 2,
    });
    expect(await costOf("increment_value", { session_id, key: "number" })).toEqual({
      reads: 1,
      writes: 1,
      requests: 2,
    });
  });

  test("getting a value costs 2 reads: in one request once the process has seen the session", async () => {
    expect(await costOf("get_value", { session_id, key: "number" })).toEqual({ reads: 2, writes: 0, requests: 1 });
    const before = app;
    app = freshApp();
    expect(await costOf("get_value", { session_id, key: "number" })).toEqual({ reads: 2, writes: 0, requests: 2 });
    await before.close();
  });

  test("a cached answer costs nothing where it is in memory, and 1 read in another process", async () => {
    await costOf("echo_cached", { text: "cached" });
    expect(await costOf("echo_cached", { text: "cached" })).toEqual({ reads: 0, writes: 0, requests: 0 });
    const before = app;
    app = freshApp();
    expect(await costOf("echo_cached", { text: "cached" })).toEqual({ reads: 1, writes: 0, requests: 1 });
    expect(await costOf("echo_cached", { text: "cached" })).toEqual({ reads: 0, writes: 0, requests: 0 });
    await before.close();
  });

  test.for([
    ["store_value", value],
    ["increment_value", { session_id, key: "number" }],
    ["delete_value", { session_id, key: "key" }],
    ["add_note", note],
  ] as const)("an idempotency key adds 2 writes, 1 read and 2 requests to %s", async ([name, args]) => {
    await costOf("store_value", value);
    // The end of the log is known.
    await costOf("add_note", note);
    const bare = await costOf(name, args);
    await costOf("store_value", value);
    expect(await costOf(name, { ...args, idempotency_key: name })).toEqual({
      reads: bare.reads + 1,
      writes: bare.writes + 2,
      requests: bare.requests + 2,
    });
  });

  test("the answer to a re-sent call costs 2 reads in 1 request", async () => {
    const keyed = { session_id, key: "number", idempotency_key: "replayed" };
    await costOf("increment_value", keyed);
    expect(await costOf("increment_value", keyed)).toEqual({ reads: 2, writes: 0, requests: 1 });
  });

  test.for([0, 10, 300])("resetting a session of %i notes costs 1 read and 1 write", async (notes) => {
    const session_id = `with ${notes} notes`;
    await costOf("create_session", { name: session_id });
    for (let at = 0; at < notes; at++) await costOf("add_note", { session_id, note: `note ${at}` });
    expect(await costOf("reset_session", { session_id })).toEqual({ reads: 1, writes: 1, requests: 2 });
    // Until it has closed, what was cleared is still being swept in the background.
    const before = app;
    app = freshApp();
    await before.close();
  });

  describe("of a task", () => {
    const channel = {
      answers: undefined,
      requestState: undefined,
      capabilities: { elicitation: {} },
      tasks: true,
      declaresTasks: true,
      progress: () => {},
      logToClient: () => {},
    };
    const counted = async (work: () => Promise<unknown>) => {
      consumed.length = 0;
      const result = await work();
      const seen = [...consumed];
      const sum = (reads: boolean) =>
        seen
          .filter(({ operation }) => ["BatchGetItem", "GetItem", "Query"].includes(operation) === reads)
          .reduce((units, one) => units + one.units, 0);
      return { result, reads: sum(true), writes: sum(false) };
    };
    const begin = async (name: string) => {
      const { task } = await app.call({ name, arguments: {}, principal: LOCAL_PRINCIPAL, channel });
      return task?.id ?? "";
    };
    const { tasks } = { tasks: () => app.memoryOf(LOCAL_PRINCIPAL).tasks };
    const signal = new AbortController().signal;
    const settled = (id: string) => tasks().wait(id, { ms: 10_000, signal });

    test("creating costs 3 writes and, to answer with it, 1 read; a small end 2 writes", async () => {
      // The first one counts the caller's open tasks and looks through all open ones.
      await settled(await begin("quick_job"));
      // It leaves the list of open tasks after its end has been told.
      await app.settle();
      release = () => {};
      const made = await counted(() => begin("waiting_job"));
      expect(made).toMatchObject({ reads: 1, writes: 3 });
      const id = String(made.result);
      expect(await counted(() => tasks().get(id))).toMatchObject({ reads: 1, writes: 0 });
      consumed.length = 0;
      release();
      await expect.poll(() => consumed.filter(({ operation }) => operation === "DeleteItem").length).toBe(1);
      expect(consumed.map(({ operation, units }) => [operation, units])).toEqual([
        ["UpdateItem", 1],
        ["DeleteItem", 1],
      ]);
      expect(await counted(() => tasks().get(id))).toMatchObject({ reads: 1, writes: 0 });
      expect(await counted(() => tasks().cancel(id))).toMatchObject({ reads: 1, writes: 0 });
    });

    test("cancelling costs 1 read and 2 writes; each answer 1 read and 2 writes", async () => {
      release = () => {};
      const id = await begin("waiting_job");
      expect(await counted(() => tasks().cancel(id))).toMatchObject({ reads: 1, writes: 2 });
      release();
      const asking = await begin("asking_job");
      await settled(asking);
      expect(await counted(() => tasks().get(asking))).toMatchObject({ reads: 2, writes: 0 });
      const accepted = { action: "accept", content: {} };
      expect(await counted(() => tasks().answer(asking, { "1.one": accepted }))).toMatchObject({ reads: 1, writes: 2 });
    });
  });
});
