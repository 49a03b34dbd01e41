// The DynamoDB part of the toolkit, apart from the rest so that an app which keeps its state elsewhere never loads the AWS SDK.
export { setupDemoTable } from "./items/demo-table.ts";
export { DynamoDBItems } from "./items/dynamodb.ts";
export { DynamoDBStore } from "./stores/dynamodb.ts";
export { type ClientOptions, createDynamoDBClient } from "./stores/dynamodb-client.ts";
export { inspectTable, setupTable, type TableState, teardownTable } from "./stores/dynamodb-table.ts";
