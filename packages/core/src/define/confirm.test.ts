// Tools that a person confirms: over MCP with clients that can ask and ones that cannot, and over REST.
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { type ModernOptions, modern } from "../../test-support/modern-requests.ts";
import { type App, type AppOptions, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import type { ItemStore, TableShape } from "../items/item-store.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";
import { defineTool } from "./tool.ts";

const erased: string[] = [];
const erase = defineTool({
  name: "erase",
  title: "Erase it",
  description: "Erases something for good.",
  input: z.object({ what: z.string() }),
  output: z.object({ erased: z.boolean() }),
  confirm: true,
  run: ({ what }) => {
    erased.push(what);
    return { erased: true };
  },
});

const asks: ModernOptions = { capabilities: { elicitation: {} } };
const yes = { confirm: { action: "accept", content: { confirm: true } } };
const opened: App[] = [];

afterEach(async () => {
  erased.length = 0;
  for (const app of opened.splice(0)) await app.close();
});

function instance(options: AppOptions = {}): App {
  const app = createApp({ tools: [erase], ...options });
  opened.push(app);
  return app;
}

const call = (app: App, given: Record<string, unknown> = {}, more: Record<string, unknown> = {}, options = asks) =>
  modern(app, "tools/call", { name: "erase", arguments: { what: "it", ...given }, ...more }, options);

describe("a tool that is confirmed", () => {
  it("asks the person at a client that can ask, and runs once they agree", async () => {
    const app = instance();
    const { result } = await call(app);
    expect(result.inputRequests.confirm.params.message).toContain("Erase it (erase)? This cannot be undone.");
    expect(erased).toEqual([]);
    const done = await call(app, {}, { inputResponses: yes, requestState: result.requestState });
    expect(done.result.structuredContent).toMatchObject({ erased: true });
    expect(erased).toEqual(["it"]);
  });

  it.each([
    ["declines", { confirm: { action: "decline" } }],
    ["cancels", { confirm: { action: "cancel" } }],
    ["leaves the box empty", { confirm: { action: "accept", content: { confirm: false } } }],
    ["answers something else", { confirm: { action: "accept", content: { confirm: "yes" } } }],
    ["answers another question", { other: { action: "accept", content: { confirm: true } } }],
  ])("does nothing when the person %s", async (_, inputResponses) => {
    const app = instance();
    const { result } = await call(app);
    const refused = await call(app, {}, { inputResponses, requestState: result.requestState });
    expect(refused.result).toMatchObject({ isError: true });
    expect(erased).toEqual([]);
  });

  it("does not take the model's word where the person can be asked", async () => {
    const { result } = await call(instance(), { confirm: true });
    expect(result.resultType).toBe("input_required");
    expect(erased).toEqual([]);
  });

  it("takes no answer to a question that was not asked", async () => {
    const { result } = await call(instance(), {}, { inputResponses: yes });
    expect(result.resultType).toBe("input_required");
    expect(erased).toEqual([]);
  });

  it("needs confirm: true from a client that cannot ask", async () => {
    const app = instance();
    const { result } = await call(app, {}, {}, {});
    expect(result.content[0].text).toContain("call it again with confirm: true");
    expect(erased).toEqual([]);
    expect((await call(app, { confirm: true }, {}, {})).result.structuredContent).toMatchObject({ erased: true });
  });

  it("runs without questions over REST, where a program calls", async () => {
    const response = await instance().fetch(
      new Request("http://localhost/mcp/call_tool", {
        method: "POST",
        headers: { host: "localhost", "content-type": "application/json" },
        body: JSON.stringify({ name: "erase", arguments: { what: "it" } }),
      }),
    );
    expect(await response.json()).toMatchObject({ result: { erased: true } });
  });

  it("may be any tool that the operator names, and only one that exists", async () => {
    const { result } = await modern(
      instance({ tools: undefined as never, confirm: ["reset_session"] }),
      "tools/call",
      {
        name: "reset_session",
        arguments: {},
      },
      asks,
    );
    expect(result.resultType).toBe("input_required");
    expect(() => instance({ confirm: ["reset"] })).toThrow(/There is no tool reset to confirm/);
  });
});

describe("what a person is shown", () => {
  const shownBy = async (app: App, name: string, args: Record<string, unknown>) =>
    (await modern(app, "tools/call", { name, arguments: args }, asks)).result.inputRequests.confirm.params.message;

  it("names the session that is meant and what goes with it", async () => {
    const app = instance({ tools: undefined as never, confirm: ["reset_session", "delete_session"] });
    for (const note of ["a", "b"]) await modern(app, "tools/call", { name: "add_note", arguments: { note } });
    await modern(app, "tools/call", { name: "store_value", arguments: { key: "k", value: 1 } });
    expect(await shownBy(app, "reset_session", {})).toBe(
      "Reset session (reset_session)? This cannot be undone.\nsession: default\nholds: notes: 2, values: 1",
    );
    expect(await shownBy(app, "delete_session", { session_id: "default" })).toContain("holds: notes: 2, values: 1");
  });

  it("names table and key first, then every argument, none of which hides another", async () => {
    const store = { tables: [{ name: "orders", mode: "read-write" as const }], store: {} as ItemStore };
    const app = instance({ tools: undefined as never, items: store });
    const key = { PK: "x".repeat(5_000), SK: "1" };
    const message = await shownBy(app, "delete_item", { key, condition: "attribute_exists(PK)" });
    const lines = message.split("\n");
    expect(lines.map((line: string) => line.split(":")[0])).toEqual([
      "Delete item (delete_item)? This cannot be undone.",
      "table",
      "key",
      "condition",
    ]);
    expect(lines[1]).toBe("table: orders");
    expect(lines[2]).toMatch(/^key: \{"PK":"x{900,}… \(and \d+ more characters\)$/);
    expect(lines[3]).toBe("condition: attribute_exists(PK)");
  });

  describe("of a batch of writes", () => {
    const shape: TableShape = {
      name: "orders",
      partition: [{ name: "PK", type: "string" }],
      sort: [{ name: "$SK", type: "number" }],
      indexes: [],
      itemCount: 0,
      sizeBytes: 0,
    };
    const store = { describe: async () => shape } as Partial<ItemStore> as ItemStore;
    const items = { tables: [{ name: "orders", mode: "read-write" as const }], store };
    const asked = (args: object) =>
      shownBy(instance({ tools: undefined as never, items }), "batch_write", args as Record<string, unknown>);

    it("is each key that is replaced or goes, before what is written there", async () => {
      const puts = [
        { text: "x".repeat(5_000), $$SK: 1, PK: "a" },
        { PK: "b", $$SK: 2 },
      ];
      const message = await asked({ puts, deletes: [{ PK: "c", $$SK: 3 }] });
      expect(message.split("\n").slice(0, 5)).toEqual([
        "Write several items (batch_write)? This cannot be undone.",
        "table: orders",
        "writes: 2 items put, each over what stands there, and 1 deleted",
        'put_keys: [{"PK":"a","$$SK":1},{"PK":"b","$$SK":2}]',
        'deletes: [{"PK":"c","$$SK":3}]',
      ]);
    });

    it("is each of many long keys in a line of its own", async () => {
      const deletes = Array.from({ length: 25 }, (_, i) => ({ PK: `${"x".repeat(200)}${i}`, $$SK: i }));
      const lines: string[] = (await asked({ deletes })).split("\n");
      for (const [i, key] of deletes.entries())
        expect(lines).toContain(`deletes ${i + 1} of 25: ${JSON.stringify(key)}`);
    });

    it("has a bound, and says how many are beyond it", async () => {
      const deletes = Array.from({ length: 25 }, (_, i) => ({ PK: `${i}${"\u202e".repeat(400)}`, $$SK: i }));
      const message = await asked({ deletes });
      expect(message.length).toBeLessThan(20_000);
      const shown = message.match(/^deletes \d+ of 25: /gm)?.length ?? 0;
      expect(shown).toBeGreaterThan(5);
      expect(message).toContain(`\ndeletes: and ${25 - shown} more, not shown`);
    });
  });

  it("is each table, key or whatever else a tool of your own names in a list, never the first thousand characters", async () => {
    const drop = defineTool({
      name: "drop",
      description: "Drops tables.",
      input: z.object({ tables: z.array(z.string()) }),
      output: z.object({ done: z.boolean() }),
      confirm: true,
      run: () => ({ done: true }),
    });
    const tables = Array.from({ length: 40 }, (_, i) => `table-${i}-${"x".repeat(40)}`);
    const message = await shownBy(instance({ tools: [drop] }), "drop", { tables });
    for (const table of tables) expect(message).toContain(table);
  });

  it("shows an argument beside what is meant, never in its place", async () => {
    const wipe = defineTool({
      name: "wipe",
      description: "Wipes something.",
      input: z.object({ session: z.string(), table: z.string() }),
      output: z.object({ done: z.boolean() }),
      confirm: true,
      affects: () => ({ table: "orders" }),
      run: () => ({ done: true }),
    });
    const message = await shownBy(instance({ tools: [wipe] }), "wipe", {
      session: "harmless",
      session_id: "precious",
      table: "scratch",
    });
    expect(message.split("\n").slice(1)).toEqual([
      "session: precious",
      "table: orders",
      "session: harmless",
      "table: scratch",
    ]);
  });

  it("has nothing invisible in it, and nothing that turns the order of text around", async () => {
    const what = "a\u202eb\u200bc\nsession: other\u2066\u00ad\u3164\u0007";
    const message = await shownBy(instance(), "erase", { what });
    expect(message.split("\n")).toEqual([
      "Erase it (erase)? This cannot be undone.",
      "session: default",
      "what: a\\u{202e}b\\u{200b}c\\nsession: other\\u{2066}\\u{ad}\\u{3164}\\u0007",
    ]);
  });
});

describe("a call with an idempotency key that was refused before it did anything", () => {
  const external = defineTool({
    name: "external",
    description: "Erases something elsewhere.",
    input: z.object({ what: z.string() }),
    output: z.object({ erased: z.boolean() }),
    confirm: true,
    idempotent: true,
    run: ({ what }) => {
      erased.push(what);
      return { erased: true };
    },
  });

  it.each([external, erase])("$name may be confirmed under the same key", async (tool) => {
    const app = instance({ tools: [tool] });
    const keyed = (more: object, options: ModernOptions = {}, params: object = {}) =>
      modern(
        app,
        "tools/call",
        { name: tool.name, arguments: { what: "it", idempotency_key: "k", ...more }, ...params },
        options,
      );
    expect((await keyed({})).result.content[0].text).toContain("confirm: true");
    const { result } = await keyed({}, asks);
    const no = { inputResponses: { confirm: { action: "decline" } }, requestState: result.requestState };
    expect((await keyed({}, asks, no)).result.isError).toBe(true);
    expect(erased).toEqual([]);
    expect((await keyed({ confirm: true })).result.structuredContent).toMatchObject({ erased: true });
    expect((await keyed({ confirm: true })).result.structuredContent).toMatchObject({ erased: true });
    expect(erased).toEqual(["it"]);
  });
});

describe("an agreement", () => {
  const agreed = async (app: App, token?: string) => {
    const options = { ...asks, ...(token && { token }) };
    const { result } = await call(app, {}, {}, options);
    return { inputResponses: yes, requestState: String(result.requestState) };
  };
  const refused = { code: -32602, data: { reason: "invalid_request_state" } };

  it("counts once, however many use it at the same time and wherever", async () => {
    const store = new MemoryStore();
    const apps = [instance({ store }), instance({ store })];
    const agreement = await agreed(apps[0] as App);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => call(apps[i % 2] as App, {}, agreement)));
    expect(answers.filter(({ result }) => result?.structuredContent?.erased)).toHaveLength(1);
    expect(erased).toHaveLength(1);
  });

  it("counts for these arguments alone", async () => {
    const app = instance();
    expect((await call(app, { what: "another" }, await agreed(app))).error).toMatchObject(refused);
    expect(erased).toEqual([]);
  });

  it("counts for whoever was asked alone", async () => {
    const app = instance({
      access: { mode: "tokens", tokens: parseTokens(`a=${"a".repeat(32)},b=${"b".repeat(32)}`) },
    });
    const options = (token: string) => ({ ...asks, token });
    const named = { session_id: "s" };
    const { result } = await call(app, named, {}, options("a".repeat(32)));
    const agreement = { inputResponses: yes, requestState: result.requestState };
    expect((await call(app, named, agreement, options("b".repeat(32)))).error).toMatchObject(refused);
    expect(erased).toEqual([]);
  });

  it("counts for ten minutes", async () => {
    const clock = movableClock();
    const app = instance({ clock, store: new MemoryStore({ clock }) });
    const agreement = await agreed(app);
    clock.advance(601);
    expect((await call(app, {}, agreement)).error).toMatchObject(refused);
  });

  it("cannot be made up", async () => {
    const app = instance();
    const { requestState } = await agreed(app);
    for (const made of ["", "x", `${requestState}x`, requestState.slice(1), "A".repeat(32), "asked to confirm"])
      expect((await call(app, {}, { inputResponses: yes, requestState: made })).error ?? {}).toMatchObject(refused);
    expect(erased).toEqual([]);
  });
});
