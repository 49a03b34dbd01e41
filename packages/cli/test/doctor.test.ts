import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { freePort } from "@stateful-mcp/rig";
import { describe, expect, it, onTestFinished } from "vitest";
import { run, start, startServer, temporaryDirectory } from "./process.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

describe("doctor", () => {
  it("is content with a fresh data directory", async () => {
    const PORT = String(await freePort());
    const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: join(temporaryDirectory(), "data"), PORT };
    const { code, stdout } = await run(["doctor"], { env });
    expect(stdout).not.toContain("✗");
    expect(stdout.match(/✓/g)).toHaveLength(9);
    expect(stdout).toContain("2026-07-28 and 2025-11-25");
    expect(code).toBe(0);
  });

  it("names a data directory that is none, and says what to do", async () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    const { code, stdout } = await run(["doctor"], {
      env: { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: file },
    });
    expect(code).toBe(3);
    expect(stdout).toMatch(new RegExp(`✗ .*${file}`));
    expect(stdout).toContain("→");
  });

  it("tells a server of ours from another program on the port, as JSON too", async () => {
    const { url } = await startServer();
    const ours = await run(["doctor", "--json"], { env: { PORT: new URL(url).port } });
    const { ok, checks } = JSON.parse(ours.stdout);
    expect([ours.code, ok]).toEqual([0, true]);
    const said = `says that it is stateful-mcp: use ${url}/mcp if you started it`;
    expect(checks).toContainEqual(expect.objectContaining({ detail: expect.stringContaining(said) }));
    const other = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const taken = await run(["doctor"], { env: { PORT: String(port) } });
    expect(taken.stdout).toContain(`✗ port for HTTP: ${port} on 127.0.0.1 cannot be used: another program`);
    expect(taken.code).toBe(1);
  });

  it("says once, with one hint, that the engine cannot be reached, and ends with 3", async () => {
    const env = {
      MCP_STATE_BACKEND: "dynamodb",
      DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${await freePort()}`,
      AWS_REGION: "local",
      AWS_ACCESS_KEY_ID: "a",
      AWS_SECRET_ACCESS_KEY: "b",
    };
    const { code, stdout } = await run(["doctor"], { env });
    expect([stdout.match(/✗/g)?.length, stdout.match(/→/g)?.length]).toEqual([1, 1]);
    expect(stdout).toContain("→ Nothing answers there: check the network, AWS_REGION and DYNAMODB_ENDPOINT_URL");
    expect(code).toBe(3);
  });

  it("asks for tokens where other machines can call", async () => {
    const { code, stdout } = await run(["doctor"], { env: { HOST: "0.0.0.0", PORT: "0" } });
    expect(stdout).toMatch(/✗ who may call over HTTP: Other machines can reach 0\.0\.0\.0: set MCP_AUTH_TOKEN/);
    expect(stdout).toContain("`bin/stateful-mcp token <name>` mints a token");
    expect(code).toBe(2);
  });

  it("names a bad setting", async () => {
    const { code, stdout } = await run(["doctor"], { env: { PORT: "x" } });
    expect(code).toBe(2);
    expect(stdout).toMatch(/✗ configuration: PORT/);
  });
});

describe("doctor <url>", () => {
  it("tries the core tools of a running server", async () => {
    const server = await startServer();
    const { code, stdout } = await run(["doctor", `${server.url}/mcp`]);
    expect(stdout).not.toContain("✗");
    for (const step of [
      "2026-07-28",
      "2025-11-25",
      "list tools",
      "create_session",
      "add_note",
      "get_value",
      "from the cache",
      "delete_session",
    ]) {
      expect(stdout).toContain(step);
    }
    expect(code).toBe(0);
  });

  it.each([`alice=${TOKEN}`, `alice:read+write=${TOKEN}`, `{"alice":"${TOKEN}"}`])(
    "sends the token that it is told to send, from a variable or stdin, and shows it nowhere: %j",
    async (configured) => {
      const env = { MCP_AUTH_TOKEN: configured };
      const server = await startServer([], { env });
      const piped = start(["doctor", server.url, "--token-stdin"]);
      piped.child.stdin.end(`${TOKEN}\n`);
      const all = [run(["doctor", server.url, "--token-env", "MCP_AUTH_TOKEN"], { env }), piped.ended];
      for (const { code, stdout, stderr } of await Promise.all(all)) {
        expect(stdout).not.toContain("✗");
        expect([code, stderr]).toEqual([0, ""]);
        expect(stdout).not.toContain(TOKEN);
      }
    },
  );

  it("sends no token unasked, and takes none among its arguments", async () => {
    const seen: (string | undefined)[] = [];
    const other = createServer(({ headers }, response) => {
      seen.push(headers.authorization);
      response.writeHead(401).end();
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const url = `http://127.0.0.1:${port}/mcp`;
    const env = { MCP_AUTH_TOKEN: `alice=${TOKEN}` };
    const unasked = await run(["doctor", url], { env });
    expect([unasked.code, unasked.stdout]).toEqual([1, expect.stringContaining("--token-env")]);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.filter((authorization) => authorization !== undefined)).toEqual([]);
    expect((await run(["doctor", url, "--token", TOKEN])).code).toBe(2);
    expect((await run(["doctor", url, "--token-env", "NOT_SET"])).stderr).toContain("NOT_SET");
  });

  it("fails on a server that is none", async () => {
    const other = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const { code, stdout } = await run(["doctor", `http://127.0.0.1:${port}/mcp`]);
    expect(code).toBe(1);
    expect(stdout).toContain("✗ connect");
    expect((await run(["doctor", "not-a-url"])).code).toBe(2);
  });
});
