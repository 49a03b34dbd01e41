import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { App } from "../app.ts";
import { PROTOCOL_REVISIONS } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { defineTool } from "../define/tool.ts";
import { testApp } from "../testing/test-app.ts";
import { IDEMPOTENCY_META_KEY } from "./call-source.ts";

const [MODERN] = PROTOCOL_REVISIONS;
const REPLAYED = "io.github.stateful-mcp/replayed";
const A = "a".repeat(32);
const B = "b".repeat(32);
const tokens = { access: { mode: "tokens", tokens: parseTokens(`alice=${A},bob=${B}`) } } as const;

const fetchOf =
  (app: App): typeof fetch =>
  (input, init) => {
    const request = new Request(input, init);
    request.headers.set("host", "localhost");
    return app.fetch(request);
  };

interface WireCall {
  id?: number | string;
  name: string;
  args?: Record<string, unknown>;
  meta?: Record<string, unknown>;
  client?: { name: string; version: string };
  token?: string;
  signal?: AbortSignal;
}

const modernRequest = ({ id = 1, name, args = {}, meta = {}, client, token, signal }: WireCall): Request =>
  new Request("http://localhost/mcp", {
    method: "POST",
    ...(signal && { signal }),
    headers: {
      host: "localhost",
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": MODERN,
      "mcp-method": "tools/call",
      "mcp-name": name,
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: {
        name,
        arguments: args,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": MODERN,
          "io.modelcontextprotocol/clientCapabilities": {},
          ...(client && { "io.modelcontextprotocol/clientInfo": client }),
          ...meta,
        },
      },
    }),
  });

interface ToolAnswer {
  id: unknown;
  result?: {
    isError?: boolean;
    content: { text: string }[];
    structuredContent?: Record<string, unknown>;
    _meta?: Record<string, unknown>;
  };
  error?: { code: number; message: string };
}
const call = async (app: App, wire: WireCall): Promise<ToolAnswer> =>
  (await (await app.fetch(modernRequest(wire))).json()) as ToolAnswer;

describe("the official clients", () => {
  const eras = {
    [`the 2.x client on ${MODERN}`]: async (app: App) => {
      const client = new Client({ name: "two", version: "2" }, { versionNegotiation: { mode: { pin: MODERN } } });
      await client.connect(new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), { fetch: fetchOf(app) }));
      return client;
    },
    "the 2.x client on 2025-11-25": async (app: App) => {
      const client = new Client({ name: "two", version: "2" }, { versionNegotiation: { mode: "legacy" } });
      await client.connect(new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), { fetch: fetchOf(app) }));
      return client;
    },
    "the 1.x client": async (app: App) => {
      const client = new ClientV1({ name: "one", version: "1" });
      const transport = new TransportV1(new URL("http://localhost/mcp"), { fetch: fetchOf(app) });
      await client.connect(transport as Parameters<ClientV1["connect"]>[0]);
      return client as unknown as Client;
    },
  };

  it.each(Object.entries(eras))("%s lists and calls the tools, and reads results and errors", async (_, connect) => {
    const { app } = testApp();
    const client = await connect(app);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(app.tools.map(({ name }) => name));
    expect(client.getInstructions()).toContain("This server remembers");

    const added = await client.callTool({ name: "add_note", arguments: { note: "n" } });
    expect(added.structuredContent).toMatchObject({ session_id: "default", count: 1 });
    expect(JSON.parse((added.content as { text: string }[])[0]?.text ?? "")).toEqual(added.structuredContent);

    const refused = await client.callTool({ name: "store_value", arguments: { key: "k", value: 1, if_version: 3 } });
    expect(refused).toMatchObject({ isError: true, content: [{ text: expect.stringContaining("version 0") }] });
    await expect(client.callTool({ name: "nope", arguments: {} })).rejects.toThrow("nope");
    await client.close();
    await app.close();
  });

  it("of both eras work on one state", async () => {
    const { app } = testApp();
    for (const connect of Object.values(eras)) {
      const client = await connect(app);
      await client.callTool({ name: "increment_value", arguments: { key: "n" } });
      await client.close();
    }
    expect(await call(app, { name: "get_value", args: { key: "n" } })).toMatchObject({
      result: { structuredContent: { value: 3 } },
    });
    await app.close();
  });
});

describe("a tool error on the wire", () => {
  it("is a result that tells a model what to do and a program which code it was", async () => {
    const { app } = testApp();
    const { result } = await call(app, { name: "get_notes", args: { session_id: `ses_${"a".repeat(26)}` } });
    expect(result).toMatchObject({
      isError: true,
      content: [{ type: "text", text: expect.stringContaining("create_session") }],
      _meta: { "io.github.stateful-mcp/error": { code: "session_not_found", retryable: false } },
    });
    expect(result).not.toHaveProperty("structuredContent");
  });

  it("for an unknown tool is invalid params", async () => {
    const { app } = testApp();
    expect((await call(app, { name: "nope" })).error).toMatchObject({ code: -32_602 });
  });
});

describe("an idempotency key in _meta", () => {
  it("is the call's own, and the replay says so", async () => {
    const { app } = testApp();
    const wire = { name: "add_note", args: { note: "n" }, meta: { [IDEMPOTENCY_META_KEY]: "k" } };
    const first = await call(app, wire);
    const second = await call(app, { ...wire, id: 2 });
    expect(first.result?._meta).not.toHaveProperty(REPLAYED);
    expect(second.result?._meta).toMatchObject({ [REPLAYED]: true });
    expect(second.result?.structuredContent).toEqual(first.result?.structuredContent);
  });

  it("gives way to the argument", async () => {
    const { app } = testApp();
    const meta = { [IDEMPOTENCY_META_KEY]: "same" };
    for (const idempotency_key of ["1", "2"])
      await call(app, { name: "add_note", args: { note: "n", idempotency_key }, meta });
    expect((await call(app, { name: "get_notes" })).result?.structuredContent?.notes).toEqual(["n", "n"]);
  });
});

describe("a server instance that is used again", () => {
  const clientOfNewestNote = async (app: App) => {
    const { result } = await call(app, { name: "get_notes", args: { details: true, order: "newest", limit: 1 } });
    const details = (result?.structuredContent?.details ?? []) as { client: string }[];
    return details[0]?.client;
  };

  it("does not take the next client for the one before", async () => {
    const { app } = testApp();
    await call(app, { name: "add_note", args: { note: "1" }, client: { name: "alice's editor", version: "1" } });
    expect(await clientOfNewestNote(app)).toBe("alice's editor 1");
    await call(app, { name: "add_note", args: { note: "2" } });
    expect(await clientOfNewestNote(app)).toBe("");
  });

  it("acts for the principal of each request, at the same time and one after the other", async () => {
    const { app } = testApp(tokens);
    const session_id = "s";
    for (let round = 0; round < 3; round++)
      await Promise.all(
        [A, B, A, B].map((token) => call(app, { name: "add_note", args: { note: token, session_id }, token })),
      );
    for (const token of [A, B]) {
      const { result } = await call(app, { name: "get_notes", args: { session_id }, token });
      expect(result?.structuredContent?.notes).toEqual(Array<string>(6).fill(token));
    }
  });

  it("answers calls with the same id each with its own result", async () => {
    const { app } = testApp();
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => call(app, { id: 7, name: "echo_cached", args: { text: `text ${i}` } })),
    );
    for (const [i, { id, result }] of answers.entries()) {
      expect(id).toBe(7);
      expect(result?.structuredContent?.text).toBe(`TEXT ${i}`);
    }
  });

  it("left behind by a cancelled call says nothing to the next client, though that one uses the same id", async () => {
    const started: (() => void)[] = [];
    const finish: (() => void)[] = [];
    const hang = defineTool({
      name: "hang",
      description: "Answers when the test says so.",
      input: z.object({ secret: z.string() }),
      output: z.object({ secret: z.string() }),
      session: "none",
      run: ({ secret }) =>
        new Promise((resolve) => {
          finish.push(() => resolve({ secret }));
          started.shift()?.();
        }),
    });
    const { app } = testApp({ ...tokens, tools: [hang] });
    const running = () => new Promise<void>((resolve) => started.push(resolve));

    const aRuns = running();
    const gone = new AbortController();
    const a = app.fetch(
      modernRequest({ id: 7, name: "hang", args: { secret: "SECRET OF A" }, token: A, signal: gone.signal }),
    );
    await aRuns;
    gone.abort();
    await a
      .then(
        (response) => response.text(),
        () => "",
      )
      .catch(() => "");

    const bRuns = running();
    const b = app.fetch(modernRequest({ id: 7, name: "hang", args: { secret: "of b" }, token: B }));
    await bRuns;
    finish[0]?.();
    await new Promise((resolve) => setImmediate(resolve));
    finish[1]?.();
    const text = await (await b).text();
    expect(text).toContain("of b");
    expect(text).not.toContain("SECRET OF A");
  });

  it("serves a 2025-era client as if it were new", async () => {
    const { app } = testApp();
    await call(app, { name: "add_note", args: { note: "modern" }, client: { name: "modern", version: "1" } });
    const client = new ClientV1({ name: "older", version: "1" });
    const transport = new TransportV1(new URL("http://localhost/mcp"), { fetch: fetchOf(app) });
    await client.connect(transport as Parameters<ClientV1["connect"]>[0]);
    await client.callTool({ name: "add_note", arguments: { note: "legacy" } });
    expect(await clientOfNewestNote(app)).toBe("older 1");
    await call(app, { name: "add_note", args: { note: "modern again" } });
    expect(await clientOfNewestNote(app)).toBe("");
    await client.close();
    await app.close();
  });
});

describe("an open server", () => {
  const open = { access: { mode: "anonymous" } } as const;

  it("works with handles alone: names are refused and nothing is listed", async () => {
    const { app } = testApp(open);
    const created = await call(app, { name: "create_session" });
    const session_id = created.result?.structuredContent?.session_id;
    expect(await call(app, { name: "add_note", args: { note: "n", session_id } })).toMatchObject({
      result: { structuredContent: { count: 1 } },
    });
    for (const args of [{ note: "n" }, { note: "n", session_id: "default" }, { note: "n", session_id: "x" }])
      expect(await call(app, { name: "add_note", args })).toMatchObject({ result: { isError: true } });
    expect((await call(app, { name: "create_session", args: { name: "x" } })).result?.isError).toBe(true);
    expect((await call(app, { name: "list_sessions" })).error).toMatchObject({ code: -32_602 });
    const listed = await app.fetch(new Request("http://localhost/mcp/list_tools", { headers: { host: "localhost" } }));
    expect(await listed.text()).not.toContain("list_sessions");
  });
});
