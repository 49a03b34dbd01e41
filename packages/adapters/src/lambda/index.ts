// An app as AWS Lambda functions, for entries that people write themselves.
export * from "./authorizer.ts";
export * from "./bind.ts";
export * from "./handler.ts";
export * from "./task-worker.ts";
