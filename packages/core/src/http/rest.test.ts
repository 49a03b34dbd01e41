// Tools over plain HTTP: the same answers as over MCP for whatever is sent, and a description of them that a validator accepts.
import { Validator } from "@seriousme/openapi-schema-validator";
import { type Engine, startDynalite } from "@stateful-mcp/rig";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { modern } from "../../test-support/modern-requests.ts";
import { type App, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { defineTool, type Tool } from "../define/tool.ts";
import { createDynamoDBClient, DynamoDBItems, setupDemoTable } from "../dynamodb.ts";
import { movableClock } from "../testing/contracts/store-harness.ts";
import { testApp } from "../testing/test-app.ts";

type Json = Record<string, unknown>;
type Answer = { ok: boolean; data: unknown };

const TOKEN = "t".repeat(32);

interface Server {
  readonly app: App;
  readonly engine: Engine;
}

/** An app with every tool of the product, on an engine and a table of its own. */
async function startServer(options: Parameters<typeof testApp>[0] = {}): Promise<Server> {
  const engine = await startDynalite();
  const client = createDynamoDBClient(engine.connection);
  await setupDemoTable(client, "demo_orders", () => {});
  const tables = [{ name: "demo_orders", mode: "read-write" as const }];
  const { app } = testApp({ items: { store: new DynamoDBItems({ client }), tables }, ...options });
  return { app, engine };
}

async function post(app: App, path: string, body: unknown, headers: Record<string, string> = {}) {
  const request = new Request(`http://localhost${path}`, {
    method: "POST",
    headers: { host: "localhost", "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const response = await app.fetch(request);
  return { status: response.status, headers: response.headers, body: (await response.json()) as Json };
}

const get = (app: App, path: string, headers: Record<string, string> = {}) =>
  app.fetch(new Request(`http://localhost${path}`, { headers: { host: "localhost", ...headers } }));

/** Without what differs between two servers by design. */
const stable = (data: unknown): unknown =>
  JSON.parse(
    JSON.stringify(data)
      .replace(/"next_cursor":"[^"]*"/g, '"next_cursor":"…"')
      // Over REST nobody says what program calls.
      .replace(/"client":"[^"]*"/g, '"client":"…"')
      .replace(/note_[\w-]{16}_/g, "note_…_")
      .replace(/ses_[0-9a-hjkmnp-tv-z]{26}/g, "ses_…"),
  );

/** The arguments with the id of the server's own first note where a note is meant. */
async function withNoteId(app: App, args: Json): Promise<Json> {
  if (args.note_id !== NOTE_ID) return args;
  const { body } = await post(app, "/tools/get_notes", { details: true });
  const [note] = body.details as { note_id: string }[];
  return { ...args, note_id: note?.note_id };
}

async function overMcp(app: App, tool: Tool, args: Json): Promise<Answer> {
  const given = tool.confirm ? { ...args, confirm: true } : args;
  const { result } = await modern(app, "tools/call", { name: tool.name, arguments: given });
  if (!result.isError) return { ok: true, data: stable(result.structuredContent) };
  const { code, retryable: _, ...details } = result._meta["io.github.stateful-mcp/error"];
  return { ok: false, data: stable({ error: result.content[0].text, code, ...details }) };
}

async function overRest(app: App, tool: Tool, args: Json): Promise<Answer> {
  const { status, body } = await post(app, `/tools/${tool.name}`, args);
  const { success, ...data } = body;
  expect(success).toBe(status === 200);
  expect(status).not.toBe(500);
  return { ok: status === 200, data: stable(data) };
}

/** Stands for the id of the server's own first note. */
const NOTE_ID = "NOTE_ID";
const KEY = { PK: "CUSTOMER#ana", SK: "PROFILE" };
/** For every tool a call that succeeds. */
const GOOD: Record<string, Json> = {
  create_session: { name: "plan" },
  list_sessions: {},
  session_info: {},
  reset_session: {},
  delete_session: { session_id: "plan" },
  add_note: { note: "n" },
  get_notes: {},
  update_note: { note_id: NOTE_ID, note: "m" },
  delete_note: { note_id: NOTE_ID },
  store_value: { key: "k", value: { a: [1] } },
  get_value: { key: "k" },
  list_values: {},
  delete_value: { key: "k" },
  increment_value: { key: "n" },
  search_memory: { query: "a" },
  echo_cached: { text: "a" },
  put_item: { item: { ...KEY, n: 1 } },
  get_item: { key: KEY },
  update_item: { key: KEY, updates: { n: 2 } },
  delete_item: { key: KEY },
  query: { key_condition: "PK = :p", expression_values: { ":p": "CUSTOMER#ben" } },
  scan: {},
  batch_get: { keys: [KEY] },
  batch_write: { puts: [{ ...KEY, n: 3 }] },
};

const leaf = fc.oneof(
  fc.constantFrom("", "k", "n", "a", "plan", "CUSTOMER#ana", "PK = :p", "PROFILE", "GSI1"),
  fc.string({ maxLength: 8 }),
  fc.integer({ min: -2, max: 5 }),
  fc.constantFrom(null, true, false),
);
const object = fc.oneof(
  fc.constantFrom<Json>(KEY, { n: 1 }, { ":p": "CUSTOMER#ana" }, { ...KEY, n: { $number: "1" } }, {}),
  fc.dictionary(fc.string({ maxLength: 4 }), leaf, { maxKeys: 2, noNullPrototype: true }),
);

/** Mostly what a schema asks for, sometimes anything. */
function fitting(schema: Json): fc.Arbitrary<unknown> {
  const wanted = (): fc.Arbitrary<unknown> => {
    if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
    if (schema.type === "string") return fc.oneof(leaf.map(String), fc.constantFrom("k", "plan", "PK = :p"));
    if (schema.type === "integer" || schema.type === "number") return fc.integer({ min: 0, max: 3 });
    if (schema.type === "boolean") return fc.boolean();
    if (schema.type === "array")
      return fc.array(fc.constantFrom("n", "PK", "a.b", "a..b"), { minLength: 1, maxLength: 2 });
    return object;
  };
  return fc.oneof({ weight: 6, arbitrary: wanted() }, { weight: 1, arbitrary: fc.oneof(leaf, object) });
}

function argumentsFor(tool: Tool): fc.Arbitrary<Json> {
  const { properties = {}, required = [] } = tool.inputSchema as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  // An idempotency key is unique to a call, and its confirmation to MCP.
  const names = Object.keys(properties).filter((name) => name !== "idempotency_key" && name !== "confirm");
  const model = Object.fromEntries(names.map((name) => [name, fitting(properties[name] ?? {})]));
  return fc.record(model, { requiredKeys: names.filter((name) => required.includes(name)) });
}

describe("MCP and REST", () => {
  let servers: [Server, Server];
  const clock = movableClock();
  beforeAll(async () => {
    servers = [await startServer({ clock }), await startServer({ clock })];
  });
  afterAll(async () => {
    for (const { app, engine } of servers) {
      await app.close();
      await engine.stop();
    }
  });

  it("give the same data for the same input, for every tool", async () => {
    const [{ app: one }, { app: other }] = servers;
    expect(one.tools.map(({ name }) => name).sort()).toEqual(Object.keys(GOOD).sort());
    for (const [name, args] of Object.entries(GOOD)) {
      const tool = one.tools.find((candidate) => candidate.name === name)!;
      const answer = await overMcp(one, tool, await withNoteId(one, args));
      expect({ name, ...answer }).toMatchObject({ ok: true });
      expect({ name, ...(await overRest(other, tool, await withNoteId(other, args))) }).toEqual({ name, ...answer });
    }
    let succeeded = 0;
    for (const tool of one.tools) {
      await fc.assert(
        fc.asyncProperty(argumentsFor(tool), async (args) => {
          // Sessions of one moment would be in the order of their random names.
          clock.advance(1);
          const answer = await overMcp(one, tool, args);
          expect({ args, ...(await overRest(other, tool, args)) }).toEqual({ args, ...answer });
          if (answer.ok) succeeded++;
        }),
        // The state moves on with each call, so a shrunk call would not meet what the failing one met.
        { numRuns: 60, endOnFailure: true },
      );
    }
    expect(succeeded).toBeGreaterThan(60);
  });
});

describe("POST /tools/<name>", () => {
  it("answers errors with their status, and says that it failed", async () => {
    const { app } = testApp({ access: { mode: "tokens", tokens: parseTokens(`alice=${TOKEN}`) } });
    const bearer = { authorization: `Bearer ${TOKEN}` };
    const answers = [
      [401, "unauthenticated", await post(app, "/tools/get_notes", {})],
      [404, "not_found", await post(app, "/tools/nothing", {}, bearer)],
      [404, "not_found", await post(app, "/tools/__proto__", {}, bearer)],
      [400, "invalid_input", await post(app, "/tools/add_note", { session_id: "s" }, bearer)],
      [400, "invalid_input", await post(app, "/tools/add_note", "{", bearer)],
      [400, "invalid_input", await post(app, "/tools/add_note", [], bearer)],
      [
        415,
        "unsupported_media_type",
        await post(app, "/tools/add_note", {}, { ...bearer, "content-type": "text/plain" }),
      ],
      [413, "too_large", await post(app, "/tools/add_note", { note: "x".repeat(2_000_000) }, bearer)],
    ] as const;
    for (const [status, code, answer] of answers) {
      expect([answer.status, answer.body]).toEqual([status, expect.objectContaining({ success: false, code })]);
      expect(answer.body.error).toMatch(/\.$/);
    }
    expect(answers[0][2].headers.get("www-authenticate")).toMatch(/^Bearer/);
  });

  it("has one effect under one Idempotency-Key", async () => {
    const { app } = testApp();
    const key = { "idempotency-key": "k" };
    const first = await post(app, "/tools/add_note", { note: "a" }, key);
    const second = await post(app, "/tools/add_note", { note: "a" }, key);
    expect(first.body).toMatchObject({ success: true, count: 1 });
    expect(second.body).toEqual(first.body);
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect(await post(app, "/tools/add_note", { note: "b" }, key)).toMatchObject({
      status: 422,
      body: { success: false },
    });
  });
});

describe("the description", () => {
  it("is valid OpenAPI 3.1 with a path for every tool", async () => {
    const { app, engine } = await startServer();
    try {
      const document = (await (await get(app, "/openapi.json")).json()) as Json;
      expect(await new Validator().validate(structuredClone(document))).toMatchObject({ valid: true });
      expect(document.openapi).toBe("3.1.0");
      expect(Object.keys(document.paths as Json)).toEqual(app.tools.map(({ name }) => `/tools/${name}`));
    } finally {
      await app.close();
      await engine.stop();
    }
  });

  it("is for callers only, like the tools", async () => {
    const { app } = testApp({ access: { mode: "tokens", tokens: parseTokens(`alice=${TOKEN}`) } });
    for (const path of ["/openapi.json", "/docs"]) expect((await get(app, path)).status).toBe(401);
    const described = await get(app, "/openapi.json", { authorization: `Bearer ${TOKEN}` });
    expect(await new Validator().validate((await described.json()) as Json)).toMatchObject({ valid: true });
  });

  it("is a page, in which no text is taken for markup and nothing is loaded", async () => {
    const evil = defineTool({
      name: "evil",
      description: "<script>alert(1)</script>",
      input: z.object({ a: z.string().describe('"><img src=x>') }),
      run: () => ({ content: [] }),
    });
    const response = await get(createApp({ tools: [evil] }), "/docs");
    const page = await response.text();
    expect(response.headers.get("content-type")).toMatch(/^text\/html/);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(page).toContain("POST /tools/evil");
    expect(page).toContain("&lt;script&gt;");
    expect(page).not.toMatch(/<(script|img|link)|https?:\/\//);
  });
});
