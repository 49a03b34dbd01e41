import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { BUCKET, startS3Server } from "@stateful-mcp/rig";
import dynalite from "dynalite";
import { describe, expect, it, onTestFinished } from "vitest";
import { startServer, temporaryDirectory } from "./process.ts";

const VALUE = "x".repeat(3_145_728);

async function call(url: string, name: string, value?: string) {
  const response = await fetch(`${url}/mcp/call_tool`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      name,
      arguments: { session_id: "large", key: "k", ...(value ? { value } : { limit: 5_000_000 }) },
    }),
  });
  return { status: response.status, body: (await response.json()) as { result?: { value?: unknown }; error?: string } };
}

async function stop(server: Awaited<ReturnType<typeof startServer>>): Promise<void> {
  server.child.kill("SIGTERM");
  await server.ended;
}

describe("a value of 3 MiB", () => {
  it("is in the file of the local backend, and is there after a restart", async () => {
    const dataDir = temporaryDirectory();
    const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: dataDir };
    const first = await startServer([], { env });
    expect((await call(first.url, "store_value", VALUE)).status).toBe(200);
    await stop(first);
    expect(readdirSync(join(dataDir, "state"))).toEqual(["mcp_state.sqlite"]);
    expect(existsSync(join(dataDir, "engine"))).toBe(false);
    const second = await startServer([], { env });
    expect((await call(second.url, "get_value")).body.result?.value).toBe(VALUE);
    await stop(second);
  });

  it("is an object of the bucket on the dynamodb backend, and refused without one", async () => {
    const s3 = await startS3Server();
    onTestFinished(() => s3.stop());
    const engine = dynalite({
      path: temporaryDirectory(),
      createTableMs: 0,
      deleteTableMs: 0,
      updateTableMs: 0,
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void engine.close());
    await once(engine, "listening");
    const env = {
      MCP_STATE_BACKEND: "dynamodb",
      DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${(engine.address() as AddressInfo).port}`,
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${s3.port}`,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "S3RVER",
      AWS_SECRET_ACCESS_KEY: "S3RVER",
    };
    const without = await startServer(["--create-table"], { env });
    const refused = await call(without.url, "store_value", "x".repeat(100_000));
    expect(refused).toMatchObject({
      status: 413,
      body: { error: expect.stringContaining("STATEFUL_MCP_BLOB_BUCKET") },
    });
    await stop(without);

    const server = await startServer([], { env: { ...env, STATEFUL_MCP_BLOB_BUCKET: BUCKET } });
    expect((await call(server.url, "store_value", VALUE)).status).toBe(200);
    expect((await call(server.url, "get_value")).body.result?.value).toBe(VALUE);
    await stop(server);
  });
});
