// Opens the client that the configuration asks for: the one location, for processes and for functions.
import type { Config } from "@stateful-mcp/core";
import { createDynamoDBClient } from "@stateful-mcp/core/dynamodb";

/** A client of DynamoDB. The AWS SDK finds profile and credentials in the process's environment by itself. */
export const openClient = ({
  endpoint,
  region,
}: Pick<Config, "endpoint" | "region">): ReturnType<typeof createDynamoDBClient> =>
  createDynamoDBClient({ ...(endpoint !== undefined && { endpoint }), ...(region !== undefined && { region }) });
