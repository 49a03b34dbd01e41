// Texts that cost more time than their length, such as hundreds of thousands of combining marks on one letter, which Unicode's composed
// spelling has to sort: each argument is answered all the same, and what was stored so is searched. Before this was bounded, one call held
// the whole process for minutes.
import { describe, expect, it } from "vitest";
import { testApp } from "../../testing/test-app.ts";

const { app } = testApp();
/** Two kinds of marks, all of the second to be sorted before all of the first. */
const marks = (count: number) => `x${"\u0345".repeat(count / 2)}${"\u0316".repeat(count / 2)}`;
const NEARLY_1_MB = 480_000;

const texts = app.tools.flatMap(({ name, inputSchema }) => {
  const { properties, required = [] } = inputSchema as {
    properties: Record<string, { type?: string }>;
    required?: string[];
  };
  const isText = (argument: string) => (properties[argument]?.type ?? "string") === "string";
  const least = Object.fromEntries(required.map((one) => [one, isText(one) ? "k" : 1]));
  return Object.keys(properties).flatMap((argument) => (isText(argument) ? [{ name, argument, least }] : []));
});

describe("a text of marks that must be sorted", () => {
  it("is found in many arguments", () => {
    expect(texts.length).toBeGreaterThan(30);
  });

  it.each(texts)("is answered as $argument of $name", async ({ name, argument, least }) => {
    const body = JSON.stringify({ ...least, [argument]: marks(NEARLY_1_MB) });
    const headers = { host: "localhost", "content-type": "application/json" };
    const answer = await app.fetch(new Request(`http://localhost/tools/${name}`, { method: "POST", headers, body }));
    expect(answer.status).toBeLessThan(500);
  });

  it("is found by a search, in notes and in values, with what stands around it", async () => {
    const { call } = testApp();
    for (let i = 0; i < 10; i++) await call("add_note", { note: `${marks(16_000)}needle` });
    for (let i = 0; i < 5; i++) await call("store_value", { key: `k${i}`, value: `${marks(29_000)}needle` });
    const { hits } = await call("search_memory", { query: "NEEDLE", limit: 100 });
    expect(hits).toHaveLength(15);
    expect((hits as { text: string }[]).every(({ text }) => text.endsWith("needle") || text.endsWith('needle"'))).toBe(
      true,
    );
  });

  it("does not change how short runs of marks are compared", async () => {
    const { call } = testApp();
    const [one, other] = [`o${"\u0323\u0302".repeat(15)}`, `o${"\u0302\u0323".repeat(15)}`];
    expect(one.normalize("NFC")).toBe(other.normalize("NFC"));
    await call("store_value", { key: one, value: 1 });
    expect(await call("get_value", { key: other })).toMatchObject({ found: true });
  });
});
