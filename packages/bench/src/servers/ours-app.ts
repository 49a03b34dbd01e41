// Our app as the benchmark serves it: the built-in tools and an echo, with state where the command line says.
import { createLogger } from "@stateful-mcp/adapters/process";
import { type App, type AppOptions, builtinTools, createApp, MemoryStore, parseTokens } from "@stateful-mcp/core";
import { createStateClient, DynamoDBStore } from "@stateful-mcp/core/dynamodb-store";
import { SqliteStore } from "@stateful-mcp/core/sqlite";
import { clientConfig, stateTable } from "./dynamodb.ts";
import { echo } from "./echo-tool.ts";

/**
 * `where` is the endpoint of a DynamoDB engine or the path of an SQLite file; without it state is in memory. `tokens` in the syntax of
 * MCP_AUTH_TOKEN; without it every caller is the one local principal. With BENCH_LOG=on each call leaves its line on stderr, with
 * BENCH_JOURNAL=on its record in the store.
 */
export async function oursApp(where: string | undefined, tokens?: string): Promise<App> {
  return createApp({
    tools: [...builtinTools({ backend: "dynamodb", anonymous: false, ttlSeconds: 86_400 }), echo],
    store: await storeAt(where),
    ...(tokens !== undefined && { access: { mode: "tokens", tokens: parseTokens(tokens) } }),
    ...(process.env.BENCH_LOG === "on" && { logger: createLogger({ level: "info", environment: "bench" }) }),
    ...(process.env.BENCH_JOURNAL === "on" && { journal: { mode: "calls", label: "bench" } as const }),
  });
}

async function storeAt(where: string | undefined): Promise<NonNullable<AppOptions["store"]>> {
  if (where === undefined) return new MemoryStore();
  if (!where.startsWith("http")) return SqliteStore.open(where);
  return new DynamoDBStore({ client: createStateClient(clientConfig(where)), table: stateTable });
}
