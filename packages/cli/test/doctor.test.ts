import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { freePort, run, startServer, temporaryDirectory } from "./process.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

describe("doctor", () => {
  it("is content with a fresh data directory", async () => {
    const env = { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: join(temporaryDirectory(), "data") };
    const { code, stdout } = await run(["doctor"], { env });
    expect(stdout).not.toContain("✗");
    expect(stdout.match(/✓/g)).toHaveLength(6);
    expect(stdout).toContain("2026-07-28 and 2025-11-25");
    expect(code).toBe(0);
  });

  it("names a data directory that is none, and says what to do", async () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    const { code, stdout } = await run(["doctor"], {
      env: { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: file },
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(new RegExp(`✗ .*${file}`));
    expect(stdout).toContain("→");
  });

  it("names a bad setting", async () => {
    const { code, stdout } = await run(["doctor"], { env: { PORT: "x" } });
    expect(code).toBe(1);
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

  it("sends the token it is given, or the configured one, and shows neither", async () => {
    const env = { MCP_AUTH_TOKEN: `alice=${TOKEN}` };
    const server = await startServer([], { env });
    const [without, given, configured] = await Promise.all([
      run(["doctor", server.url]),
      run(["doctor", server.url, "--token", TOKEN]),
      run(["doctor", server.url], { env }),
    ]);
    expect(without.code).toBe(1);
    expect(without.stdout).toContain("--token");
    for (const ended of [given, configured]) {
      expect(ended.code).toBe(0);
      expect(ended.stdout + ended.stderr).not.toContain(TOKEN);
    }
  });

  it("fails on a server that is none, and on an address where nobody listens", async () => {
    const other = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    for (const url of [`http://127.0.0.1:${port}/mcp`, `http://127.0.0.1:${await freePort()}/mcp`]) {
      const { code, stdout } = await run(["doctor", url]);
      expect(code).toBe(1);
      expect(stdout).toContain("✗ connect");
    }
    expect((await run(["doctor", "not-a-url"])).code).toBe(2);
  });
});
