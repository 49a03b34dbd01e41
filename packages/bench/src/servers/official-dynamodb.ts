// Baseline: the official SDK 2.x with a stateful tool written the usual way, lib-dynamodb's Get and Update in the handler.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { createMcpHonoApp } from "@modelcontextprotocol/hono";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { clientConfig, counterTable } from "./dynamodb.ts";
import { serveFetch } from "./serve.ts";

const documents = DynamoDBDocumentClient.from(new DynamoDBClient(clientConfig(process.argv[2])));

async function increment(key: string): Promise<number> {
  const Key = { pk: "counters", sk: key };
  const { Item } = await documents.send(new GetCommand({ TableName: counterTable, Key, ConsistentRead: true }));
  if (Item !== undefined && typeof Item.n !== "number") throw new Error(`${key} is not a number`);
  const { Attributes } = await documents.send(
    new UpdateCommand({
      TableName: counterTable,
      Key,
      UpdateExpression: "SET n = if_not_exists(n, :zero) + :one",
      ExpressionAttributeValues: { ":zero": 0, ":one": 1 },
      ReturnValues: "UPDATED_NEW",
    }),
  );
  return z.number().parse(Attributes?.n);
}

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "official", version: "0.1.0" });
  server.registerTool(
    "increment_value",
    {
      title: "Increment value",
      description: "Adds one to a counter.",
      inputSchema: z.object({ key: z.string() }),
      outputSchema: z.object({ value: z.number() }),
    },
    async ({ key }) => {
      const value = await increment(key);
      return { content: [{ type: "text", text: String(value) }], structuredContent: { value } };
    },
  );
  return server;
});

const app = createMcpHonoApp();
app.all("/mcp", (context) => handler.fetch(context.req.raw));
serveFetch(app.fetch);
