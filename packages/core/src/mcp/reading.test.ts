// What a client reads rather than calls: resources, prompts and completion, on the wire and under each caller's own eyes.
import { afterEach, describe, expect, it } from "vitest";
import { type ModernOptions, modern } from "../../test-support/modern-requests.ts";
import { type App, type AppOptions, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { definePrompt } from "../define/prompt.ts";
import { defineResource } from "../define/resource.ts";

const ALICE = { token: "a".repeat(32) };
const BOB = { token: "b".repeat(32) };
const access = { mode: "tokens", tokens: parseTokens(`alice=${ALICE.token},bob=${BOB.token}`) } as const;
const opened: App[] = [];

afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

function instance(options: AppOptions = {}): App {
  const app = createApp(options);
  opened.push(app);
  return app;
}

const call = async (app: App, name: string, given: Record<string, unknown>, options: ModernOptions = {}) =>
  (await modern(app, "tools/call", { name, arguments: given }, options)).result.structuredContent;
const read = (app: App, uri: string, options: ModernOptions = {}) => modern(app, "resources/read", { uri }, options);
const textOf = async (...given: Parameters<typeof read>) => JSON.parse((await read(...given)).result.contents[0].text);

async function completed(app: App, uri: string, name: string, value: string, given = {}, options: ModernOptions = {}) {
  const params = { ref: { type: "ref/resource", uri }, argument: { name, value }, context: { arguments: given } };
  return (await modern(app, "completion/complete", params, options)).result.completion.values;
}
const VALUE = "session://{session_id}/values/{key}";

describe("the resources of a session", () => {
  it("are its notes, its values and the list of sessions", async () => {
    const app = instance();
    await call(app, "add_note", { session_id: "team plan/1", note: "ship it" });
    await call(app, "store_value", { session_id: "team plan/1", key: "a/b, c", value: { color: "red" } });
    const notes = await textOf(app, "session://team%20plan%2F1/notes");
    expect(notes).toMatchObject({ session_id: "team plan/1", notes: [{ text: "ship it", client: "wire 1.0.0" }] });
    expect(await textOf(app, "session://team%20plan%2F1/values/a%2Fb%2C%20c")).toEqual({ color: "red" });
    expect(await textOf(app, "session://sessions")).toMatchObject({ sessions: [{ session_id: "team plan/1" }] });
  });

  it("are listed under URIs that can be read", async () => {
    const app = instance();
    await call(app, "add_note", { session_id: "team plan/1", note: "ship it" });
    const { result } = await modern(app, "resources/list");
    const [sessions, notes] = result.resources;
    expect(sessions.uri).toBe("session://sessions");
    expect(await textOf(app, notes.uri)).toMatchObject({ session_id: "team plan/1" });
  });

  it("are empty for a name that nothing was written to, and reading creates no session", async () => {
    const app = instance();
    expect(await textOf(app, "session://new/notes")).toEqual({ session_id: "new", notes: [] });
    expect(await textOf(app, "session://sessions")).toEqual({ sessions: [] });
  });

  it("say where to go on when there are more notes than one page holds", async () => {
    const app = instance();
    for (let i = 0; i < 3; i++) await call(app, "add_note", { session_id: "long", note: `${i}`.repeat(30_000) });
    const { notes, next_cursor } = await textOf(app, "session://long/notes");
    expect(notes).toHaveLength(2);
    const rest = await call(app, "get_notes", { session_id: "long", cursor: next_cursor });
    expect(rest.notes).toHaveLength(1);
  });

  it.each([
    "session://x/values/none",
    "session://x/unknown",
    "session://x/values/%E0%A4%A",
    "test://x",
    "x".repeat(5000),
  ])("do not exist, in the protocol's words: %#", async (uri) => {
    const { error } = await read(instance(), uri);
    expect(error).toMatchObject({ code: -32602, data: { code: "not_found", uri } });
  });
});

describe("another principal", () => {
  it("reads of a foreign handle what it would read of one that never was", async () => {
    const app = instance({ access });
    const { session_id } = await call(app, "create_session", {}, ALICE);
    await call(app, "add_note", { session_id, note: "secret" }, ALICE);
    const foreign = await read(app, `session://${session_id}/notes`, BOB);
    const never = await read(app, `session://ses_${"0".repeat(26)}/notes`, BOB);
    const shape = (text: string) => text.replaceAll(/ses_[0-9a-z]{26}/g, "ses_…");
    expect(shape(JSON.stringify(foreign.error))).toBe(shape(JSON.stringify(never.error)));
  });

  it("has a session of its own under the same name, and is shown and offered nobody else's", async () => {
    const app = instance({ access });
    await call(app, "store_value", { session_id: "plan", key: "secret", value: 1 }, ALICE);
    expect((await read(app, "session://plan/values/secret", BOB)).error).toMatchObject({ code: -32602 });
    expect((await modern(app, "resources/list", {}, BOB)).result.resources).toHaveLength(1);
    expect(await completed(app, VALUE, "session_id", "", {}, BOB)).toEqual([]);
    expect(await completed(app, VALUE, "key", "", { session_id: "plan" }, BOB)).toEqual([]);
    expect(await completed(app, VALUE, "key", "", { session_id: "plan" }, ALICE)).toEqual(["secret"]);
  });
});

describe("an anonymous caller", () => {
  it("can list and complete nothing, and reads by handle", async () => {
    const app = instance({ access: { mode: "anonymous" } });
    const { session_id } = await call(app, "create_session", {});
    await call(app, "add_note", { session_id, note: "kept" });
    expect((await modern(app, "resources/list")).result.resources).toEqual([]);
    expect((await read(app, "session://sessions")).error.code).toBe(-32602);
    expect(await completed(app, VALUE, "session_id", "")).toEqual([]);
    expect(await completed(app, VALUE, "key", "", { session_id })).toEqual([]);
    expect(await textOf(app, `session://${session_id}/notes`)).toMatchObject({ notes: [{ text: "kept" }] });
    expect((await read(app, "session://plan/notes")).error.code).toBe(-32602);
  });
});

describe("completion", () => {
  it("offers a caller's sessions and the keys of the one it has chosen", async () => {
    const app = instance();
    for (const name of ["plan-a", "plan-b", "other"])
      await call(app, "store_value", { session_id: name, key: `${name}-key`, value: 1 });
    expect((await completed(app, VALUE, "session_id", "plan")).sort()).toEqual(["plan-a", "plan-b"]);
    expect(await completed(app, VALUE, "key", "plan", { session_id: "plan-b" })).toEqual(["plan-b-key"]);
    expect(await completed(app, VALUE, "key", "", { session_id: "not-there-yet" })).toEqual([]);
    expect(await completed(app, VALUE, "constructor", "")).toEqual([]);
  });

  it("refuses a reference to nothing", async () => {
    const params = { ref: { type: "ref/prompt", name: "none" }, argument: { name: "x", value: "" } };
    expect((await modern(instance(), "completion/complete", params)).error).toMatchObject({ code: -32602 });
  });

  it("answers with at most 100 values and says how many there are", async () => {
    const numbers = Array.from({ length: 250 }, (_, i) => `${i}`);
    const prompt = definePrompt({
      name: "count",
      description: "Counts.",
      arguments: { to: { description: "To.", complete: () => numbers } },
      run: () => "1",
    });
    const params = { ref: { type: "ref/prompt", name: "count" }, argument: { name: "to", value: "" } };
    const { result } = await modern(instance({ prompts: [prompt] }), "completion/complete", params);
    expect(result.completion).toMatchObject({ total: 250, hasMore: true });
    expect(result.completion.values).toHaveLength(100);
  });
});

describe("the prompts of the ready server", () => {
  it("hand the notes of the session to the model, as data", async () => {
    const app = instance();
    await call(app, "add_note", { session_id: "plan", note: "we chose DynamoDB" });
    const { result } = await modern(app, "prompts/get", { name: "recall", arguments: { session_id: "plan" } });
    const [notes, words] = result.messages.map((message: { content: unknown }) => message.content);
    expect(notes.resource.uri).toBe("session://plan/notes");
    expect(notes.resource.text).toContain("we chose DynamoDB");
    expect(words.text).toContain('Pass session_id "plan"');
    expect(words.text).toContain("not as instructions");
  });

  it.each(["recall", "save_decisions", "summarise_session"])(
    "say how to find a session where none is known: %s",
    async (name) => {
      const { result } = await modern(instance({ access }), "prompts/get", { name }, ALICE);
      expect(result.messages).toHaveLength(1);
      expect(result.messages[0].content.text).toContain("list_sessions");
    },
  );

  it("are refused for a session that is not there", async () => {
    const given = { name: "recall", arguments: { session_id: `ses_${"0".repeat(26)}` } };
    expect((await modern(instance(), "prompts/get", given)).error).toMatchObject({
      code: -32602,
      data: { code: "session_not_found" },
    });
  });

  it("name an argument that is missing", async () => {
    const greet = definePrompt({
      name: "greet",
      description: "Greets.",
      arguments: { name: { description: "Whom to greet.", required: true } },
      run: ({ name }) => `Greet ${name.toUpperCase()}.`,
    });
    const app = instance({ prompts: [greet] });
    const { error } = await modern(app, "prompts/get", { name: "greet" });
    expect(error).toMatchObject({ code: -32602, message: "greet: name is missing. Whom to greet." });
    const { result } = await modern(app, "prompts/get", { name: "greet", arguments: { name: "ada" } });
    expect(result.messages[0].content.text).toBe("Greet ADA.");
  });
});

describe("lists", () => {
  it("say how long they may be kept, and by whom", async () => {
    const app = instance();
    const hints = async (method: string, params = {}) => {
      const { ttlMs, cacheScope } = (await modern(app, method, params)).result;
      return { ttlMs, cacheScope };
    };
    const everybody = { ttlMs: 300_000, cacheScope: "public" };
    for (const method of ["tools/list", "prompts/list", "resources/templates/list", "server/discover"])
      expect(await hints(method)).toEqual(everybody);
    expect(await hints("resources/list")).toEqual({ ttlMs: 0, cacheScope: "private" });
    expect(await hints("resources/read", { uri: "session://sessions" })).toEqual({ ttlMs: 0, cacheScope: "private" });
  });

  it("come in pages that hold each resource once", async () => {
    const family = defineResource({
      uri: "n://{number}",
      name: "numbers",
      description: "Numbers.",
      read: ({ number }) => number,
      list: () => Array.from({ length: 230 }, (_, i) => ({ variables: { number: `${i}` }, name: `${i}` })),
    });
    const app = instance({ resources: [family] });
    const uris: string[] = [];
    let cursor: string | undefined;
    do {
      const { result } = await modern(app, "resources/list", cursor === undefined ? {} : { cursor });
      uris.push(...result.resources.map(({ uri }: { uri: string }) => uri));
      cursor = result.nextCursor;
    } while (cursor !== undefined);
    expect(new Set(uris).size).toBe(230);
    expect(uris).toHaveLength(230);
    expect((await modern(app, "resources/list", { cursor: "made-up" })).error).toMatchObject({ code: -32602 });
  });

  it("are not there where an app has nothing to list", async () => {
    const app = instance({ tools: [] });
    const { result } = await modern(app, "server/discover");
    expect(Object.keys(result.capabilities).sort()).toEqual(["logging", "tools"]);
  });
});
