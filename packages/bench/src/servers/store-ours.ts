// Our DynamoDB store, reading and incrementing one counter in turn.
import { randomUUID } from "node:crypto";
import { createStateClient, DynamoDBStore } from "@stateful-mcp/core/dynamodb-store";
import { answerQuestions } from "../control.ts";
import { clientConfig, stateTable } from "./dynamodb.ts";

const store = new DynamoDBStore({ client: createStateClient(clientConfig(process.argv[2])), table: stateTable });
const key = { pk: "P#bench", sk: "operations" };
const slot = randomUUID();
let stamp = Date.now();

async function operations(count: number): Promise<void> {
  for (let done = 0; done < count; done += 2) {
    await store.get(key);
    const result = await store.update(
      key,
      { increment: { attribute: "n", by: 1 } },
      { on: "live-or-missing", operation: { slot, stamp: ++stamp } },
    );
    if (!result.applied) throw new Error("an increment was refused");
  }
}

answerQuestions({ ready: () => ({ port: 0 }), operations });
