import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createApp, LOCAL_PRINCIPAL } from "@stateful-mcp/core";
import { createDynamoDBClient, DynamoDBStore } from "@stateful-mcp/core/dynamodb";
import { afterEach, expect, it } from "vitest";
import { FileBlobs } from "../src/file-blobs.ts";
import { Bench, killPid } from "./support.ts";

const bench = new Bench();
afterEach(() => bench.end());

const VALUE = "x".repeat(200_000);

/** Stores and reads large values through the product itself, on an engine of the given directory. */
async function openApp(dataDir: string) {
  const engine = await bench.connect({ dataDir, sweepSeconds: 1 });
  const client = createDynamoDBClient({ agent: engine.agent });
  const app = createApp({
    store: new DynamoDBStore({ client, table: "mcp_state" }),
    blobs: new FileBlobs(engine.dataDir),
  });
  const call = async (name: string, more: object) => {
    const { structured } = await app.call({ name, arguments: { key: "k", ...more }, principal: LOCAL_PRINCIPAL });
    return structured;
  };
  const close = async () => {
    await app.close();
    client.destroy();
    await engine.close();
    await killPid(engine.pid);
  };
  return { engine, call, close };
}

it("the engine deletes old files that no value needs, and keeps the others across restarts", async () => {
  const dataDir = await bench.directory();
  const first = await openApp(dataDir);
  await first.call("store_value", { value: VALUE });
  await first.close();

  const blobs = join(first.engine.dataDir, "engine", "blobs");
  await mkdir(join(blobs, "00"), { recursive: true });
  await writeFile(join(blobs, "00", "unused"), "left by a crash");
  const files = (await readdir(blobs, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  expect(files).toHaveLength(2);
  const old = new Date(Date.now() - 2 * 86_400_000);
  for (const file of files) await utimes(join(file.parentPath, file.name), old, old);

  const second = await openApp(dataDir);
  await expect.poll(() => readdir(join(blobs, "00")), { timeout: 20_000 }).not.toContain("unused");
  expect(await second.call("get_value", {})).toMatchObject({ found: true, value: VALUE });
  await second.close();
});
