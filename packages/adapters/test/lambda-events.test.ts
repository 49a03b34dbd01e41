import { AppError, tokenPrincipal } from "@stateful-mcp/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { authorizedCaller, type LambdaEvent, toPrelude, toRequest, toResult } from "../src/lambda/events.ts";
import { httpEvent, restEvent, type Sent } from "./events.ts";

const never = new AbortController().signal;
const read = (event: LambdaEvent) => toRequest(event, never);

const kinds = [
  ["a REST API", (sent: Sent) => restEvent(sent)],
  ["an HTTP API", (sent: Sent) => httpEvent(sent, "prod")],
  ["a function URL", (sent: Sent) => httpEvent(sent)],
] as const;

describe.each(kinds)("an event of %s", (_, eventOf) => {
  it("becomes a request with its method, path, headers and body", async () => {
    const request = read(
      eventOf({
        path: "/mcp/call_tool",
        headers: [["Content-Type", "application/json"]],
        body: '{"name":"echo","text":"ü"}',
      }),
    );
    expect(request.method).toBe("POST");
    expect(request.url).toBe("https://api.example/mcp/call_tool");
    expect(request.headers.get("content-type")).toBe("application/json");
    expect(request.headers.get("content-length")).toBe("27");
    expect(await request.json()).toEqual({ name: "echo", text: "ü" });
  });

  it("may carry its body as Base64", async () => {
    const body = Buffer.from([0, 255, 128, 10]);
    const request = read(eventOf({ body: body.toString("base64"), isBase64Encoded: true }));
    expect(Buffer.from(await request.arrayBuffer())).toEqual(body);
  });

  it("is refused when its Base64 is none", () => {
    expect(() => read(eventOf({ body: "not base64!", isBase64Encoded: true }))).toThrow(
      expect.objectContaining({ code: "invalid_input" }),
    );
  });

  it("keeps every value of a header and every cookie", () => {
    const request = read(
      eventOf({
        headers: [
          ["Accept", "application/json"],
          ["Accept", "text/event-stream"],
          ["Cookie", "a=1; b=2"],
        ],
      }),
    );
    expect(request.headers.get("accept")?.split(/, ?/)).toEqual(["application/json", "text/event-stream"]);
    expect(request.headers.get("cookie")).toBe("a=1; b=2");
  });

  it("ignores what the client says about where it is", () => {
    const request = read(eventOf({ headers: [["Host", "evil.example/mcp?x="]] }));
    expect(request.url).toBe("https://api.example/mcp");
    expect(request.headers.get("host")).toBe("evil.example/mcp?x=");
  });

  it("does not believe the client's length of the body", () => {
    const request = read(eventOf({ headers: [["Content-Length", "999999999"]], body: "{}" }));
    expect(request.headers.get("content-length")).toBe("2");
  });

  it("keeps a GET's address apart from its query, whatever stands in them", () => {
    const pair = fc.tuple(fc.string({ unit: "grapheme", minLength: 1 }), fc.string({ unit: "grapheme" }));
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 8 }), (query) => {
        const url = new URL(read(eventOf({ method: "GET", query })).url);
        expect(url.pathname).toBe("/mcp");
        for (const name of new Set(query.map(([name]) => name)))
          expect(url.searchParams.getAll(name)).toEqual(
            query.filter(([other]) => other === name).map(([, value]) => value),
          );
        expect(url.searchParams.size).toBe(query.length);
      }),
    );
  });

  it("hands over any header value that HTTP allows, as the bytes a socket would carry", () => {
    const value = fc.string({ unit: "grapheme-composite" }).filter((text) => !/\p{Cc}/u.test(text));
    fc.assert(
      fc.property(value, (text) => {
        const got = read(eventOf({ method: "GET", headers: [["x-test", text]] })).headers.get("x-test") ?? "";
        const wide = /[^\0-\xff]/.test(text);
        expect(wide ? Buffer.from(got, "latin1").toString("utf8").trim() : got).toBe(trimmed(text, wide));
      }),
    );
  });

  it("never makes anything but a request or an input error, whatever its texts are", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("//evil.example/", "/%zz", "/a?b#c", "\r\nx: y"),
    );
    fc.assert(
      fc.property(text, text, text, text, (method, path, name, value) => {
        try {
          expect(new URL(read(eventOf({ method, path, headers: [[name, value]] })).url).host).toBe("api.example");
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect(error).toHaveProperty("code", "invalid_input");
        }
      }),
    );
  });
});

/** What the Fetch standard does to a header's value: spaces and tabs around it go. */
const trimmed = (text: string, wide: boolean): string => (wide ? text.trim() : text.replace(/^[\t ]+|[\t ]+$/g, ""));

it.each([
  ...["/.well-known/../health", "/.well-known/%2e%2e/mcp", "/a/.%2E/mcp", "/./mcp", "/..", "/a/..\\mcp"],
  // Some front doors hand a path on decoded, in which `%3f` ends nothing.
  ...["/.well-known/?/../../mcp", "/.well-known/#/../../mcp"],
])("a path with dot segments is refused, because the front door saw another: %s", (path) => {
  for (const event of [restEvent({ path }), httpEvent({ path })])
    expect(() => read(event)).toThrow(expect.objectContaining({ code: "invalid_input" }));
  expect(new URL(read(restEvent({ path: "/.well-known/a..b/..." })).url).pathname).toBe("/.well-known/a..b/...");
});

describe("an event that is not as its front door usually makes it", () => {
  const context = { domainName: "api.example" };

  it("of an HTTP API with payload format 1.0 and a named stage has its path without the stage", () => {
    const event = {
      ...restEvent({ path: "/prod/mcp" }),
      version: "1.0",
      requestContext: { ...context, stage: "prod" },
    };
    expect(new URL(read(event).url).pathname).toBe("/mcp");
    const default_ = { ...restEvent(), version: "1.0", requestContext: { ...context, stage: "$default" } };
    expect(new URL(read(default_).url).pathname).toBe("/mcp");
  });

  it("of a custom domain with a base path has its path without it", () => {
    const mapped = { ...restEvent({ path: "/v1/tools/add_note" }), pathParameters: { proxy: "tools/add_note" } };
    expect(new URL(read(mapped).url).pathname).toBe("/tools/add_note");
    expect(new URL(read({ ...restEvent({ path: "/v1/healthz" }), resource: "/healthz" }).url).pathname).toBe(
      "/healthz",
    );
    const plain = { ...restEvent(), pathParameters: { proxy: "mcp" } };
    expect(new URL(read(plain).url).pathname).toBe("/mcp");
  });

  it("with empty lists has its single headers and parameters", () => {
    const event = {
      ...restEvent({ method: "GET" }),
      headers: { Authorization: "Bearer x" },
      multiValueHeaders: {},
      queryStringParameters: { a: "1" },
      multiValueQueryStringParameters: {},
    };
    expect(read(event).headers.get("authorization")).toBe("Bearer x");
    expect(new URL(read(event).url).searchParams.get("a")).toBe("1");
  });

  it("of a load balancer is decoded once, and answered in both of its forms", () => {
    const event = {
      ...restEvent({ method: "GET" }),
      multiValueHeaders: null,
      headers: { host: "lb.example", authorization: "Bearer x" },
      queryStringParameters: { "a%20b": "c%2Bd+e", broken: "%zz" },
      requestContext: { elb: { targetGroupArn: "arn" } },
    };
    expect([...new URL(read(event).url).searchParams]).toEqual([
      ["a b", "c+d e"],
      ["broken", "%zz"],
    ]);
    const answer = new Response("", {
      headers: [
        ["x-a", "1"],
        ["set-cookie", "s=1"],
      ],
    });
    const result = toResult(event, answer, Buffer.from("text"));
    expect(result.headers).toMatchObject({ "x-a": "1", "set-cookie": "s=1" });
    expect(result.multiValueHeaders).toMatchObject({ "x-a": ["1"], "set-cookie": ["s=1"] });
  });

  it.each([[null], ["text"], [7], [[]], [{}], [{ Records: [] }], [{ httpMethod: 7, path: "/" }], [{ rawPath: "/" }]])(
    "such as %j is refused in words",
    (event) => {
      expect(() => read(event as never)).toThrow(expect.objectContaining({ code: "invalid_input" }));
      expect(authorizedCaller(event as never)).toBeUndefined();
    },
  );
});

it("an HTTP API's named stage is not part of the path, and a path that only looks like it stays", () => {
  expect(new URL(read(httpEvent({ path: "/mcp" }, "mcp")).url).pathname).toBe("/mcp");
  expect(new URL(read({ ...httpEvent({}, "prod"), rawPath: "/production" }).url).pathname).toBe("/production");
});

describe("the caller an authorizer let in", () => {
  const authorized = (authorizer: Record<string, unknown>): LambdaEvent => ({
    ...restEvent(),
    requestContext: { domainName: "api.example", authorizer },
  });

  it("is the named token's principal, the same as where tokens are checked by the server", () => {
    expect(authorizedCaller(authorized({ name: "ci", principalId: "ci" }))).toEqual(tokenPrincipal("ci"));
  });

  it("has the scopes it was given, and none when it was given none", () => {
    expect(authorizedCaller(authorized({ name: "ci", scopes: "notes:read values:read" }))?.scopes).toEqual([
      "notes:read",
      "values:read",
    ]);
    expect(authorizedCaller(authorized({ name: "ci", scopes: "" }))?.scopes).toEqual([]);
    for (const scopes of [["write"], { write: true }, 7, true, null])
      expect(authorizedCaller(authorized({ name: "ci", scopes }))?.scopes).toEqual([]);
  });

  it.each([
    ["no authorizer", restEvent()],
    ["another authorizer's answer", authorized({ claims: { sub: "x" }, principalId: "x" })],
    ["a name that no token can have", authorized({ name: "a b" })],
    ["a name that is no text", authorized({ name: { toString: () => "ci" } })],
    ["an HTTP API's event in the old format", { ...authorized({ name: "ci" }), version: "1.0" } as LambdaEvent],
    ["an HTTP API's event", { ...httpEvent(), ...authorized({ name: "ci" }), version: "2.0" } as LambdaEvent],
    [
      "a client's headers",
      restEvent({
        headers: [
          ["name", "ci"],
          ["authorizer", '{"name":"ci"}'],
          ["x-amzn-principalId", "ci"],
        ],
      }),
    ],
    ["a client's body", restEvent({ body: '{"requestContext":{"authorizer":{"name":"ci"}}}' })],
  ])("is nobody for %s", (_, event) => {
    expect(authorizedCaller(event)).toBeUndefined();
  });
});

describe("an answer", () => {
  const response = () =>
    new Response("{}", {
      status: 201,
      headers: [
        ["Content-Type", "application/json"],
        ["Set-Cookie", "a=1"],
        ["Set-Cookie", "b=2"],
      ],
    });

  it("has its status, headers and cookies in the prelude of a stream", () => {
    expect(toPrelude(response())).toEqual({
      statusCode: 201,
      headers: { "content-type": "application/json" },
      cookies: ["a=1", "b=2"],
    });
  });

  it("is whole in the form its front door reads", () => {
    const body = Buffer.from("{}");
    expect(toResult(restEvent(), response(), body)).toEqual({
      statusCode: 201,
      multiValueHeaders: { "content-type": ["application/json"], "set-cookie": ["a=1", "b=2"] },
      body: "{}",
      isBase64Encoded: false,
    });
    expect(toResult(httpEvent(), response(), body)).toEqual({
      statusCode: 201,
      headers: { "content-type": "application/json" },
      cookies: ["a=1", "b=2"],
      body: "{}",
      isBase64Encoded: false,
    });
  });

  it("survives the way through JSON, whatever its bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const { body, isBase64Encoded } = toResult(httpEvent(), new Response(), Buffer.from(bytes));
        expect(Buffer.from(body, isBase64Encoded ? "base64" : "utf8")).toEqual(Buffer.from(bytes));
      }),
    );
  });
});
