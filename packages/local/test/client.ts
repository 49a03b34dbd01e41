// A server as the engine sees it, in a process of its own: connects, tells its parent, writes what it is told to write through the AWS SDK.
import { PutItemCommand } from "@aws-sdk/client-dynamodb";
import { connectLocalEngine } from "../src/index.ts";
import { sdkClient } from "./support.ts";

const [dataDir = ""] = process.argv.slice(2);
const engine = await connectLocalEngine({ dataDir, idleExitSeconds: 2 });
const client = sdkClient(engine);
process.send?.({ pid: engine.pid });
process.on("message", async (name: string) => {
  await client.send(new PutItemCommand({ TableName: "mcp_state", Item: { pk: { S: "p" }, sk: { S: name } } }));
  process.send?.({ acknowledged: name });
});
process.on("disconnect", () => process.exit());
