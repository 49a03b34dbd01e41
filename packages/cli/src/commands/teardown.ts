// `teardown`: deletes the state table with everything in it, only after an explicit yes.
import { createInterface } from "node:readline/promises";
import { type LoadOptions, loadConfig, openBackend } from "@stateful-mcp/adapters/process";
import { AppError, type Config } from "@stateful-mcp/core/runtime";
import { EXIT } from "../run.ts";

export async function teardown(options: LoadOptions): Promise<number> {
  const config = loadConfig(options);
  if (config.backend === "memory") {
    throw new AppError(
      "invalid_input",
      "The memory backend has no table to delete; set MCP_STATE_BACKEND to local or dynamodb",
    );
  }
  const backend = await openBackend(config);
  try {
    if (!(await confirmed(config, backend.location))) {
      process.stderr.write("Nothing was deleted.\n");
      return EXIT.failed;
    }
    const { teardownTable } = await import("@stateful-mcp/core/dynamodb");
    const client = await backend.openSdkClient();
    const say = (line: string) => void process.stdout.write(`${line}\n`);
    await teardownTable(client, config.table, say).finally(() => client.destroy());
    return EXIT.done;
  } finally {
    await backend.close();
  }
}

async function confirmed({ table }: Config, location: string): Promise<boolean> {
  if (process.env.CONFIRM_DELETE === "yes") return true;
  if (!process.stdin.isTTY) {
    throw new AppError(
      "invalid_input",
      `Deleting ${table} (${location}) needs CONFIRM_DELETE=yes, or a terminal to type the table's name on`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(
    `This deletes all state in ${table} (${location}).\nType the table's name to go on: `,
  );
  terminal.close();
  return answer.trim() === table;
}
