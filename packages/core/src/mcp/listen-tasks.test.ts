// Tasks in a stream of subscriptions/listen, between instances that share nothing but the store.
import { acceptedContent, inputRequired } from "@modelcontextprotocol/server";
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { framesOf, type ModernOptions, modern, modernFetch, type Wire } from "../../test-support/modern-requests.ts";
import { type App, type AppOptions, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { builtinResources } from "../builtin/resources/index.ts";
import { builtinTools } from "../builtin/tools/index.ts";
import { defineTool } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import { MemoryStore } from "../stores/memory-store.ts";

const TASKS = "io.modelcontextprotocol/tasks";
const ALICE = { token: "a".repeat(32), capabilities: { elicitation: { form: {} }, extensions: { [TASKS]: {} } } };
const BOB = { ...ALICE, token: "b".repeat(32) };
const access = { mode: "tokens", tokens: parseTokens(`alice=${ALICE.token},bob=${BOB.token}`) } as const;
const UNKNOWN = `tsk_${"0".repeat(26)}`;
const opened: App[] = [];

afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

const question = inputRequired.elicit({ message: "Go on?", requestedSchema: z.object({ yes: z.boolean() }) });
const job = defineTool({
  name: "job",
  description: "Asks, and is done.",
  task: "required",
  session: "none",
  input: z.object({}),
  output: z.object({ yes: z.boolean() }),
  run: async (_, { answers }) => {
    if (!answers) return inputRequired({ inputRequests: { go: question } }) as never;
    return { yes: acceptedContent(answers, "go", z.object({ yes: z.boolean() }))?.yes ?? false };
  },
});

function instance(options: AppOptions = {}): App {
  const ready = builtinTools({ backend: "memory", anonymous: false, ttlSeconds: 0 });
  const app = createApp({
    access,
    tools: [...ready, job],
    resources: builtinResources({ anonymous: false }),
    ...options,
  });
  opened.push(app);
  return app;
}

const makeTask = async (app: App, options: ModernOptions = ALICE): Promise<string> =>
  (await modern(app, "tools/call", { name: "job", arguments: {} }, options)).result.taskId;
const answer = (app: App, taskId: string) =>
  modern(
    app,
    "tasks/update",
    { taskId, inputResponses: { "1.go": { action: "accept", content: { yes: true } } } },
    ALICE,
  );

async function listen(app: App, notifications: Record<string, unknown>, options: ModernOptions = ALICE) {
  const response = await modernFetch(app, "subscriptions/listen", { notifications }, { id: "sub", ...options });
  const frames = framesOf(response);
  return { response, next: async (): Promise<Wire> => (await frames.next()).value, end: () => frames.return() };
}

/** A store that counts how often an entry is read, and can be away. */
function countingReads() {
  let count = 0;
  const table = { away: false };
  const store = new Proxy(new MemoryStore(), {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        if (name === "get") count += 1;
        if (table.away) throw new AppError("unavailable", "The table does not answer.");
        return Reflect.apply(member, target, given);
      };
    },
  });
  return { store, table, reads: () => count };
}

describe("a stream that names tasks", () => {
  it("acknowledges them, tells each change that another instance makes, and ends when all have ended", async () => {
    const store = new MemoryStore();
    const [a, b] = [instance({ store }), instance({ store })];
    const taskId = await makeTask(a);
    const stream = await listen(b, { taskIds: [taskId, taskId] });
    expect(await stream.next()).toMatchObject({
      method: "notifications/subscriptions/acknowledged",
      params: { notifications: { taskIds: [taskId] } },
    });
    const asked = await stream.next();
    expect(asked).toMatchObject({
      method: "notifications/tasks",
      params: {
        taskId,
        status: "input_required",
        inputRequests: { "1.go": {} },
        _meta: { "io.modelcontextprotocol/subscriptionId": "sub" },
      },
    });
    await answer(a, taskId);
    let last = await stream.next();
    while (last.params?.status === "working") last = await stream.next();
    expect(last.params).toMatchObject({ taskId, status: "completed", result: { structuredContent: { yes: true } } });
    // Exactly what tasks/get says.
    const { result } = await modern(b, "tasks/get", { taskId }, ALICE);
    const { _meta: told, ...params } = last.params;
    const { _meta: got, resultType, ...task } = result;
    expect(params).toEqual(task);
    expect(await stream.next()).toMatchObject({ id: "sub", result: { resultType: "complete" } });
    expect(await stream.next()).toBeUndefined();
  });

  it("tells of a task that has ended before, once", async () => {
    const app = instance();
    const taskId = await makeTask(app);
    await modern(app, "tasks/cancel", { taskId }, ALICE);
    const stream = await listen(app, { taskIds: [taskId] });
    await stream.next();
    expect(await stream.next()).toMatchObject({ params: { taskId, status: "cancelled" } });
    expect(await stream.next()).toMatchObject({ result: { resultType: "complete" } });
  });

  it("of another caller, or none at all, acknowledges and tells nothing, and ends", async () => {
    const app = instance();
    const taskId = await makeTask(app);
    for (const [options, id] of [
      [BOB, taskId],
      [ALICE, UNKNOWN],
      [ALICE, "no id"],
    ] as const) {
      const stream = await listen(app, { taskIds: [id] }, options);
      expect(await stream.next()).toMatchObject({ params: { notifications: { taskIds: [] } } });
      expect(await stream.next()).toMatchObject({ result: { resultType: "complete" } });
    }
  });

  it("of a token that does not allow the tool acknowledges and tells nothing, as tasks/get tells it nothing", async () => {
    const reader = { ...ALICE, token: "r".repeat(32) };
    const app = instance({
      access: { mode: "tokens", tokens: parseTokens(`alice=${ALICE.token},alice:read=${reader.token}`) },
    });
    const taskId = await makeTask(app);
    expect((await modern(app, "tasks/get", { taskId }, reader)).error).toBeDefined();
    const stream = await listen(app, { taskIds: [taskId] }, reader);
    expect(await stream.next()).toMatchObject({ params: { notifications: { taskIds: [] } } });
    expect(await stream.next()).toMatchObject({ result: { resultType: "complete" } });
  });

  it("tells a task again only when it has changed, however often it looks", async () => {
    const { store, reads } = countingReads();
    const app = instance({ store });
    const taskId = await makeTask(app);
    const stream = await listen(app, { taskIds: [taskId] });
    await stream.next();
    expect(await stream.next()).toMatchObject({ params: { status: "input_required" } });
    const before = reads();
    await expect.poll(reads).toBeGreaterThan(before + 4);
    await modern(app, "tasks/cancel", { taskId }, ALICE);
    expect(await stream.next()).toMatchObject({ params: { status: "cancelled" } });
    expect(await stream.next()).toMatchObject({ result: { resultType: "complete" } });
  });

  it("goes on while the table does not answer, and tells what has changed meanwhile", async () => {
    const { store, table, reads } = countingReads();
    const app = instance({ store });
    const taskId = await makeTask(app);
    const stream = await listen(app, { taskIds: [taskId] });
    await stream.next();
    expect(await stream.next()).toMatchObject({ params: { status: "input_required" } });
    table.away = true;
    const before = reads();
    await expect.poll(reads).toBeGreaterThan(before + 1);
    table.away = false;
    await modern(app, "tasks/cancel", { taskId }, ALICE);
    expect(await stream.next()).toMatchObject({ params: { status: "cancelled" } });
    expect(await stream.next()).toMatchObject({ result: { resultType: "complete" } });
  });

  it("of a client that does not declare tasks is refused before any id is looked at", async () => {
    const app = instance();
    const { response } = await listen(app, { taskIds: [UNKNOWN] }, { ...ALICE, capabilities: {} });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ id: "sub", error: { code: -32_021 } });
  });

  it("is refused when it names more than a stream can watch", async () => {
    const app = instance();
    const taskIds = Array.from({ length: 33 }, (_, at) => `tsk_${at}`);
    const { response } = await listen(app, { taskIds });
    expect(await response.json()).toMatchObject({ error: { message: expect.stringContaining("32") } });
  });

  it("watches resources beside them, and goes on for those", async () => {
    const app = instance();
    const taskId = await makeTask(app);
    const uri = "session://plan/notes";
    await modern(app, "tools/call", { name: "add_note", arguments: { session_id: "plan", note: "1" } }, ALICE);
    await modern(app, "tasks/cancel", { taskId }, ALICE);
    const stream = await listen(app, { taskIds: [taskId], resourceSubscriptions: [uri] });
    expect(await stream.next()).toMatchObject({
      params: { notifications: { taskIds: [taskId], resourceSubscriptions: [uri] } },
    });
    expect(await stream.next()).toMatchObject({ params: { status: "cancelled" } });
    await modern(app, "tools/call", { name: "add_note", arguments: { session_id: "plan", note: "2" } }, ALICE);
    expect(await stream.next()).toMatchObject({ method: "notifications/resources/updated", params: { uri } });
    await stream.end();
  });

  it("ends as the protocol has it when its server is about to end", async () => {
    const app = instance();
    const taskId = await makeTask(app);
    const stream = await listen(app, { taskIds: [taskId] });
    await stream.next();
    await stream.next();
    app.drain();
    expect(await stream.next()).toMatchObject({ id: "sub", result: { resultType: "complete" } });
  });

  it("that its client has left asks the table nothing, and gives its place back", async () => {
    const { store, reads } = countingReads();
    const app = instance({ store, limits: { listensPerPrincipal: 1 } });
    const taskId = await makeTask(app);
    const stream = await listen(app, { taskIds: [taskId] });
    await stream.next();
    const before = reads();
    await expect.poll(reads).toBeGreaterThan(before + 2);
    await stream.end();
    const left = reads();
    // The second stream is admitted because the first has gone, and looks several times.
    const second = await listen(app, { taskIds: [taskId] });
    expect((await second.next()).params.notifications).toEqual({ taskIds: [taskId] });
    await second.end();
    expect(reads() - left).toBeLessThan(10);
  });
});
