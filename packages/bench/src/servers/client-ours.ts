// Our client for state, without the store: one UpdateItem over and over.
import { createStateClient } from "@stateful-mcp/core/dynamodb-store";
import { answerQuestions } from "../control.ts";
import { clientConfig } from "./dynamodb.ts";
import { repeat, timeoutMs, update } from "./update.ts";

const client = createStateClient(clientConfig(process.argv[2]));

answerQuestions({
  ready: () => ({ port: 0 }),
  operations: (count) => repeat(count, () => client.request("UpdateItem", update, timeoutMs)),
});
