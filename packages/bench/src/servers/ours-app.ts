// Our app as the benchmark serves it: the built-in tools and an echo, on the shared engine when an endpoint is given.
import { type App, builtinTools, createApp, MemoryStore, parseTokens } from "@stateful-mcp/core";
import { createStateClient, DynamoDBStore } from "@stateful-mcp/core/dynamodb-store";
import { clientConfig, stateTable } from "./dynamodb.ts";
import { echo } from "./echo-tool.ts";

/** `tokens` in the syntax of MCP_AUTH_TOKEN; without it every caller is the one local principal. */
export function oursApp(endpoint: string | undefined, tokens?: string): App {
  return createApp({
    tools: [...builtinTools({ backend: "dynamodb", anonymous: false, ttlSeconds: 86_400 }), echo],
    store:
      endpoint === undefined
        ? new MemoryStore()
        : new DynamoDBStore({ client: createStateClient(clientConfig(endpoint)), table: stateTable }),
    ...(tokens !== undefined && { access: { mode: "tokens", tokens: parseTokens(tokens) } }),
  });
}
