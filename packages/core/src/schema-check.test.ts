import { describe, expect, it } from "vitest";
import * as z from "zod";
import { checkJson } from "./schema-check.ts";
import { testApp } from "./testing/test-app.ts";

/** What zod cannot compare with a number. */
const LENGTH = { toString: null, valueOf: 1 };
const NOT_COMPARABLE = [{ length: LENGTH }, { size: LENGTH }, { length: { length: LENGTH } }, [{ length: LENGTH }]];

describe("JSON whose length is an object without a value", () => {
  it.each([
    ["a text", z.string().min(1).max(5)],
    ["a list", z.array(z.string()).min(1).max(5)],
    ["a text that may be left out", z.string().min(1).optional()],
    ["one of two texts", z.union([z.string().min(3), z.string().max(2)])],
    ["a number", z.number().min(1)],
  ])("is refused where %s is wanted", (_, schema) => {
    for (const given of NOT_COMPARABLE) {
      const { success, error } = checkJson(z.object({ a: schema }), { a: given });
      expect([success, error?.issues[0]?.path[0]]).toEqual([false, "a"]);
    }
  });

  it("is refused by each argument of each tool, in the tool's words", async () => {
    const { app } = testApp();
    const post = async (path: string, body: unknown, type = "application/json") => {
      const headers = { host: "localhost", "content-type": type };
      const answer = await app.fetch(
        new Request(`http://localhost${path}`, { method: "POST", headers, body: JSON.stringify(body) }),
      );
      return { status: answer.status, text: await answer.text() };
    };
    const statuses = new Set<number>();
    for (const { name, input } of app.tools)
      for (const argument of Object.keys(input.shape))
        for (const given of NOT_COMPARABLE) {
          const { status, text } = await post("/mcp/call_tool", { name, arguments: { [argument]: given } });
          expect(status, `${name} ${argument} ${text}`).toBeLessThan(500);
          statuses.add(status);
        }
    expect(statuses).toContain(400);
    const line = {
      kind: "header",
      format: NOT_COMPARABLE[0],
      exported_at: NOT_COMPARABLE[0],
      principal: NOT_COMPARABLE[0],
    };
    expect(await post("/memory/import", line, "application/x-ndjson")).toMatchObject({ status: 400 });
  });
});

it("what a schema of an author's throws by itself goes through", () => {
  const schema = z.object({
    a: z.string().refine(() => {
      throw new RangeError("mine");
    }),
  });
  expect(() => checkJson(schema, { a: "text" })).toThrow("mine");
});
