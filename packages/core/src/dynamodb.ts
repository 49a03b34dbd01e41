// The whole DynamoDB part of the toolkit, with the AWS SDK that table management and item tools use, apart from the rest so that an app which keeps its state elsewhere never loads the AWS SDK.

export { type ClientOptions, createStateClient, DynamoDBStore, type StateClient } from "./dynamodb-store.ts";
export { setupDemoTable } from "./items/demo-table.ts";
export { DynamoDBItems } from "./items/dynamodb-items.ts";
export { createDynamoDBClient, type SdkClient } from "./stores/dynamodb-sdk.ts";
export { inspectTable, isUsable, setupTable, type TableState, teardownTable } from "./stores/dynamodb-table.ts";
