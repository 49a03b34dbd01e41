// show_memory and the page it opens in hosts that show MCP Apps: what they are told in both eras, by both ways to answer, and what all
// others lose by it, which is nothing.
import { describe, expect, it } from "vitest";
import { modern } from "../../test-support/modern-requests.ts";
import { type AppOptions, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { defineTool } from "../define/tool.ts";
import { movableClock } from "../testing/index.ts";

const PAGE = "<!doctype html><title>Memory</title>";
const URI = "ui://stateful-mcp/memory.html";
const memoryView = async () => PAGE;
const EXTENSION = "io.modelcontextprotocol/ui";
const TASKS = "io.modelcontextprotocol/tasks";

const namesOf = (options: AppOptions) => createApp(options).tools.map(({ name }) => name);

/** Requests of the 2025 era, after its handshake, whose result comes along. */
async function legacy(options: AppOptions) {
  const app = createApp(options);
  const post = (body: object, session?: string) =>
    app.fetch(
      new Request("http://localhost/mcp", {
        method: "POST",
        headers: {
          host: "localhost",
          accept: "application/json, text/event-stream",
          "content-type": "application/json",
          ...(session !== undefined && { "mcp-session-id": session }),
        },
        body: JSON.stringify({ jsonrpc: "2.0", ...body }),
      }),
    );
  const resultOf = async (response: Response) => {
    const text = await response.text();
    const json = text.startsWith("{") ? text : (/^data: (\{.*)$/m.exec(text)?.[1] ?? "");
    return JSON.parse(json).result;
  };
  const opening = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "host", version: "1" } };
  const opened = await post({ id: 1, method: "initialize", params: opening });
  const session = opened.headers.get("mcp-session-id") ?? "";
  await post({ method: "notifications/initialized" }, session);
  return {
    initialized: await resultOf(opened),
    request: async (method: string, params: object = {}) => resultOf(await post({ id: 2, method, params }, session)),
  };
}

describe.each([
  ["the short way", true],
  ["the official SDK", false],
])("show_memory, by %s", (_, plainPath) => {
  const options = { memoryView, plainPath };

  it("is offered with its page and without annotations, by which VS Code would not show the page", async () => {
    const host = await legacy(options);
    for (const { tools } of [
      await host.request("tools/list"),
      (await modern(createApp(options), "tools/list")).result,
    ]) {
      const { _meta, annotations } = tools.find(({ name }: { name: string }) => name === "show_memory");
      expect(_meta).toEqual({ ui: { resourceUri: URI, visibility: ["model", "app"] } });
      expect(annotations).toBeUndefined();
      for (const tool of tools)
        if (tool.name !== "show_memory")
          expect([tool.annotations?.title, tool._meta], tool.name).toEqual([tool.title, undefined]);
    }
  });

  it("is announced by the extension, which promises no tasks", async () => {
    const app = createApp(options);
    expect((await modern(app, "server/discover")).result.capabilities.extensions).toEqual({ [EXTENSION]: {} });
    expect((await legacy(options)).initialized.capabilities.extensions).toEqual({ [EXTENSION]: {} });
    expect((await modern(app, "tasks/get", { taskId: "task_none" })).error).toMatchObject({ code: -32601 });
  });

  it("opens a page that is read by its URI, stands in no list, and asks for no network", async () => {
    const content = { uri: URI, mimeType: "text/html;profile=mcp-app", text: PAGE };
    const app = createApp(options);
    const host = await legacy(options);
    expect((await modern(app, "resources/read", { uri: URI })).result.contents).toEqual([content]);
    expect((await host.request("resources/read", { uri: URI })).contents).toEqual([content]);
    for (const { resources } of [(await modern(app, "resources/list")).result, await host.request("resources/list")]) {
      expect(resources.length).toBeGreaterThan(0);
      expect(JSON.stringify(resources)).not.toContain("ui://");
    }
  });
});

describe("show_memory", () => {
  it("says in words what is kept, for hosts that show no page", async () => {
    const clock = movableClock();
    const app = createApp({ memoryView, clock, sessions: { ttlSeconds: 60 } });
    const call = async (name: string, args: object = {}) =>
      (await modern(app, "tools/call", { name, arguments: args })).result.content[0].text as string;
    expect(await call("show_memory")).toBe("Nothing is kept: there are no sessions.");
    const at = new Date(clock.now()).toISOString();
    const end = new Date(clock.now() + 60_000).toISOString();
    await call("add_note", { session_id: "plan", note: "a" });
    await call("add_note", { session_id: "plan", note: "b" });
    await call("create_session", { name: "other" });
    const said = await call("show_memory");
    expect(said).toContain(`- "plan": notes: 2, used ${at}, ends ${end}\n`);
    expect(said).toContain(`- "other": notes: 0, used ${at}, ends ${end}\n`);
    expect(said).not.toContain("There are more");
    for (let i = 0; i < 10; i += 1) await call("create_session", { name: `s${i}` });
    const much = await call("show_memory");
    expect(much.match(/^- /gm)).toHaveLength(10);
    expect(much).toContain("There are more: list_sessions");
  });

  it("shows a caller's own sessions and no others, and needs the right to read alone", async () => {
    const [alice, bob] = ["a".repeat(32), "b".repeat(32)];
    const tokens = parseTokens(`alice:read=${alice},bob=${bob}`);
    const app = createApp({ memoryView, access: { mode: "tokens", tokens } });
    const ask = (token: string, name: string, args: object = {}) =>
      modern(app, "tools/call", { name, arguments: args }, { token });
    const call = async (...given: Parameters<typeof ask>) => (await ask(...given)).result;
    await call(bob, "create_session", { name: "bobs-plan" });
    expect((await ask(alice, "create_session")).result).toBeUndefined();
    expect((await call(bob, "show_memory")).content[0].text).toContain("bobs-plan");
    expect(await call(alice, "show_memory")).toMatchObject({
      content: [{ text: "Nothing is kept: there are no sessions." }],
    });
  });

  it("is there only with its page, for callers whose sessions can be listed, among the ready server's tools", async () => {
    const own = defineTool({ name: "own", description: "Does it.", session: "none", run: () => "done" });
    expect(namesOf({ memoryView })).toContain("show_memory");
    expect(namesOf({})).not.toContain("show_memory");
    expect(namesOf({ memoryView, access: { mode: "anonymous" } })).not.toContain("show_memory");
    expect(namesOf({ memoryView, tools: [own] })).toEqual(["own"]);
    for (const options of [{}, { memoryView, tools: [own] }] satisfies AppOptions[]) {
      const { capabilities } = (await modern(createApp(options), "server/discover")).result;
      expect(capabilities.extensions).toBeUndefined();
      expect((await modern(createApp(options), "resources/read", { uri: URI })).error).toBeDefined();
    }
    const working = defineTool({ name: "work", description: "Works.", task: "allowed", run: () => "done" });
    const { capabilities } = (await modern(createApp({ tools: [working] }), "server/discover")).result;
    expect(capabilities.extensions).toEqual({ [TASKS]: {} });
  });
});
