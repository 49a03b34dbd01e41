// Keys held against a table's shape, for what no engine here has: indexes with several attributes for one role.
import type { TableDescription } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "vitest";
import { UserExpressions } from "./expressions.ts";
import { partitionIn, ShapeMismatch, TableShapes, toKey } from "./keys.ts";
import { pageInput } from "./pages.ts";

const key = (AttributeName: string, KeyType: "HASH" | "RANGE") => ({ AttributeName, KeyType });
const MATCHES: TableDescription = {
  AttributeDefinitions: [
    { AttributeName: "id", AttributeType: "S" },
    { AttributeName: "season", AttributeType: "S" },
    { AttributeName: "region", AttributeType: "N" },
    { AttributeName: "round", AttributeType: "S" },
    { AttributeName: "court", AttributeType: "N" },
  ],
  KeySchema: [key("id", "HASH")],
  GlobalSecondaryIndexes: [
    {
      IndexName: "by-round",
      KeySchema: [key("season", "HASH"), key("region", "HASH"), key("round", "RANGE"), key("court", "RANGE")],
      Projection: { ProjectionType: "ALL" },
    },
  ],
};

const shape = await new TableShapes(async () => MATCHES).get("matches");
const [index] = shape.indexes;
if (!index) throw new Error("The index is missing.");
const values = { ":s": "2026", ":r": 1, ":round": "final", ":c": 5, ":text": "x" };

function partition(text: string) {
  const used = Object.entries(values).filter(([name]) => new RegExp(`${name}\\b`).test(text));
  const e = new UserExpressions({ expressionValues: Object.fromEntries(used) });
  return partitionIn(e.parse(text, "key_condition"), index!);
}

describe("an index with several attributes for a role", () => {
  it("is known with all of them, in order", () => {
    expect(index.partition.map(({ name }) => name)).toEqual(["season", "region"]);
    expect(index.sort).toEqual([
      { name: "round", type: "string" },
      { name: "court", type: "number" },
    ]);
  });

  it("is read by all partition attributes, and any of its sort attributes", () => {
    for (const text of [
      "season = :s AND region = :r",
      ":r = region AND season = :s",
      "season = :s AND region = :r AND round = :round",
      "season = :s AND (region = :r AND round = :round) AND court > :c",
      "season = :s AND region = :r AND begins_with(round, :round)",
      "season = :s AND region = :r AND court BETWEEN :r AND :c",
    ])
      expect([...partition(text)].sort()).toEqual([
        ["region", { N: "1" }],
        ["season", { S: "2026" }],
      ]);
  });

  it.each([
    "season = :s",
    "region = :r AND round = :round",
    "season = :s AND region > :r",
    "season = :s AND region = :text",
    "season = :s OR region = :r",
    "NOT season = :s AND region = :r",
    "season = :s AND region = :r AND court = :text",
    "season = :s AND region = :r AND id = :s",
    "season = :s AND region = :r AND round <> :round",
    "season = :s AND region = region",
    "season = :s AND region = :r AND size(round) > :c",
    "season.a = :s AND region = :r",
    "season = :s AND region IN (:r)",
  ])("is not read by %s", (text) => {
    expect(() => partition(text)).toThrow(/^key_condition: /);
  });

  it("has a page's end with the table's key and all its attributes", () => {
    const last = { id: "a", season: "2026", region: 1, round: "final", court: 2 };
    expect(Object.keys(toKey(shape, last, "last_evaluated_key", index))).toEqual(Object.keys(last));
    const request = { indexName: "by-round", limit: 1, consistent: false };
    expect(pageInput(shape, { ...request, lastEvaluatedKey: last }).input.ExclusiveStartKey).toMatchObject({
      court: { N: "2" },
    });
    const { court: _, ...short } = last;
    expect(() => pageInput(shape, { ...request, lastEvaluatedKey: short })).toThrow(ShapeMismatch);
  });
});

describe("a remembered shape", () => {
  it("is looked at again once for calls that are refused together, and not when it has just been read", async () => {
    let asked = 0;
    const shapes = new TableShapes(async () => {
      asked++;
      return MATCHES;
    });
    const refuse = () => {
      throw new ShapeMismatch("key", "it does not fit.");
    };
    await expect(shapes.fit("matches", refuse)).rejects.toThrow(ShapeMismatch);
    expect(asked).toBe(1);
    await Promise.allSettled(Array.from({ length: 20 }, () => shapes.fit("matches", refuse)));
    expect(asked).toBe(2);
    await expect(
      shapes.fit("matches", () => {
        throw new TypeError("another fault");
      }),
    ).rejects.toThrow(TypeError);
    expect(asked).toBe(2);
  });
});
