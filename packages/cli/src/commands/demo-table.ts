// `demo-table`: makes and fills a small table, and says how to try the item tools on it.
import { type LoadOptions, loadConfig, openBackend } from "@stateful-mcp/adapters/process";
import { EXIT } from "../run.ts";
import { COMMAND } from "../version.ts";

export async function demoTable(name: string, options: LoadOptions): Promise<number> {
  const config = loadConfig(options);
  const backend = await openBackend(config);
  const client = await backend.openSdkClient();
  try {
    const { setupDemoTable } = await import("@stateful-mcp/core/dynamodb");
    await setupDemoTable(client, name, say);
  } finally {
    client.destroy();
    await backend.close();
  }
  say(`
Serve it, readable and writable:

  DYNAMODB_TABLE_NAME=${name} STATEFUL_MCP_ITEM_MODES=${name}:rw ${COMMAND} serve

Then ask for the open orders:

  curl -s http://127.0.0.1:3333/tools/query -H 'Content-Type: application/json' \\
    -d '{"index_name": "GSI1", "key_condition": "GSI1PK = :s", "expression_values": {":s": "STATUS#open"}}'`);
  return EXIT.done;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
