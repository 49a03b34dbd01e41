// State in DynamoDB, without the AWS SDK's client: what a server loads that serves state and nothing else.

export { type ClientOptions, createStateClient, type StateClient } from "./stores/dynamodb-state-client.ts";
export { DynamoDBStore } from "./stores/dynamodb-state-store.ts";
