import { describe, expect, it } from "vitest";
import * as z from "zod";
import { createApp } from "../app.ts";
import { builtinTools } from "../builtin/tools/index.ts";
import { taskTools } from "../builtin/tools/tasks.ts";
import type { ItemStore } from "../items/item-store.ts";
import { testApp } from "../testing/test-app.ts";
import { defineTool, type ToolDefinition } from "./tool.ts";

const working: ToolDefinition = {
  name: "count",
  description: "Counts.",
  input: z.object({ by: z.number().default(1) }),
  output: z.object({ counter: z.number() }),
  run: () => ({ counter: 1 }),
};

describe("a tool", () => {
  it("is as short to write as to try", async () => {
    const counter = defineTool({
      name: "increment_counter",
      description: "Adds one to this session's counter.",
      input: z.object({}),
      output: z.object({ counter: z.number() }),
      run: async (_, { session }) => ({ counter: await session.values.increment("counter") }),
    });
    const { call } = testApp({ tools: [counter] });
    await call("increment_counter");
    expect(await call("increment_counter")).toEqual({ session_id: "default", counter: 2 });
  });

  it("may say a sentence and take nothing", async () => {
    const hello = defineTool({ name: "hello", description: "Greets.", run: () => "Hello!" });
    const { call } = testApp({ tools: [hello] });
    expect(await call("hello")).toEqual({ content: [{ type: "text", text: "Hello!" }] });
    expect(await call("hello", { idempotency_key: "k" })).toEqual(await call("hello", { idempotency_key: "k" }));
    await expect(call("hello", { name: "Ana" })).rejects.toThrow("name");
    expect(hello.outputSchema).toBeUndefined();
  });

  it("that promises an output may not answer with a text in its place", async () => {
    const wrong = defineTool({ ...working, run: (() => "one") as never });
    await expect(testApp({ tools: [wrong] }).call("count")).rejects.toMatchObject({ code: "internal" });
  });

  it.each<[string, Partial<ToolDefinition>, string]>([
    ["an empty name", { name: "" }, "name"],
    ["a name with a space", { name: "my tool" }, "name"],
    ["a name over 64 characters", { name: "x".repeat(65) }, "name"],
    ["no description", { description: " \n" }, "description"],
    ["a session_id of its own", { input: z.object({ session_id: z.string() }) }, "session_id"],
    ["an idempotency_key of its own", { input: z.object({ idempotency_key: z.string() }) }, "idempotency_key"],
    ["an input that is no object", { input: z.string() as never }, "z.object"],
    ["an output that is no object", { output: [] as never }, "z.object"],
    ["an input that JSON cannot say", { input: z.object({ at: z.date() }) }, "input"],
    ["an output that JSON cannot say", { output: z.object({ size: z.bigint() }) }, "output"],
    ["a session_id in its output", { output: z.object({ session_id: z.string() }) }, "session_id"],
    ["no calls per minute", { callsPerMinute: 0 }, "callsPerMinute"],
    ["half a call per minute", { callsPerMinute: 0.5 }, "callsPerMinute"],
    ["cached results that are never fresh", { session: "none", cache: { ttlSeconds: 0 } }, "ttlSeconds"],
    ["a negative stale time", { session: "none", cache: { staleSeconds: -1 } }, "staleSeconds"],
    [
      "cached in a cached tool's output",
      { session: "none", cache: {}, output: z.object({ cached: z.string() }) },
      "cached",
    ],
    ["a cache and no output", { session: "none", cache: {}, output: undefined as never }, "output"],
    ["a scope with a space", { scope: "a b" }, "scope"],
    ["a cache beside a session", { cache: {} }, "cached"],
    ["a cache beside a required session", { cache: {}, session: "required" }, "cached"],
  ])("with %s is refused with one sentence that names it", (_, wrong, word) => {
    const define = () => defineTool({ ...working, ...wrong });
    expect(define).toThrow(TypeError);
    expect(define).toThrow(word);
    expect(define).toThrow(/^The tool ".*" cannot be defined: (?!.*\. ).*\.$/s);
  });

  it("named as another one is refused when the app is made", () => {
    expect(() => createApp({ tools: [defineTool(working), defineTool(working)] })).toThrow(/count/);
  });

  it("keeps its name as it was written", () => {
    for (const name of ["getItem", "get_item", "get-item", "x.y", "X"])
      expect(defineTool({ ...working, name }).name).toBe(name);
  });

  it("sends all four annotations, with defaults that claim nothing", () => {
    expect(defineTool(working).annotations).toEqual({
      readOnlyHint: false,
      destructiveHint: false,
      idempotentHint: false,
      openWorldHint: false,
    });
    expect(defineTool({ ...working, annotations: { readOnlyHint: true } }).annotations.idempotentHint).toBe(true);
  });

  it("takes an idempotency key only where it writes", () => {
    expect(defineTool(working).inputSchema.properties).toHaveProperty("idempotency_key");
    expect(defineTool({ ...working, annotations: { readOnlyHint: true } }).inputSchema.properties).not.toHaveProperty(
      "idempotency_key",
    );
  });

  it("defined without a session that asks for one fails, loudly", async () => {
    const tool = defineTool({ ...working, session: "none", run: (_, { session }) => ({ counter: session.id.length }) });
    const { call } = testApp({ tools: [tool] });
    await expect(call("count")).rejects.toMatchObject({ code: "internal" });
  });
});

/** Section by section what people who used earlier servers find again: arguments and results of each tool. */
const TOOLS: Record<
  string,
  { required?: string[]; optional?: string[]; result: string[]; session?: "none" | "required" }
> = {
  create_session: { optional: ["name", "ttl_seconds"], result: ["expires_at", "session_id"], session: "none" },
  list_sessions: { optional: ["cursor", "limit"], result: ["sessions"], session: "none" },
  session_info: {
    result: ["created_at", "last_active_at", "expires_at", "notes", "backend", "features"],
  },
  delete_session: { result: ["deleted"], session: "required" },
  reset_session: { result: ["cleared"] },
  add_note: { required: ["note"], result: ["note_id", "count"] },
  get_notes: { optional: ["cursor", "limit", "order", "details"], result: ["notes"] },
  update_note: { required: ["note_id", "note"], optional: ["if_version"], result: ["note_id", "version"] },
  delete_note: { required: ["note_id"], optional: ["if_version"], result: ["deleted"] },
  store_value: {
    required: ["key"],
    optional: ["value", "value_json", "if_version", "ttl_seconds", "keep_ttl"],
    result: ["stored", "key", "version", "type"],
  },
  get_value: { required: ["key"], optional: ["offset", "limit"], result: ["found", "key", "value", "version"] },
  list_values: { optional: ["prefix", "cursor", "limit", "details"], result: ["values"] },
  delete_value: { required: ["key"], optional: ["if_version"], result: ["deleted"] },
  increment_value: { required: ["key"], optional: ["by"], result: ["value", "version"] },
  search_memory: {
    required: ["query"],
    optional: ["in_session", "cursor", "limit"],
    result: ["hits", "searched"],
    session: "none",
  },
  echo_cached: { required: ["text"], result: ["text", "cached"], session: "none" },
};
const OPTIONAL_RESULTS: Record<string, string[]> = {
  list_sessions: ["next_cursor"],
  search_memory: ["next_cursor"],
  list_values: ["next_cursor", "details"],
  get_value: ["part", "offset", "next_offset", "length"],
  get_notes: ["next_cursor", "details"],
};

describe("the tools of the ready server", () => {
  const tools = builtinTools({ backend: "memory", anonymous: false, ttlSeconds: 100 });

  it("are these and no others", () => {
    expect(tools.map(({ name }) => name).toSorted()).toEqual(Object.keys(TOOLS).toSorted());
  });

  it.each(tools)("$name takes exactly its arguments and returns exactly its results", (tool) => {
    const expected = TOOLS[tool.name];
    if (!expected) throw new Error(`${tool.name} is not described.`);
    const { required = [], optional = [], result, session } = expected;
    const stateful = session !== "none";
    const input = tool.inputSchema as { properties: object; required?: string[]; additionalProperties: boolean };
    const own = [...required, ...optional, ...(stateful ? ["session_id"] : [])];
    const keyed = tool.annotations.readOnlyHint ? [] : ["idempotency_key"];
    expect(Object.keys(input.properties).toSorted()).toEqual([...own, ...keyed].toSorted());
    // What has a default may be left out; a value is any JSON, which a schema cannot require.
    const needed = [...required, ...(session === "required" ? ["session_id"] : [])].filter((name) => name !== "value");
    expect((input.required ?? []).filter((name) => name !== "value").toSorted()).toEqual(needed.toSorted());
    expect(input.additionalProperties).toBe(false);
    const output = tool.outputSchema as { properties: object; required?: string[] };
    const results = [...result, ...(stateful ? ["session_id"] : [])];
    expect(Object.keys(output.properties).toSorted()).toEqual(
      [...results, ...(OPTIONAL_RESULTS[tool.name] ?? [])].toSorted(),
    );
  });

  it.each(tools)(
    "$name has a schema that every host reads: flat, without references",
    ({ inputSchema, outputSchema }) => {
      for (const schema of [inputSchema, outputSchema]) {
        expect(schema).toMatchObject({ type: "object" });
        expect(JSON.stringify(schema)).not.toContain('"$ref"');
        for (const keyword of ["anyOf", "oneOf", "allOf", "$defs", "definitions"])
          expect(schema).not.toHaveProperty(keyword);
      }
    },
  );

  it("can all be written for a client, those for items and for tasks included", () => {
    // Theirs are not read at the start, so that what cannot be written would be found by a client.
    const items = { store: {} as ItemStore, tables: [{ name: "orders", mode: "read-write" as const }], scan: true };
    const all = [
      ...builtinTools({ backend: "memory", anonymous: false, ttlSeconds: 0, items }),
      ...taskTools({ anonymous: false, scopeOf: () => undefined }),
    ];
    expect(all.length).toBeGreaterThan(tools.length + 6);
    for (const { inputSchema, outputSchema } of all)
      expect([inputSchema, outputSchema]).toMatchObject([{ type: "object" }, { type: "object" }]);
  });

  it.each(tools)("$name tells a person and a model what it does", ({ name, title, description, inputSchema }) => {
    expect(title).not.toBe(name);
    expect(description).toMatch(/\.$/);
    for (const [argument, schema] of Object.entries(inputSchema.properties as Record<string, { description?: string }>))
      expect(schema.description, argument).toBeTruthy();
  });

  it("state the retention in the tool that creates", () => {
    const [create] = tools;
    expect(create?.description).toContain("100 seconds");
    const [forever] = builtinTools({ backend: "local", anonymous: false, ttlSeconds: 0 });
    expect(forever?.description).toContain("until you delete it");
  });

  it("return what their output schemas say, in a life from creation to deletion", async () => {
    const { call, app } = testApp();
    const { session_id } = await call("create_session", { ttl_seconds: 60 });
    const s = { session_id };
    const life: [string, Record<string, unknown>][] = [
      ["add_note", { ...s, note: "a" }],
      ["add_note", { ...s, note: "b" }],
      ["get_notes", { ...s, details: true, limit: 1 }],
      ["update_note", { ...s, note_id: "NOTE_ID", note: "c" }],
      ["get_notes", { ...s, details: true, limit: 1 }],
      ["delete_note", { ...s, note_id: "NOTE_ID" }],
      ["store_value", { ...s, key: "k", value: { deep: [1, null] } }],
      ["store_value", { ...s, key: "n", value: null }],
      ["get_value", { ...s, key: "k" }],
      ["get_value", { ...s, key: "missing" }],
      ["increment_value", { ...s, key: "c", by: 0.5 }],
      ["get_value", { ...s, key: "k", offset: 2, limit: 3 }],
      ["list_values", { ...s, limit: 1 }],
      ["list_values", { ...s, details: true }],
      ["delete_value", { ...s, key: "k" }],
      ["search_memory", { query: "b", limit: 1 }],
      ["search_memory", { query: "deep", in_session: session_id }],
      ["session_info", s],
      ["session_info", { session_id: "unwritten" }],
      ["list_sessions", { limit: 1 }],
      ["echo_cached", { text: "x" }],
      ["reset_session", s],
      ["delete_session", s],
    ];
    let note_id: unknown;
    for (const [name, given] of life) {
      const args = given.note_id ? { ...given, note_id } : given;
      const result = await call(name, args);
      note_id ??= result.note_id;
      const tool = app.tools.find((one) => one.name === name);
      const strict = z.fromJSONSchema({ ...tool?.outputSchema, additionalProperties: false } as never);
      expect(strict.safeParse(result), `${name} ${JSON.stringify(result)}`).toMatchObject({ success: true });
      if (args.session_id) expect(result.session_id).toBe(args.session_id);
    }
  });
});
