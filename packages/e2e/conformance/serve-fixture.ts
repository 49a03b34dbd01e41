// Serves the conformance fixture on a port of this machine: serve-fixture.ts PORT ENDPOINT SPEED. Instances with one DynamoDB
// endpoint share one table, as those of a deployment do. SPEED is how many times as fast as time their clocks run: leases end sooner.

import { serveNode, withShortWay } from "@stateful-mcp/adapters/node";
import { createLogger } from "@stateful-mcp/adapters/process";
import { createApp, systemClock } from "@stateful-mcp/core";
import { createStateClient, DynamoDBStore } from "@stateful-mcp/core/dynamodb-store";
import { fixture } from "./fixture.ts";

const [port = "0", endpoint = "", speed = "1"] = process.argv.slice(2);
const logger = createLogger({ level: "warn", environment: "test" });
const client = createStateClient({
  endpoint,
  region: "local",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});
const app = createApp({
  ...fixture,
  name: "conformance-fixture",
  store: new DynamoDBStore({ client, table: "mcp_state" }),
  backend: "local",
  clock: { now: () => systemClock.now() * Number(speed) },
  logger,
});
const server = await serveNode(await withShortWay(app), {
  host: "127.0.0.1",
  port: Number(port),
  logger,
  drainSeconds: 1,
});
process.once("SIGTERM", async () => {
  await app.close();
  await server.close();
  client.destroy();
  process.exit(0);
});
