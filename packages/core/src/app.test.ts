// What an app of one's own says of itself, and how its callers begin a session.
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { modern } from "../test-support/modern-requests.ts";
import { type AppOptions, createApp } from "./app.ts";
import { parseTokens } from "./auth/tokens.ts";
import { builtinTools } from "./builtin/tools/index.ts";
import { defineTool } from "./define/tool.ts";

const count = defineTool({
  name: "count",
  description: "Counts in this session.",
  input: z.object({}),
  output: z.object({ count: z.number() }),
  run: async (_, { session }) => ({ count: await session.values.increment("count") }),
});
const shout = defineTool({
  name: "shout",
  description: "Says it louder.",
  session: "none",
  input: z.object({ text: z.string() }),
  output: z.object({ text: z.string() }),
  run: ({ text }) => ({ text: text.toUpperCase() }),
});
const TOKEN = "t".repeat(32);
const access = { mode: "tokens", tokens: parseTokens(TOKEN) } as const;
const SESSION_TOOLS = ["create_session", "list_sessions", "session_info", "delete_session"];

const namesOf = (options: AppOptions) => createApp(options).tools.map(({ name }) => name);
const instructionsOf = async (options: AppOptions) =>
  (await modern(createApp(options), "server/discover")).result.instructions;

describe("the instructions of an app", () => {
  it("name no tool that it lacks, and are its own where it gives them", async () => {
    expect(await instructionsOf({})).toMatch(/get_notes.*add_note.*search_memory.*session_id/s);
    expect(await instructionsOf({ tools: [count] })).toBe(
      "Every result names its session_id; pass it on to stay in the same session.",
    );
    expect(await instructionsOf({ tools: [shout] })).toBeUndefined();
    expect(await instructionsOf({ tools: [shout], instructions: "Shout sparingly." })).toBe("Shout sparingly.");
  });
});

describe("an app whose own tools use sessions", () => {
  it("has the tools to begin one where its callers are not the one local user, unless it says no", () => {
    expect(namesOf({ tools: [count], access })).toEqual(["count", ...SESSION_TOOLS]);
    expect(namesOf({ tools: [count], access: { mode: "anonymous" } })).toEqual([
      "count",
      ...SESSION_TOOLS.filter((name) => name !== "list_sessions"),
    ]);
    expect(namesOf({ tools: [count] })).toEqual(["count"]);
    expect(namesOf({ tools: [shout], access })).toEqual(["shout"]);
    expect(namesOf({ tools: [count], access, sessionTools: false })).toEqual(["count"]);
    const own = defineTool({
      name: "session_info",
      description: "Tells something else.",
      input: z.object({}),
      output: z.object({}),
      run: () => ({}),
    });
    expect(namesOf({ tools: [count, own], access }).filter((name) => name === "session_info")).toHaveLength(1);
    const beside = [...builtinTools({ backend: "memory", anonymous: false, ttlSeconds: 1 }), count];
    expect(namesOf({ tools: beside, access })).toHaveLength(beside.length);
  });

  it("works with them, and with a name that the error offers", async () => {
    const app = createApp({ tools: [count], access });
    const call = async (name: string, args: object = {}) =>
      (await modern(app, "tools/call", { name, arguments: args }, { token: TOKEN })).result;
    const refused = await call("count");
    expect(refused.content[0].text).toContain("such as 'team-plan'");
    const { session_id } = (await call("create_session")).structuredContent;
    expect((await call("count", { session_id })).structuredContent).toEqual({ session_id, count: 1 });
    expect((await call("count", { session_id: "team-plan" })).structuredContent).toMatchObject({ count: 1 });
  });
});
