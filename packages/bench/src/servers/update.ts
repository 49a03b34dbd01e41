// One UpdateItem, as both clients of a comparison send it, sixteen at a time and each with a time-out.
import { stateTable } from "./dynamodb.ts";

export const update = {
  TableName: stateTable,
  Key: { pk: { S: "P#bench" }, sk: { S: "V#generation#counter" } },
  UpdateExpression: "SET #v = if_not_exists(#v, :zero) + :one, #n = if_not_exists(#n, :zero) + :one",
  ConditionExpression: "attribute_exists(#pk) AND attribute_not_exists(#dead)",
  ExpressionAttributeNames: { "#pk": "pk", "#v": "v", "#n": "a.n", "#dead": "dead" },
  ExpressionAttributeValues: { ":zero": { N: "0" }, ":one": { N: "1" } },
  ReturnValues: "ALL_NEW",
} as const;

export const timeoutMs = 2_000;
const atOnce = 16;

/** Runs `one` so many times, `atOnce` at a time. */
export async function repeat(count: number, one: () => Promise<unknown>): Promise<void> {
  let left = count;
  const work = async () => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
