// The DynamoDB that both sides of a comparison share: dynalite in a process of its own, on loopback, in memory or in the folder given.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createDynamoDBClient, setupTable } from "@stateful-mcp/core/dynamodb";
import dynalite from "dynalite";
import { answerQuestions } from "../control.ts";
import { clientConfig, counterTable, stateTable } from "./dynamodb.ts";

async function start(): Promise<{ port: number }> {
  const [path] = process.argv.slice(2);
  const engine = dynalite({ createTableMs: 0, ...(path !== undefined && { path }) });
  engine.listen(0, "127.0.0.1");
  await once(engine, "listening");
  const { port } = engine.address() as AddressInfo;
  const config = clientConfig(`http://127.0.0.1:${port}`);
  await new DynamoDBClient(config).send(
    new CreateTableCommand({
      TableName: counterTable,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "S" },
      ],
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
    }),
  );
  await setupTable(createDynamoDBClient(config), stateTable, () => {});
  return { port };
}

const ready = start();
answerQuestions({ ready: () => ready });
