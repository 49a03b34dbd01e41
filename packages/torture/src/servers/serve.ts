// Serves a bar's own tools as a process: the endpoint and table in the environment, the port as the argument. The bar answers
// each run of a tool over HTTP when it likes, so that it counts the runs and decides how long they take.

import { serveNode } from "@stateful-mcp/adapters/node";
import { type AppOptions, createApp, silentLogger, type Tool } from "@stateful-mcp/core";
import { createDynamoDBClient, DynamoDBStore } from "@stateful-mcp/core/dynamodb";

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set.`);
  return value;
}

/** Tells the bar that a tool runs for this id, and waits for the bar's answer. */
export async function countRun(id: string): Promise<string> {
  const response = await fetch(new URL(`/?id=${encodeURIComponent(id)}&pid=${process.pid}`, setting("COUNTER_URL")));
  return response.text();
}

export async function serveTools(
  tools: readonly Tool[],
  options: Omit<AppOptions, "tools" | "store"> = {},
): Promise<void> {
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const client = createDynamoDBClient({ endpoint: setting("DYNAMODB_ENDPOINT_URL"), region: "local", credentials });
  const store = new DynamoDBStore({ client, table: setting("MCP_STATE_TABLE") });
  const app = createApp({ ...options, tools, store });
  const server = await serveNode(app, { host: "127.0.0.1", port: Number(process.argv[2]), logger: silentLogger });
  process.once("SIGTERM", async () => {
    await server.close();
    await app.close();
    process.exit();
  });
}
