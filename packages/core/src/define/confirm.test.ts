// Tools that a person confirms: over MCP with clients that can ask and ones that cannot, and over REST.
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { type ModernOptions, modern } from "../../test-support/modern-requests.ts";
import { type App, type AppOptions, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { MemoryStore } from "../stores/memory.ts";
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
    expect(result.inputRequests.confirm.params.message).toContain("Erase it?");
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
