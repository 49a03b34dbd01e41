// Calls that ask their client before they answer, and the state that they want back.
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { type ModernOptions, modern } from "../../test-support/modern-requests.ts";
import { type App, type AppOptions, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { defineTool } from "../define/tool.ts";
import { acceptedContent, inputRequired } from "../index.ts";
import { MemoryStore } from "../stores/memory-store.ts";

const okForm = z.object({ ok: z.boolean() });
const effects: string[] = [];

/** Deletes nothing: notes what it would have deleted. */
const remove = defineTool({
  name: "remove",
  description: "Removes something once its user has agreed.",
  input: z.object({ what: z.string() }),
  output: z.object({ removed: z.boolean() }),
  session: "none",
  run: ({ what }, { answers, requestState }) => {
    const agreed = requestState === `agree to ${what}` && acceptedContent(answers, "agree", okForm)?.ok === true;
    if (agreed) effects.push(what);
    if (agreed) return { removed: true };
    const agree = inputRequired.elicit({ message: `Remove ${what}?`, requestedSchema: okForm });
    return inputRequired({ inputRequests: { agree }, requestState: `agree to ${what}` });
  },
});

const yes = { agree: { action: "accept", content: { ok: true } } };
const elicitation: ModernOptions = { capabilities: { elicitation: {} } };
const invalid = { code: -32602, data: { reason: "invalid_request_state" } };
const opened: App[] = [];

afterEach(async () => {
  effects.length = 0;
  for (const app of opened.splice(0)) await app.close();
});

function instance(options: AppOptions = {}): App {
  const app = createApp({ tools: [remove], ...options });
  opened.push(app);
  return app;
}

const ask = (app: App, more: Record<string, unknown> = {}, options: ModernOptions = elicitation) =>
  modern(app, "tools/call", { name: "remove", arguments: { what: "it" }, ...more }, options);

describe("a call that asks", () => {
  it("is answered on another instance than the one that asked, with its state back", async () => {
    const store = new MemoryStore();
    const [a, b] = [instance({ store }), instance({ store })];
    const { result } = await ask(a);
    expect(result).toMatchObject({
      resultType: "input_required",
      inputRequests: { agree: { method: "elicitation/create" } },
    });
    const answered = await ask(b, { inputResponses: yes, requestState: result.requestState });
    expect(answered.result.structuredContent).toEqual({ removed: true });
    expect(effects).toEqual(["it"]);
  });

  it("shows its client nothing of the state", async () => {
    const { result } = await ask(instance());
    expect(result.requestState).toMatch(/^[A-Za-z0-9_-]{32}$/);
  });

  it("asks no client that cannot answer", async () => {
    const { error } = await ask(instance(), {}, {});
    expect(error).toMatchObject({ code: -32021, data: { requiredCapabilities: { elicitation: {} } } });
  });

  it("tells a caller over REST that it has to be made over MCP", async () => {
    const app = instance();
    const response = await app.fetch(
      new Request("http://localhost/mcp/call_tool", {
        method: "POST",
        headers: { host: "localhost", "content-type": "application/json" },
        body: JSON.stringify({ name: "remove", arguments: { what: "it" } }),
      }),
    );
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({ error: expect.stringContaining("over MCP") });
  });

  it("has one effect and one answer under an idempotency key, however often the answered call is sent", async () => {
    const app = instance();
    const keyed = { name: "remove", arguments: { what: "it", idempotency_key: "k1" } };
    const { result } = await ask(app, keyed);
    const answered = { ...keyed, inputResponses: yes, requestState: result.requestState };
    const [first, second] = [await ask(app, answered), await ask(app, answered)];
    expect(first.result.structuredContent).toEqual({ removed: true });
    expect(second.result.structuredContent).toEqual({ removed: true });
    expect(second.result._meta).toMatchObject({ "io.github.stateful-mcp/replayed": true });
    expect(effects).toEqual(["it"]);
  });
});

describe("a state that comes back", () => {
  it("is good for one use, also when two come at once", async () => {
    const app = instance();
    const { result } = await ask(app);
    const answered = { inputResponses: yes, requestState: result.requestState };
    const both = await Promise.all([ask(app, answered), ask(app, answered)]);
    expect(both.filter((one) => one.error)).toEqual([
      expect.objectContaining({ error: expect.objectContaining(invalid) }),
    ]);
    expect((await ask(app, answered)).error).toMatchObject(invalid);
    expect(effects).toEqual(["it"]);
  });

  it.each(["", "made-up", "x".repeat(32), `${"y".repeat(5000)}`])(
    "is refused when nobody gave it: %#",
    async (requestState) => {
      const { error } = await ask(instance(), { inputResponses: yes, requestState });
      expect(error).toMatchObject(invalid);
    },
  );

  it("is refused for other arguments than those it was given for", async () => {
    const app = instance();
    const { result } = await ask(app);
    const other = { arguments: { what: "everything" }, inputResponses: yes, requestState: result.requestState };
    expect((await ask(app, other)).error).toMatchObject(invalid);
    expect(effects).toEqual([]);
  });

  it("is refused for another principal, with the same answer as one that never was", async () => {
    const [alice, bob] = ["a".repeat(32), "b".repeat(32)];
    const app = instance({ access: { mode: "tokens", tokens: parseTokens(`alice=${alice},bob=${bob}`) } });
    const { result } = await ask(app, {}, { ...elicitation, token: alice });
    const answered = { inputResponses: yes, requestState: result.requestState };
    const stolen = await ask(app, answered, { ...elicitation, token: bob });
    const madeUp = await ask(app, { ...answered, requestState: "x".repeat(32) }, { ...elicitation, token: bob });
    expect(stolen.error).toEqual(madeUp.error);
    const own = await ask(app, answered, { ...elicitation, token: alice });
    expect(own.result.structuredContent).toEqual({ removed: true });
  });

  it("expires after ten minutes", async () => {
    let now = Date.now();
    const clock = { now: () => now };
    const app = instance({ clock, store: new MemoryStore({ clock }) });
    const { result } = await ask(app);
    now += 601_000;
    expect((await ask(app, { inputResponses: yes, requestState: result.requestState })).error).toMatchObject(invalid);
  });
});
