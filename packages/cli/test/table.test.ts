import { once } from "node:events";
import type { AddressInfo } from "node:net";
import dynalite from "dynalite";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { run, startServer, temporaryDirectory } from "./process.ts";

/** The backend `dynamodb` against an engine of this test's own. */
let env: Record<string, string>;
beforeEach(async () => {
  const engine = dynalite({ path: temporaryDirectory(), createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 }).listen(
    0,
    "127.0.0.1",
  );
  onTestFinished(() => void engine.close());
  await once(engine, "listening");
  env = {
    MCP_STATE_BACKEND: "dynamodb",
    DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${(engine.address() as AddressInfo).port}`,
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
  };
});

describe("the table's life", () => {
  it("is never begun by serving, but by setup or when that is asked for", async () => {
    for (const commandLine of [[], ["serve", "--port", "0"]]) {
      const { code, stderr } = await run(commandLine, { env });
      expect(code).toBe(3);
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect(stderr).toContain("setup");
      expect(stderr).toContain("--create-table");
    }
    const server = await startServer(["--create-table"], { env });
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it("begins with setup, which can be repeated, and ends with a confirmed teardown", async () => {
    for (const round of ["first", "second"]) {
      const { code, stdout } = await run(["setup"], { env });
      expect([round, code]).toEqual([round, 0]);
      expect(stdout).toContain("mcp_state");
    }
    const server = await startServer([], { env });
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    server.child.kill("SIGTERM");
    await server.ended;

    const refused = await run(["teardown"], { env });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("CONFIRM_DELETE=yes");
    expect((await run(["teardown"], { env: { ...env, CONFIRM_DELETE: "yes" } })).code).toBe(0);
    expect((await run(["serve", "--port", "0"], { env })).code).toBe(3);
  });

  it("needs a region", async () => {
    const { AWS_REGION: _, ...without } = env;
    const { code, stderr } = await run(["serve", "--port", "0"], { env: without });
    expect(code).toBe(2);
    expect(stderr).toContain("AWS_REGION");
  });
});
