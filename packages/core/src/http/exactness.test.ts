// Whatever number or text is sent in over HTTP is refused or comes back equal, and bytes that are no UTF-8 are not guessed at.

import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { exactValue, isEqual, numberText, startDynalite } from "@stateful-mcp/rig";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { createApp } from "../app.ts";
import { createDynamoDBClient, DynamoDBItems } from "../dynamodb.ts";
import { MemoryStore } from "../stores/memory-store.ts";

type Json = Record<string, unknown>;
/** Calls a tool with arguments as JSON text. */
type Call = (tool: string, args: string) => Promise<{ refused?: string; result?: Json }>;

const engine = await startDynalite();
const client = createDynamoDBClient(engine.connection);
await client.send(
  new CreateTableCommand({
    TableName: "numbered",
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "N" }],
    KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
  }),
);
const app = createApp({
  store: new MemoryStore(),
  access: { mode: "local" },
  items: { store: new DynamoDBItems({ client }), tables: [{ name: "numbered", mode: "read-write" }] },
});
afterAll(async () => {
  client.destroy();
  await engine.stop();
});
const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  app.fetch(
    new Request(`http://localhost${path}`, {
      method: "POST",
      headers: { host: "localhost", "content-type": "application/json", ...headers },
      body,
    }),
  );

/** Cases of each property and transport. */
const RUNS = Number(process.env.EXACTNESS ?? 300);
const timeout = 30_000 + 20 * RUNS;
const BOTH = "application/json, text/event-stream";
const answerOf = (text: string): Json => {
  const data = text.split("\n").findLast((line) => line.startsWith("data: {"));
  return JSON.parse(data?.slice("data: ".length) ?? text) as Json;
};

/** A tool's own answer; an answer without one is a fault of the transport. */
function outcome(answer: Json) {
  const result = answer.result as { isError?: boolean; content: { text: string }[]; structuredContent: Json };
  return result.isError ? { refused: result.content[0]?.text ?? "" } : { result: result.structuredContent };
}

const rest: Call = async (tool, args) => {
  const response = await post(`/tools/${tool}`, args);
  const body = (await response.json()) as Json;
  expect([200, 400, 409, 503]).toContain(response.status);
  return body.success === true ? { result: body } : { refused: String(body.error) };
};
const modern: Call = async (tool, args) => {
  const meta =
    '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}';
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${tool}","arguments":${args},"_meta":{${meta}}}}`;
  const headers = {
    accept: BOTH,
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": tool,
  };
  return outcome(answerOf(await (await post("/mcp", body, headers)).text()));
};
async function initialized(): Promise<Call> {
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };
  const opened = await post("/mcp", JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }), {
    accept: BOTH,
  });
  const session = opened.headers.get("mcp-session-id") ?? "";
  return async (tool, args) => {
    const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${tool}","arguments":${args}}}`;
    return outcome(answerOf(await (await post("/mcp", body, { accept: BOTH, "mcp-session-id": session })).text()));
  };
}

/** An engine on a busy machine may not answer in time. That is told as it is, and says nothing of what is asked here. */
const patient =
  (call: Call): Call =>
  async (tool, args) => {
    for (;;) {
      const answer = await call(tool, args);
      if (!answer.refused?.includes("cannot be used right now")) return answer;
    }
  };

describe.each([
  { name: "REST", connect: async () => rest },
  { name: "MCP 2026-07-28", connect: async () => modern },
  { name: "MCP 2025-11-25", connect: initialized },
])("over $name", ({ name, connect }) => {
  const session = `"session_id":"${name.replace(/\W/g, "-")}"`;

  it("a value is refused or comes back equal", { timeout }, async () => {
    const call = await connect();
    let n = 0;
    await fc.assert(
      fc.asyncProperty(exactValue, fc.boolean(), async (sent, nested) => {
        const key = `"key":"k${n++}"`;
        const value = nested ? `{"a":[true,${sent}]}` : sent;
        const stored = await call("store_value", `{${session},${key},"value":${value}}`);
        if (stored.refused !== undefined) {
          expect(stored.refused).toMatch(/value[^ ]*: the (number|text) .*(send it as text|half of a surrogate)/);
          return;
        }
        const { result } = await call("get_value", `{${session},${key}}`);
        const got = result?.value as { a: unknown[] } | undefined;
        const back: unknown = nested ? got?.a[1] : got;
        expect({ sent, back, equal: isEqual(sent, back) }).toMatchObject({ equal: true });
      }),
      { numRuns: RUNS },
    );
  });

  it("an item and its key are refused or come back equal", { timeout }, async () => {
    const call = patient(await connect());
    await fc.assert(
      fc.asyncProperty(fc.nat(1e6), exactValue, async (id, sent) => {
        const put = await call("put_item", `{"item":{"id":${id},"value":[${sent}]}}`);
        if (put.refused !== undefined) {
          expect(put.refused).toMatch(/item.value[^ ]*: |surrogate/);
          return;
        }
        const { result } = await call("get_item", `{"key":{"id":${id}},"consistent":true}`);
        const item = result?.item as { value?: unknown[] } | undefined;
        const back = item?.value?.[0];
        expect({ sent, back, equal: isEqual(sent, back) }).toMatchObject({ equal: true });
      }),
      { numRuns: RUNS },
    );
    await fc.assert(
      fc.asyncProperty(numberText, async (sent) => {
        const put = await call("put_item", `{"item":{"id":${sent}}}`);
        if (put.refused !== undefined) return;
        const key = put.result?.key as { id: unknown } | undefined;
        expect({ sent, key, equal: isEqual(sent, key?.id) }).toMatchObject({ equal: true });
      }),
      { numRuns: RUNS },
    );
  });

  it("no item is changed, found or deleted under a key that a double cannot hold", async () => {
    const call = await connect();
    const [near, meant] = ["2512292042121000000", "2512292042121000001"];
    for (const id of [near, meant]) await call("put_item", `{"item":{"id":{"$number":"${id}"}}}`);
    for (const id of [near, meant])
      for (const [tool, args] of [
        ["get_item", `{"key":{"id":${id}}}`],
        ["delete_item", `{"key":{"id":${id}},"confirm":true}`],
        ["update_item", `{"key":{"id":${id}},"updates":{"a":1}}`],
        ["put_item", `{"item":{"id":${id}}}`],
        ["query", `{"key_condition":"id = :i","expression_values":{":i":${id}}}`],
        ["scan", `{"last_evaluated_key":{"id":${id}}}`],
        ["batch_get", `{"keys":[{"id":${id}}]}`],
        ["batch_write", `{"deletes":[{"id":${id}}],"confirm":true}`],
      ] as const)
        expect((await call(tool, args)).refused).toMatch(/id|:i.*\$number/);
    const tagged = await call("delete_item", `{"key":{"id":{"$number":"${meant}"}},"confirm":true}`);
    expect(tagged.result).toMatchObject({ deleted: true });
    const left = await call("get_item", `{"key":{"id":{"$number":"${near}"}},"consistent":true}`);
    expect(left.result).toMatchObject({ found: true, item: { id: { $number: near } } });
  });

  it("an increment is refused or exact, also beyond what a double counts", async () => {
    const call = await connect();
    const by = (text: string, key = '"n"') => call("increment_value", `{${session},"key":${key},"by":${text}}`);
    expect((await by("9007199254740993")).refused).toContain("9007199254740993");
    expect((await by("1e400")).refused).toContain("1e400");
    expect((await by("9007199254740990")).result).toMatchObject({ value: 9007199254740990 });
    expect((await by("1")).result).toMatchObject({ value: 9007199254740991 });
    expect((await by("1")).refused).toContain("9007199254740991");
    expect((await by("-1")).result).toMatchObject({ value: 9007199254740990 });
    const many = await Promise.all(Array.from({ length: 3 }, () => by("1")));
    expect(many.filter(({ result }) => result)).toMatchObject([{ result: { value: 9007199254740991 } }]);
  });

  it("arguments that differ beyond a double are not one call", async () => {
    const call = await connect();
    const set = (value: string) =>
      call("store_value", `{${session},"key":"idempotent","value":${value},"idempotency_key":"same"}`);
    expect((await set("9007199254740992")).result).toMatchObject({ stored: true });
    expect((await set("9007199254740993")).refused).toContain("9007199254740993");
  });
});

describe("bytes", () => {
  const bytes = (...parts: (string | number[])[]) =>
    new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
  const stored = async (body: Uint8Array<ArrayBuffer>) => (await post("/tools/store_value", body)).status;

  it("that are not UTF-8 are refused", async () => {
    const start = '{"session_id":"b","key":"k","value":"';
    for (const broken of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98], [0xc0, 0x80]])
      expect(await stored(bytes(start, broken, '"}'))).toBe(400);
    expect(await stored(bytes(start, "\ufffd😀", '"}'))).toBe(200);
    expect(await stored(bytes("\ufeff", start, 'bom"}'))).toBe(200);
  });
});
