// Opens the clients that the configuration asks for: the one place, for processes and for functions.

import type { SdkClient } from "@stateful-mcp/core/dynamodb";
import { createStateClient, type StateClient } from "@stateful-mcp/core/dynamodb-store";
import type { Config, ItemStore, Telemetry } from "@stateful-mcp/core/runtime";

type Where = Pick<Config, "endpoint" | "region">;

const optionsOf = ({ endpoint, region }: Where, telemetry: Telemetry | undefined) => ({
  telemetry,
  ...(endpoint !== undefined && { endpoint }),
  ...(region !== undefined && { region }),
});

/** A client for state. Profile and credentials are found in the process's environment, as the AWS SDK finds them. */
export const openClient = (config: Where, telemetry?: Telemetry): StateClient =>
  createStateClient(optionsOf(config, telemetry));

/** A client of the AWS SDK, which is loaded only here: for table management and the item tools. */
export async function openSdkClient(config: Where, telemetry?: Telemetry): Promise<SdkClient> {
  const { createDynamoDBClient } = await import("@stateful-mcp/core/dynamodb");
  return createDynamoDBClient(optionsOf(config, telemetry));
}

/** An item store that is opened by its first use: most processes that have one never use it. */
export function lazyItems(open: () => Promise<ItemStore>): ItemStore {
  let opened: Promise<ItemStore> | undefined;
  const items = (): Promise<ItemStore> => {
    opened ??= open().catch((error) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  return {
    describe: async (...given) => (await items()).describe(...given),
    get: async (...given) => (await items()).get(...given),
    put: async (...given) => (await items()).put(...given),
    update: async (...given) => (await items()).update(...given),
    delete: async (...given) => (await items()).delete(...given),
    batchGet: async (...given) => (await items()).batchGet(...given),
    batchWrite: async (...given) => (await items()).batchWrite(...given),
    query: async (...given) => (await items()).query(...given),
    scan: async (...given) => (await items()).scan(...given),
  };
}
