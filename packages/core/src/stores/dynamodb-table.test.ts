// What setup and inspection say of tables and permissions that no local engine shows: an engine that answers as AWS does.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { loopback } from "@stateful-mcp/rig";
import { afterEach, expect, it } from "vitest";
import { createDynamoDBClient, inspectTable, setupTable } from "../dynamodb.ts";

type Answer = object | string;
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const KEYS = {
  KeySchema: [
    { AttributeName: "pk", KeyType: "HASH" },
    { AttributeName: "sk", KeyType: "RANGE" },
  ],
  AttributeDefinitions: [
    { AttributeName: "pk", AttributeType: "S" },
    { AttributeName: "sk", AttributeType: "S" },
  ],
};
const table = (TableStatus: string) => ({ Table: { ...KEYS, TableStatus } });
const TTL_ON = { TimeToLiveDescription: { TimeToLiveStatus: "ENABLED", AttributeName: "expiresAt" } };
const DENIED = "AccessDeniedException: no";

/** Answers each action as given; text is an error's name and message. */
async function engineThatSays(answers: Record<string, Answer>) {
  const seen: string[] = [];
  const server: Server = createServer((request, response) => {
    const action = String(request.headers["x-amz-target"]).split(".")[1] ?? "";
    seen.push(action);
    const answer = answers[action] ?? {};
    const [name, message] = typeof answer === "string" ? answer.split(": ") : [];
    response.writeHead(name ? 400 : 200, { "content-type": "application/x-amz-json-1.0" });
    response.end(JSON.stringify(name ? { __type: `x#${name}`, message } : answer));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = createDynamoDBClient(loopback((server.address() as AddressInfo).port));
  stops.push(async () => {
    client.destroy();
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
  return { client, seen };
}

it("a table that is being changed is there and usable", async () => {
  const { client } = await engineThatSays({ DescribeTable: table("UPDATING"), DescribeTimeToLive: TTL_ON });
  const state = { exists: true, status: "UPDATING", keySchemaOk: true, ttl: "on" };
  expect(await setupTable(client, "t", () => {})).toEqual(state);
  expect(await inspectTable(client, "t")).toEqual(state);
});

it.each(["DescribeTable", "CreateTable", "UpdateTimeToLive"])("setup without %s names it", async (action) => {
  const { client } = await engineThatSays({
    DescribeTable: action === "CreateTable" ? "ResourceNotFoundException: none" : table("ACTIVE"),
    DescribeTimeToLive: { TimeToLiveDescription: { TimeToLiveStatus: "DISABLED" } },
    [action]: DENIED,
  });
  await expect(setupTable(client, "t", () => {})).rejects.toMatchObject({
    retryable: false,
    message: expect.stringContaining(`dynamodb:${action}`),
  });
});

it("TTL that is on already is found to be on where its description is denied", async () => {
  const { client } = await engineThatSays({
    DescribeTable: table("ACTIVE"),
    DescribeTimeToLive: DENIED,
    UpdateTimeToLive: "ValidationException: TimeToLive is already enabled",
  });
  const told: string[] = [];
  expect(await setupTable(client, "t", (text) => told.push(text))).toMatchObject({ ttl: "unknown" });
  expect(told.at(-1)).toBe('TTL on "expiresAt" is on.');
});

it("TTL on another attribute is a conflict, also where its description is denied", async () => {
  const { client } = await engineThatSays({
    DescribeTable: table("ACTIVE"),
    DescribeTimeToLive: DENIED,
    UpdateTimeToLive:
      "ValidationException: TimeToLive is active on a different AttributeName: current AttributeName is x",
  });
  await expect(setupTable(client, "t", () => {})).rejects.toMatchObject({ code: "conflict" });
});
