// Whatever number or text comes in over stdio is refused or comes back equal, and bytes that are no UTF-8 are not guessed at.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { exactValue, isEqual } from "@stateful-mcp/rig";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";

interface Answer {
  id: number | null;
  error?: { code: number; message: string };
  result: { isError?: boolean; content: { text: string }[]; structuredContent: Record<string, unknown> };
}

const CLI = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));
const server = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), CLI], {
  stdio: ["pipe", "pipe", "ignore"],
  env: { PATH: process.env.PATH, MCP_STATE_BACKEND: "memory" },
});
const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
const next = async () => JSON.parse(String((await lines.next()).value)) as Answer;
let id = 0;

const call = async (tool: string, args: string): Promise<Answer> => {
  server.stdin.write(
    `{"jsonrpc":"2.0","id":${++id},"method":"tools/call","params":{"name":"${tool}","arguments":${args}}}\n`,
  );
  const answer = await next();
  expect(answer.id).toBe(id);
  return answer;
};

beforeAll(async () => {
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };
  server.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params })}\n`);
  expect((await next()).id).toBe(0);
  server.stdin.write(`{"jsonrpc":"2.0","method":"notifications/initialized"}\n`);
});
afterAll(async () => {
  server.stdin.end();
  if (server.exitCode === null) await once(server, "exit");
});

it("over stdio a value is refused or comes back equal", async () => {
  let n = 0;
  await fc.assert(
    fc.asyncProperty(exactValue, async (sent) => {
      const key = `"key":"k${n++}"`;
      const stored = await call("store_value", `{${key},"value":${sent}}`);
      if (stored.result.isError) {
        expect(stored.result.content[0]?.text).toMatch(
          /value: the (number|text) .*(send it as text|half of a surrogate)/,
        );
        return;
      }
      const back = (await call("get_value", `{${key}}`)).result.structuredContent.value;
      expect({ sent, back, equal: isEqual(sent, back) }).toMatchObject({ equal: true });
    }),
    { numRuns: 300 },
  );
});

it("a line that is not UTF-8, or too deep, is answered, and the next one is served", async () => {
  server.stdin.write(
    Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":7,"method":"\xff', "latin1"), Buffer.from('"}\n')]),
  );
  expect(await next()).toMatchObject({ id: null, error: { code: -32_700, message: expect.stringContaining("UTF-8") } });
  server.stdin.write(`{"jsonrpc":"2.0","id":8,"method":"ping","params":${'{"a":'.repeat(90)}1${"}".repeat(90)}}\n`);
  expect(await next()).toMatchObject({ id: null, error: { code: -32_700, message: expect.stringContaining("64") } });
  expect((await call("store_value", '{"key":"after","value":"\ufffd"}')).result.structuredContent.stored).toBe(true);
});
