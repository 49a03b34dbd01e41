// The item tools' tables, reached through the AWS SDK. A bundler that gives this module no-items.ts instead leaves the SDK out.
import type { Config, ItemStore } from "@stateful-mcp/core/runtime";
import { lazyItems, openSdkClient } from "../../client.ts";

/** Loads the AWS SDK at the first use. */
export const openItemStore = (config: Config): ItemStore =>
  lazyItems(async () => {
    const { DynamoDBItems } = await import("@stateful-mcp/core/dynamodb");
    return new DynamoDBItems({ client: await openSdkClient(config) });
  });
