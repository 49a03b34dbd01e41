// Serves a bar's own tools as a process: the file, or the endpoint and table, in the environment, the port as the argument. The bar answers
// each run of a tool over HTTP when it likes, so that it counts the runs and decides how long they take.

import { serveNode, withShortWay } from "@stateful-mcp/adapters/node";
import { type App, type AppOptions, createApp, type StateStore, silentLogger, type Tool } from "@stateful-mcp/core";
import { createStateClient, DynamoDBStore } from "@stateful-mcp/core/dynamodb-store";
import { SqliteStore } from "@stateful-mcp/core/sqlite";

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

/** The file or the table that the environment names. */
async function storeOf(): Promise<StateStore> {
  const { STATE_FILE } = process.env;
  if (STATE_FILE !== undefined) return SqliteStore.open(STATE_FILE);
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const client = createStateClient({ endpoint: setting("DYNAMODB_ENDPOINT_URL"), region: "local", credentials });
  return new DynamoDBStore({ client, table: setting("MCP_STATE_TABLE") });
}

/** An app with these tools on the state that the environment names. */
export const appOf = async (options: Omit<AppOptions, "store">): Promise<App> =>
  createApp({ ...options, store: await storeOf() });

/** Serves until SIGTERM, and then drains; takes up tasks that no other process runs, as the program does. `fetch` answers in place of the app's, but for plain messages. */
export async function serve(app: App, fetch: App["fetch"] = app.fetch): Promise<void> {
  const served = { ...(await withShortWay(app)), fetch };
  const server = await serveNode(served, { host: "127.0.0.1", port: Number(process.argv[2]), logger: silentLogger });
  app.resumeTasks();
  process.once("SIGTERM", async () => {
    await server.close();
    await app.close();
    process.exit();
  });
}

export const serveTools = async (tools: readonly Tool[]): Promise<void> => serve(await appOf({ tools }));
