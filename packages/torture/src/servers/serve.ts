// Serves a bar's own tools as a process: the endpoint and table in the environment, the port as the argument. The bar answers
// each run of a tool over HTTP when it likes, so that it counts the runs and decides how long they take.

import { serveNode } from "@stateful-mcp/adapters/node";
import { type App, type AppOptions, createApp, silentLogger, type Tool } from "@stateful-mcp/core";
import { createStateClient, DynamoDBStore } from "@stateful-mcp/core/dynamodb-store";

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

/** An app with these tools on the table that the environment names. */
export function appOf(options: Omit<AppOptions, "store">): App {
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const client = createStateClient({ endpoint: setting("DYNAMODB_ENDPOINT_URL"), region: "local", credentials });
  return createApp({ ...options, store: new DynamoDBStore({ client, table: setting("MCP_STATE_TABLE") }) });
}

/** Serves until SIGTERM, and then drains. */
export async function serve(app: Pick<App, "fetch" | "drain" | "close">): Promise<void> {
  const server = await serveNode(app, { host: "127.0.0.1", port: Number(process.argv[2]), logger: silentLogger });
  process.once("SIGTERM", async () => {
    await server.close();
    await app.close();
    process.exit();
  });
}

export const serveTools = (tools: readonly Tool[]): Promise<void> => serve(appOf({ tools }));
