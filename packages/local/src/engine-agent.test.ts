import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { expect, onTestFinished, test } from "vitest";
import { EngineAgent } from "./engine-agent.ts";

test("an engine that ends between the look for it and the connection costs a request no more than a retry", async () => {
  const directory = await mkdtemp(join(tmpdir(), "agent-"));
  const path = join(directory, "engine.sock");
  const server = createServer((_, response) => {
    response.setHeader("content-type", "application/x-amz-json-1.0").end('{"TableNames":[]}');
  });
  await once(server.listen(path), "listening");
  const paths = [join(directory, "gone.sock"), path];
  const agent = new EngineAgent(async () => paths.shift() ?? path);
  onTestFinished(async () => {
    agent.destroy();
    server.close();
    await rm(directory, { recursive: true });
  });
  const client = new DynamoDBClient({
    endpoint: "http://localhost",
    region: "local",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    requestHandler: new NodeHttpHandler({ httpAgent: agent }),
  });
  expect(await client.send(new ListTablesCommand())).toMatchObject({ TableNames: [] });
});
