// What the bars of serving share: how processes are started that talk on streams. Knows no bar.
import { fileURLToPath } from "node:url";
import type { FleetOptions } from "@stateful-mcp/rig";
import { TABLE } from "./instances.ts";

const TALKING = fileURLToPath(new URL("../servers/talking.ts", import.meta.url));

/** Servers with the ready tools and `talk`, on the table behind this endpoint. */
export const talkingServer = (endpoint: string, nodeOptions: readonly string[] = []): Omit<FleetOptions, "size"> => ({
  env: { DYNAMODB_ENDPOINT_URL: endpoint, MCP_STATE_TABLE: TABLE },
  serve: (port) => ({ command: process.execPath, args: [...nodeOptions, "--import", "tsx", TALKING, String(port)] }),
});
