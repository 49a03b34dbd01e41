import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { type Running, start } from "./process.ts";

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
};
const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
};

interface Line {
  jsonrpc: string;
  id?: number;
  result?: Record<string, unknown>;
  error?: unknown;
}

const write = ({ child }: Running, message: object | string) =>
  child.stdin.write(`${typeof message === "string" ? message : JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);

const addNote = (id: number) => ({
  id,
  method: "tools/call",
  params: { name: "add_note", arguments: { note: `note ${id}` }, _meta: META },
});

/** Every line of stdout, each of which has to be a JSON-RPC message. */
function protocolLines(stdout: string): Line[] {
  expect(stdout === "" || stdout.endsWith("\n")).toBe(true);
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((text) => {
      const line = JSON.parse(text) as Line;
      expect(line.jsonrpc).toBe("2.0");
      return line;
    });
}

/** A module that runs inside the server's process before anything of ours. */
const inject = (code: string) => ["--import", `data:text/javascript,${encodeURIComponent(code)}`];

describe("stdio", () => {
  it("answers what is no message under its id, reads past a byte order mark, and drops a line that is too long", async () => {
    const server = start([]);
    write(
      server,
      `\ufeff${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "server/discover", params: { _meta: META } })}`,
    );
    write(server, JSON.stringify({ id: 2, method: "tools/list" }));
    write(server, `{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"x":"${"y".repeat(11 * 1024 * 1024)}"}}`);
    write(server, { id: 4, method: "tools/call", params: { name: "get_notes", arguments: null, _meta: META } });
    for (let id = 10; id < 40; id++) write(server, { id, method: "tools/list", params: { _meta: META } });
    server.child.stdin.end();
    const { stdout, stderr } = await server.ended;
    const lines = protocolLines(stdout);
    const of = (id: number | null) => lines.filter((line) => (line.id ?? null) === id);
    expect(of(1)).toMatchObject([{ result: {} }]);
    expect(of(2)).toMatchObject([{ error: { code: -32_600 } }]);
    expect(of(null)).toMatchObject([{ error: { code: -32_600, message: expect.stringContaining("10485760 bytes") } }]);
    expect(of(4)).toMatchObject([{ result: { structuredContent: { notes: [] } } }]);
    expect(lines.filter(({ id }) => id !== undefined && id >= 10)).toHaveLength(30);
    expect(stderr).not.toContain("MaxListenersExceededWarning");
  });

  it("serves both revisions and writes nothing but protocol to stdout", async () => {
    const server = start([], {
      nodeArguments: inject("process.on('SIGUSR2', () => { console.log('stray'); process.stdout.write('line'); })"),
    });
    write(server, { id: 1, method: "server/discover", params: { _meta: META } });
    await once(server.child.stdout, "data");
    server.child.kill("SIGUSR2");
    await server.logged(/stray\nline/);
    write(server, { id: 2, method: "initialize", params: INITIALIZE });
    write(server, { method: "notifications/initialized" });
    write(server, "this is no JSON");
    write(server, { id: 3, method: "tools/list" });
    server.child.stdin.end();
    const { code, stdout } = await server.ended;
    expect(code).toBe(0);
    const lines = protocolLines(stdout);
    expect(lines.map((line) => line.id)).toEqual([1, 2, 3]);
    expect(lines[0]?.result?.supportedVersions).toContain("2026-07-28");
    expect(lines[1]?.result?.protocolVersion).toBe("2025-11-25");
    expect(lines[2]?.result?.tools).toBeInstanceOf(Array);
  });

  it("answers every call in flight after stdin has ended, then ends with 0", async () => {
    const server = start([]);
    for (let id = 1; id <= 50; id++) write(server, addNote(id));
    server.child.stdin.end();
    const { code, stdout } = await server.ended;
    expect(code).toBe(0);
    const lines = protocolLines(stdout);
    expect(lines).toHaveLength(50);
    const counts = lines.map((line) => (line.result?.structuredContent as { count: number } | undefined)?.count ?? 0);
    expect(counts.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  it("ends with 0 on SIGTERM while a client is still connected", async () => {
    const server = start([]);
    write(server, addNote(1));
    await once(server.child.stdout, "data");
    server.child.kill("SIGTERM");
    const { code, stdout } = await server.ended;
    expect(code).toBe(0);
    expect(protocolLines(stdout)).toHaveLength(1);
  });

  it.each([
    ["an exception", "throw new Error('boom')"],
    ["a rejected promise", "Promise.reject(new Error('boom'))"],
  ])(
    "after %s that nobody caught says so on stderr, ends with 1, and leaves whole lines on stdout",
    async (_, code) => {
      const server = start([], { nodeArguments: inject(`process.on('SIGUSR2', () => { ${code} })`) });
      write(server, addNote(1));
      await once(server.child.stdout, "data");
      server.child.kill("SIGUSR2");
      const ended = await server.ended;
      expect(ended.code).toBe(1);
      expect(protocolLines(ended.stdout)).toHaveLength(1);
      expect(ended.stderr).toContain("boom");
    },
  );

  it("ends quietly with 0 when the client stops reading", async () => {
    const server = start([]);
    await server.logged(/Serving on stdin and stdout/);
    server.child.stdout.destroy();
    write(server, addNote(1));
    const { code, stderr } = await server.ended;
    expect(code).toBe(0);
    expect(stderr).not.toContain("EPIPE");
  });
});
