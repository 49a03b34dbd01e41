// Baseline: the AWS SDK's client, one UpdateItem over and over.
import { DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { answerQuestions } from "../control.ts";
import { clientConfig } from "./dynamodb.ts";
import { repeat, timeoutMs, update } from "./update.ts";

const client = new DynamoDBClient(clientConfig(process.argv[2]));

answerQuestions({
  ready: () => ({ port: 0 }),
  operations: (count) =>
    repeat(count, () => client.send(new UpdateItemCommand(update), { abortSignal: AbortSignal.timeout(timeoutMs) })),
});
