import { once } from "node:events";
import { type App, createApp, defineTool, MemoryStore, tokenPrincipal } from "@stateful-mcp/core";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { bindEnvironment } from "../src/lambda/bind.ts";
import { bufferedLambdaHandler, type LambdaEvent, lambdaHandler } from "../src/lambda/handler.ts";
import { contextOf, Output } from "./awslambda.ts";
import { httpEvent, restEvent } from "./events.ts";

type Carried = Pick<App, "fetch" | "settle" | "options">;
const serving = (fetch: App["fetch"], settle = async () => {}): Carried => ({ fetch, settle, options: {} });

/** A promise that the test fulfils. */
function gate() {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

const call = (name: string, args: Record<string, unknown> = {}) => ({
  path: "/mcp/call_tool",
  headers: [
    ["host", "localhost"],
    ["content-type", "application/json"],
  ] as const,
  body: JSON.stringify({ name, arguments: args }),
});

async function streamed(
  app: Carried,
  event: LambdaEvent = restEvent(call("add_note", { note: "x" })),
  context = contextOf(),
) {
  const output = new Output();
  await lambdaHandler(app)(event, output, context);
  return { ...output.answer, ended: output.writableFinished };
}

describe("a streamed answer", () => {
  it("is the app's, with status and headers before its body", async () => {
    const answer = await streamed(createApp());
    expect(answer).toMatchObject({ statusCode: 200, headers: { "content-type": "application/json" }, ended: true });
    expect(JSON.parse(answer.body)).toEqual({
      result: { session_id: "default", note_id: expect.any(String), count: 1 },
    });
  });

  it("has status and headers also without a body", async () => {
    const answer = await streamed(serving(async () => new Response(null, { status: 202, headers: { a: "b" } })));
    expect(answer).toEqual({ statusCode: 202, headers: { a: "b" }, cookies: [], body: "", ended: true });
  });

  it("leaves chunk by chunk, before the next one exists", async () => {
    const output = new Output();
    const second = gate();
    async function* chunks() {
      yield Buffer.from("first");
      await second.opened;
      yield Buffer.from("second");
    }
    const body = ReadableStream.from(chunks());
    const done = lambdaHandler(serving(async () => new Response(body)))(restEvent(), output, contextOf());
    while (!Buffer.concat(output.chunks).includes("first")) await new Promise(setImmediate);
    expect(output.answer.body).toBe("first");
    second.open();
    await done;
    expect(output.answer.body).toBe("firstsecond");
  });

  it("is produced no faster than it is taken", async () => {
    const output = new Output({ open: false, highWaterMark: 1000 });
    let produced = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        produced += 1;
        if (produced === 1000) controller.close();
        else controller.enqueue(new Uint8Array(500));
      },
    });
    const done = lambdaHandler(serving(async () => new Response(body)))(restEvent(), output, contextOf());
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    expect(produced).toBeLessThan(10);
    output.openUp();
    await done;
    expect(produced).toBe(1000);
    expect(output.answer.body).toHaveLength(999 * 500);
  });

  it("is cancelled when the client goes away, also while it has nothing to say", async () => {
    const output = new Output();
    const cancelled = gate();
    const asked = gate();
    const body = new ReadableStream<Uint8Array>({ pull: () => asked.open(), cancel: () => cancelled.open() });
    const done = lambdaHandler(serving(async () => new Response(body)))(restEvent(), output, contextOf());
    await asked.opened;
    output.destroy();
    await cancelled.opened;
    await done;
  });

  it("cancels a call that runs when the client goes away, and is over only when the call is", async () => {
    const started = gate();
    const finish = gate();
    let aborted = false;
    const app = createApp({
      tools: [
        defineTool({
          name: "slow",
          description: "Waits.",
          session: "none",
          input: z.object({}),
          output: z.object({}),
          run: async (_, { signal }) => {
            started.open();
            await once(signal, "abort");
            aborted = true;
            await finish.opened;
            return {};
          },
        }),
      ],
    });
    const output = new Output();
    let returned = false;
    const done = lambdaHandler(app)(restEvent(call("slow")), output, contextOf()).then(() => {
      returned = true;
    });
    await started.opened;
    output.destroy();
    while (!aborted) await new Promise(setImmediate);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(returned).toBe(false);
    finish.open();
    await done;
  });
});

describe("an answer in one piece", () => {
  it("that is more than a function may return, as it is sent, is an error that says so", async () => {
    const answering = (body: string) => bufferedLambdaHandler(serving(async () => new Response(body)));
    const fits = await answering("x".repeat(6_200_000))(restEvent(), contextOf());
    expect([fits.statusCode, fits.body.length]).toEqual([200, 6_200_000]);
    for (const body of [
      '"'.repeat(3_500_000),
      "\u0001".repeat(1_100_000),
      "€".repeat(2_200_000),
      "x".repeat(6_300_000),
    ]) {
      const refused = await answering(body)(restEvent(), contextOf());
      expect(refused.statusCode).toBe(413);
      expect(JSON.parse(refused.body)).toMatchObject({ code: "too_large", detail: expect.stringContaining("6291556") });
    }
  });

  it.each([
    [
      "a REST API",
      restEvent(call("add_note", { note: "x" })),
      { multiValueHeaders: { "content-type": ["application/json"] } },
    ],
    ["an HTTP API", httpEvent(call("add_note", { note: "x" })), { headers: { "content-type": "application/json" } }],
  ])("is the app's, in the form of %s", async (_, event, expected) => {
    const result = await bufferedLambdaHandler(createApp())(event, contextOf());
    expect(result).toMatchObject({ statusCode: 200, isBase64Encoded: false, ...expected });
    expect(JSON.parse(result.body).result.count).toBe(1);
  });
});

describe("bad input", () => {
  it.each([
    ["a body that is no Base64", restEvent({ ...call("add_note"), body: "%%%", isBase64Encoded: true }), 400],
    ["a body that is no JSON", restEvent({ ...call("add_note"), body: "{" }), 400],
    ["a method that HTTP has not", restEvent({ method: "a b" }), 400],
    ["a body above the limit", restEvent(call("add_note", { note: "x".repeat(2_000_000) })), 413],
  ])("%s is answered with its status", async (_, event, status) => {
    expect((await streamed(createApp(), event)).statusCode).toBe(status);
    expect((await bufferedLambdaHandler(createApp())(event, contextOf())).statusCode).toBe(status);
  });
});

describe("the function's time", () => {
  it("ends a stream cleanly before it is over", async () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from(": hello\n\n")),
    });
    const context = contextOf(600);
    const answer = await streamed(
      serving(async () => new Response(body)),
      restEvent(),
      context,
    );
    expect(answer).toMatchObject({ statusCode: 200, body: ": hello\n\n", ended: true });
    expect(context.getRemainingTimeInMillis()).toBeGreaterThan(0);
  });

  it("ends a call with an error that says to retry, in the words of its protocol", async () => {
    const app = createApp({
      tools: [
        defineTool({
          name: "endless",
          description: "Never answers.",
          session: "none",
          input: z.object({}),
          output: z.object({}),
          run: () => new Promise<Record<string, never>>(() => {}),
        }),
      ],
    });
    // Of so much time, 200 ms lie between the end of calls and the end of waiting for them.
    const context = contextOf(3_000);
    const answer = await streamed(app, restEvent(call("endless")), context);
    expect(answer.statusCode).toBe(503);
    expect(JSON.parse(answer.body)).toEqual({
      error: expect.stringMatching(/longer than [12]\.\d+ s/),
      code: "unavailable",
    });
    expect(context.getRemainingTimeInMillis()).toBeGreaterThan(0);
  });

  it("is answered for by the adapter when the app says nothing at all", async () => {
    const answer = await streamed(
      serving(() => new Promise(() => {})),
      restEvent(),
      contextOf(600),
    );
    expect(answer).toMatchObject({ statusCode: 503, headers: { "retry-after": "1" } });
    expect(JSON.parse(answer.body)).toMatchObject({ code: "unavailable" });
  });

  it("is used for background work before the handler returns", async () => {
    const work = gate();
    let returned = false;
    const app = serving(
      async () => new Response("ok"),
      () => work.opened,
    );
    const output = new Output();
    const done = lambdaHandler(app)(restEvent(), output, contextOf()).then(() => {
      returned = true;
    });
    await once(output, "finish");
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(returned).toBe(false);
    work.open();
    await done;
  });

  it("is not outlived by background work that never ends", async () => {
    const context = contextOf(4_000);
    await streamed(
      serving(
        async () => new Response("ok"),
        () => new Promise(() => {}),
      ),
      restEvent(),
      context,
    );
    expect(context.getRemainingTimeInMillis()).toBeGreaterThan(0);
  });
});

describe("who calls", () => {
  const name = "ci";
  const from = (authorizer: Record<string, unknown> | undefined, sent = {}) => {
    const event = restEvent({ ...call("add_note", { note: "x", session_id: "s" }), ...sent });
    return { ...event, requestContext: { domainName: "api.example", ...(authorizer && { authorizer }) } };
  };

  it("is whom the REST API's authorizer let in, where the app trusts it", async () => {
    const store = new MemoryStore();
    const behind = createApp({ store, access: { mode: "carrier" } });
    expect((await streamed(behind, from({ name }))).statusCode).toBe(200);
    const { structured } = await createApp({ store }).call({
      name: "get_notes",
      arguments: { session_id: "s", details: true },
      principal: tokenPrincipal(name),
    });
    expect(structured.details).toMatchObject([{ principal: name }]);
  });

  it("is nobody where a client says so itself", async () => {
    const app = createApp({ access: { mode: "carrier" } });
    const hostile = [
      from(undefined),
      from(undefined, {
        headers: [
          ["content-type", "application/json"],
          ["authorizer", '{"name":"ci"}'],
          ["name", name],
          ["x-amzn-principalid", name],
        ],
      }),
      from(undefined, {
        body: JSON.stringify({
          name: "add_note",
          arguments: { note: "x" },
          principal: { id: name },
          requestContext: { authorizer: { name } },
        }),
      }),
      { ...from({ name }), version: "1.0" },
      {
        ...httpEvent(call("add_note", { note: "x" })),
        requestContext: { http: { method: "POST" }, authorizer: { name, lambda: { name } } },
      },
    ];
    for (const event of hostile) expect((await streamed(app, event)).statusCode).toBe(401);
  });

  it("is not taken from the authorizer by an app that checks tokens itself", async () => {
    const environment = { MCP_STATE_BACKEND: "memory", LOG_LEVEL: "silent", MCP_AUTH_TOKEN: "0123456789abcdef" };
    const app = bindEnvironment(createApp(), { environment });
    const { statusCode, headers } = await streamed(app, from({ name }));
    expect(statusCode).toBe(401);
    expect(headers["www-authenticate"]).toContain("Bearer");
  });
});

describe("an app bound to a function's environment", () => {
  const environment = { MCP_STATE_BACKEND: "memory", LOG_LEVEL: "silent", STATEFUL_MCP_TRUST_AUTHORIZER: "on" };
  const caller = { requestContext: { domainName: "api.example", authorizer: { name: "ci" } } };
  const listen = {
    headers: [
      ["content-type", "application/json"],
      ["accept", "application/json, text/event-stream"],
      ["mcp-protocol-version", "2026-07-28"],
      ["mcp-method", "subscriptions/listen"],
    ] as const,
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "subscriptions/listen",
      params: {
        notifications: { resourcesListChanged: true },
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
          "io.modelcontextprotocol/clientCapabilities": {},
        },
      },
    }),
  };
  const get = { method: "GET", headers: [["accept", "text/event-stream"]] as const };

  it("keeps no streams open without a call", async () => {
    const app = bindEnvironment(createApp(), { environment });
    expect(await streamed(app, { ...restEvent(get), ...caller })).toMatchObject({
      statusCode: 405,
      headers: { allow: "POST, DELETE" },
    });
    const nothing = await streamed(app, { ...restEvent(listen), ...caller });
    expect(nothing.body).toMatch(/"notifications":\{\}.*"resultType":"complete"/s);
  });

  it("keeps them open when the environment says so", async () => {
    const app = bindEnvironment(createApp(), { environment: { ...environment, STATEFUL_MCP_SUBSCRIPTIONS: "on" } });
    // A session it does not know, instead of a method it does not have.
    expect((await streamed(app, { ...restEvent(get), ...caller })).statusCode).toBe(400);
    const listening = await streamed(app, { ...restEvent(listen), ...caller }, contextOf(600));
    expect(listening.body).toContain("notifications/subscriptions/acknowledged");
  });

  it.each([
    [{ STATEFUL_MCP_TRUST_AUTHORIZER: undefined }, /No authentication is configured/],
    [{ MCP_STATE_BACKEND: "local" }, /MCP_STATE_BACKEND: "local" is not allowed here/],
    [
      { STATEFUL_MCP_TRUST_AUTHORIZER: "perhaps" },
      /STATEFUL_MCP_TRUST_AUTHORIZER: "perhaps" is not allowed; expected on, off/,
    ],
    [{ STATEFUL_MCP_BLOB_BUCKET: "b" }, /bundled without a client for buckets/],
    [{ STATEFUL_MCP_NOTE_MAX: "1" }, /STATEFUL_MCP_NOTE_MAX is not a setting/],
  ])("does not start with %j", (more, message) => {
    expect(() => bindEnvironment(createApp(), { environment: { ...environment, ...more } })).toThrow(message);
  });

  it("keeps what its own code has fixed", () => {
    const access = { mode: "anonymous" } as const;
    const { options } = bindEnvironment(createApp({ access, name: "mine", cache: { ttlSeconds: 1 } }), { environment });
    expect(options).toMatchObject({ access, name: "mine", cache: { ttlSeconds: 1 }, subscriptions: false });
  });
});
