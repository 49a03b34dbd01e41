// Baseline: the AWS SDK's own client, reading and updating one counter in turn.
import { DynamoDBClient, GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { answerQuestions } from "../control.ts";
import { clientConfig, counterTable } from "./dynamodb.ts";

const client = new DynamoDBClient(clientConfig(process.argv[2]));
const Key = { pk: { S: "operations" }, sk: { S: "n" } };

async function operations(count: number): Promise<void> {
  for (let done = 0; done < count; done += 2) {
    await client.send(new GetItemCommand({ TableName: counterTable, Key, ConsistentRead: true }));
    await client.send(
      new UpdateItemCommand({
        TableName: counterTable,
        Key,
        UpdateExpression: "SET n = if_not_exists(n, :zero) + :one",
        ExpressionAttributeValues: { ":zero": { N: "0" }, ":one": { N: "1" } },
        ReturnValues: "ALL_NEW",
      }),
    );
  }
}

answerQuestions({ ready: () => ({ port: 0 }), operations });
