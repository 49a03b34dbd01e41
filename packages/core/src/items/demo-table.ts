// A small table to try the item tools on: orders of a few customers, and an index by status. Only the command line makes it.
import { AppError } from "../errors.ts";
import { type Client, send } from "../stores/dynamodb-send.ts";
import { isCalled, type OnStep, waitUntil } from "../stores/dynamodb-table.ts";
import { toAttributes } from "./json.ts";

const CUSTOMERS = ["ana", "ben", "chloe"];
const STATUSES = ["open", "paid", "shipped"];
const ORDERS_EACH = 4;

const attribute = (AttributeName: string) => ({ AttributeName, AttributeType: "S" as const });

/**
 * Creates the table, on demand, and puts its items.
 * @throws AppError `conflict` when there is a table of that name: it is not this command's to write into.
 */
export async function setupDemoTable(client: Client, table: string, onStep: OnStep): Promise<void> {
  try {
    await send(client, "CreateTable", {
      TableName: table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: ["PK", "SK", "GSI1PK", "GSI1SK"].map(attribute),
      KeySchema: [
        { AttributeName: "PK", KeyType: "HASH" },
        { AttributeName: "SK", KeyType: "RANGE" },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: "GSI1",
          KeySchema: [
            { AttributeName: "GSI1PK", KeyType: "HASH" },
            { AttributeName: "GSI1SK", KeyType: "RANGE" },
          ],
          Projection: { ProjectionType: "ALL" },
        },
      ],
    });
    onStep(`Created the table "${table}" with the key PK, SK and the index GSI1 (GSI1PK, GSI1SK).`);
  } catch (error) {
    if (!isCalled(error, "ResourceInUseException")) throw error;
    throw new AppError(
      "conflict",
      `The table "${table}" exists, and nothing was written to it. Give the name of a table that does not exist yet.`,
    );
  }
  await waitUntil(client, table, "ACTIVE");
  const items = demoItems();
  for (const item of items) await send(client, "PutItem", { TableName: table, Item: toAttributes(item, "item") });
  onStep(`Put ${items.length} items: a profile and ${ORDERS_EACH} orders for each of ${CUSTOMERS.join(", ")}.`);
}

const demoItems = () =>
  CUSTOMERS.flatMap((name, customer) => {
    const PK = `CUSTOMER#${name}`;
    const orders = Array.from({ length: ORDERS_EACH }, (_, index) => {
      const number = customer * ORDERS_EACH + index + 1;
      const SK = `ORDER#${String(number).padStart(4, "0")}`;
      const status = STATUSES[number % STATUSES.length] ?? "open";
      return {
        PK,
        SK,
        GSI1PK: `STATUS#${status}`,
        GSI1SK: SK,
        status,
        total: number * 12.5,
        lines: [{ sku: "tea", quantity: number }],
      };
    });
    return [{ PK, SK: "PROFILE", name, tags: { $set: ["customer", "demo"] } }, ...orders];
  });
