// Tools that read or write several items of a user's own table in one request.
import * as z from "zod";
import { builtinTool } from "../../define/tool.ts";
import type { ItemTables, TableShape } from "../../items/item-store.ts";
import {
  choice,
  consistent,
  consumed,
  DATA,
  expressionNames,
  jsonObject,
  placeholders,
  projection,
  READ,
  TAGS,
  table,
  WRITE,
} from "./item-arguments.ts";

/** What DynamoDB takes in one request. */
const KEYS_MAX = 100;
const WRITES_MAX = 25;

export function batchGet(items: ItemTables) {
  const { argument, chosen } = choice(items, false);
  return builtinTool({
    ...READ,
    name: "batch_get",
    title: "Get several items",
    description: `Reads several items of a table by their keys, in no order. What is not read comes back in unprocessed_keys: ask for it again. ${DATA}`,
    input: z.object({
      keys: z
        .array(jsonObject)
        .min(1)
        .max(KEYS_MAX)
        .describe(`1 to ${KEYS_MAX} keys, each with exactly the table's key attributes.`),
      table: argument,
      projection,
      expression_names: expressionNames,
      consistent,
    }),
    output: z.object({
      table,
      items: z.array(jsonObject),
      count: z.int().describe("Number of items in this answer."),
      missing_keys: z.array(jsonObject).describe("Keys under which there is no item."),
      unprocessed_keys: z
        .array(jsonObject)
        .describe("Keys to ask for again: DynamoDB or the size of an answer left them out."),
      consumed_capacity: consumed,
    }),
    run: async (input) => {
      const name = chosen(input.table);
      const { projection, consistent } = input;
      const read = await items.store.batchGet(name, input.keys, { ...placeholders(input), projection, consistent });
      return {
        table: name,
        items: [...read.items],
        count: read.items.length,
        missing_keys: [...read.missing],
        unprocessed_keys: [...read.unprocessed],
        consumed_capacity: read.consumed,
      };
    },
  });
}

export function batchWrite(items: ItemTables) {
  const { argument, chosen } = choice(items, true);
  const list = z.array(jsonObject).max(WRITES_MAX).default([]);
  return builtinTool({
    ...WRITE,
    name: "batch_write",
    title: "Write several items",
    description: `Puts and deletes several items of a table. Not one transaction: each write is for itself, without a condition, and what was not written comes back in unprocessed: send it again. ${TAGS}`,
    input: z.object({
      puts: list.describe(
        `Whole items to write, each replacing the one with its key. With deletes at most ${WRITES_MAX}.`,
      ),
      deletes: list.describe("Keys of items to delete."),
      table: argument,
    }),
    output: z.object({
      table,
      put: z.int().describe("Number of items written."),
      deleted: z.int().describe("Number of keys under which there is nothing now."),
      unprocessed: z
        .object({ puts: z.array(jsonObject), deletes: z.array(jsonObject) })
        .describe("What was not written."),
      consumed_capacity: consumed,
    }),
    annotations: { destructiveHint: true, idempotentHint: true, openWorldHint: true },
    confirm: true,
    affects: async ({ table, puts, deletes }) => {
      const name = chosen(table);
      const shape = puts.length > 0 ? await items.store.describe(name) : undefined;
      return {
        table: name,
        writes: `${puts.length} items put, each over what stands there, and ${deletes.length} deleted`,
        ...(shape && { put_keys: puts.map((item) => keyIn(item as Record<string, unknown>, shape)) }),
        ...(deletes.length > 0 && { deletes }),
      };
    },
    run: async (input) => {
      const name = chosen(input.table);
      const { put, deleted, unprocessed, consumed } = await items.store.batchWrite(name, input.puts, input.deletes);
      const left = { puts: [...unprocessed.puts], deletes: [...unprocessed.deletes] };
      return { table: name, put, deleted, unprocessed: left, consumed_capacity: consumed };
    },
  });
}

/** The key of an item as its caller wrote it: what a person recognizes it by. */
const keyIn = (item: Record<string, unknown>, { partition, sort }: TableShape): Record<string, unknown> =>
  Object.fromEntries(
    [...partition, ...sort]
      .map(({ name }) => (name.startsWith("$") ? `$${name}` : name))
      .filter((name) => Object.hasOwn(item, name))
      .map((name) => [name, item[name]]),
  );
