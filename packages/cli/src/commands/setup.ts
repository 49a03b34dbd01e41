// `setup`: creates the state table with its TTL. Says what it did; a second run finds everything in place.
import { type LoadOptions, loadConfig, openBackend } from "@stateful-mcp/adapters/process";
import { EXIT } from "../run.ts";

export async function setup(options: LoadOptions): Promise<number> {
  const config = loadConfig(options);
  const backend = await openBackend(config);
  try {
    if (config.backend === "dynamodb") {
      const { setupTable } = await import("@stateful-mcp/core/dynamodb");
      const client = await backend.openSdkClient();
      await setupTable(client, config.table, say).finally(() => client.destroy());
    } else {
      say(`Nothing to set up for the ${config.backend} backend (${backend.location}).`);
      say("For a DynamoDB table set MCP_STATE_BACKEND=dynamodb.");
    }
  } finally {
    await backend.close();
  }
  return EXIT.done;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
