import { expect, it } from "vitest";
import { fillIn, type Question } from "../src/form.ts";

/** Types one line after the other, and remembers what was asked. */
async function typing(
  properties: Question["requestedSchema"]["properties"],
  lines: readonly string[],
  required: string[] = [],
) {
  const prompts: string[] = [];
  const left = [...lines];
  const read = async (prompt: string) => {
    prompts.push(prompt);
    return left.shift() ?? expect.fail(`nothing left to type at: ${prompt}`);
  };
  const content = await fillIn({ type: "object", properties, required }, read);
  expect(left).toEqual([]);
  return { content, prompts };
}

it("makes of typed text what each field holds", async () => {
  const { content, prompts } = await typing(
    {
      name: { type: "string", title: "Your name", description: "as on the door" },
      age: { type: "integer", minimum: 0 },
      price: { type: "number" },
      sure: { type: "boolean" },
      colour: { type: "string", enum: ["red", "blue"] },
      size: {
        type: "string",
        oneOf: [
          { const: "s", title: "small" },
          { const: "l", title: "large" },
        ],
      },
      days: { type: "array", items: { type: "string", enum: ["mon", "tue", "wed"] } },
    },
    ["Ana", "42", "1.5", "N", "blue", "large", "mon, wed"],
  );
  expect(content).toEqual({
    name: "Ana",
    age: 42,
    price: 1.5,
    sure: false,
    colour: "blue",
    size: "l",
    days: ["mon", "wed"],
  });
  expect(prompts[0]).toBe("Your name – as on the door (may be left empty): ");
  expect(prompts[3]).toBe("sure (yes or no; may be left empty): ");
  expect(prompts[5]).toBe("size (small or large; may be left empty): ");
});

it("leaves out what stays empty, and takes defaults", async () => {
  const { content, prompts } = await typing({ a: { type: "string" }, b: { type: "number", default: 3 } }, ["", ""]);
  expect(content).toEqual({ b: 3 });
  expect(prompts[1]).toBe("b (default 3): ");
});

it.each<[string, Question["requestedSchema"]["properties"][string], string[], unknown]>([
  ["a number that is none", { type: "integer" }, ["many", "2.5", "2"], 2],
  ["a number out of bounds", { type: "number", maximum: 10 }, ["11", "10"], 10],
  ["text that is too short", { type: "string", minLength: 2 }, ["a", "ab"], "ab"],
  ["a choice that there is not", { type: "string", enum: ["x"] }, ["y", "x"], "x"],
  ["neither yes nor no", { type: "boolean" }, ["perhaps", "true"], true],
  ["nothing, where something is required", { type: "string", minLength: 1 }, ["", "a"], "a"],
])("asks again after %s, and says why", async (_, field, lines, value) => {
  const { content, prompts } = await typing({ it: field }, lines, ["it"]);
  expect(content).toEqual({ it: value });
  for (const prompt of prompts.slice(1)) expect(prompt).toMatch(/^\(.+\) it/);
});
