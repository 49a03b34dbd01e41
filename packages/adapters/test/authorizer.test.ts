import { AppError, createOAuth, tokenPrincipal } from "@stateful-mcp/core";
import { describe, expect, it } from "vitest";
import { type AuthorizerEvent, oauthAuthorizer, tokenAuthorizer } from "../src/lambda/authorizer.ts";

const A = "alice-0123456789abcdef0123456789abcdef";
const B = "bob-fedcba9876543210fedcba9876543210";

function setUp(secret: string, cacheSeconds = 60) {
  const it = { secret, reads: 0, nowMs: 0 };
  const errors: string[] = [];
  const warnings: string[] = [];
  const authorize = tokenAuthorizer({
    cacheSeconds,
    logger: { error: (_, message) => void errors.push(message), warn: (_, message) => void warnings.push(message) },
    now: () => it.nowMs,
    readSecret: async () => {
      it.reads += 1;
      return it.secret;
    },
  });
  const call = (token: string | undefined, name = "Authorization") =>
    authorize(eventOf(token && `Bearer ${token}`, name));
  return { it, call, authorize, errors, warnings };
}

const eventOf = (authorization: string | undefined, name = "Authorization"): AuthorizerEvent => ({
  methodArn: "arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/POST/mcp",
  headers: authorization === undefined ? null : { [name]: authorization },
});

const refused = (answer: Promise<unknown>) => expect(answer).rejects.toThrow(/^Unauthorized$/);

describe("the token authorizer", () => {
  it("lets a token of the secret pass for every method and path of the stage, and names it", async () => {
    const { call } = setUp(`alice=${A},bob=${B}`);
    expect(await call(B)).toEqual({
      principalId: "bob",
      policyDocument: {
        Version: "2012-10-17",
        Statement: [
          {
            Action: "execute-api:Invoke",
            Effect: "Allow",
            Resource: "arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/*/*",
          },
        ],
      },
      context: { name: "bob" },
    });
  });

  it("reads the header in any case", async () => {
    const { call } = setUp(`alice=${A}`);
    expect((await call(A, "authorization")).principalId).toBe("alice");
  });

  it.each([undefined, "", "Bearer", "Bearer ", "Basic YTpi", `Bearer ${A} ${A}`, A])(
    "answers 401 for the header %j without reading the secret",
    async (authorization) => {
      const { it, authorize } = setUp(`alice=${A}`);
      await refused(authorize(eventOf(authorization)));
      expect(it.reads).toBe(0);
    },
  );

  it("answers 401 for a token that is not in the secret, and never shows it", async () => {
    const { call } = setUp(`alice=${A}`);
    const error = await call(B).catch((thrown: Error) => thrown);
    expect(String((error as Error).stack)).not.toContain(B);
    expect((error as Error).message).toBe("Unauthorized");
  });

  it("keeps what it read for its time, and no longer: a token taken out stops working then", async () => {
    const { it, call } = setUp(`alice=${A},bob=${B}`);
    await call(A);
    it.secret = `alice=${A}`;
    it.nowMs = 59_999;
    expect((await call(B)).principalId).toBe("bob");
    expect(it.reads).toBe(1);
    it.nowMs = 60_000;
    await refused(call(B));
    expect(it.reads).toBe(2);
  });

  it("without a cache refuses a token taken out at the next request", async () => {
    const { it, call } = setUp(`alice=${A},bob=${B}`, 0);
    await call(B);
    it.secret = `alice=${A}`;
    await refused(call(B));
  });

  it("reads again for a token it does not know: a rotation works while the cache is fresh", async () => {
    const { it, call } = setUp(`alice=${A}`);
    await call(A);
    it.secret = `alice=${A},alice=${B}`;
    it.nowMs = 5_000;
    const rotated = await call(B);
    expect(rotated).toEqual(await call(A));
    expect(it.reads).toBe(2);
  });

  it("reads at most every 5 s, however many unknown tokens come", async () => {
    const { it, call } = setUp(`alice=${A}`);
    await call(A);
    for (let i = 0; i < 1000; i++) {
      it.nowMs = i * 20;
      await refused(call(`unknown-${i}`));
    }
    expect(it.reads).toBe(1 + 3);
  });

  it("reads once for calls that come together", async () => {
    const { it, call } = setUp(`alice=${A}`);
    await Promise.all(Array.from({ length: 20 }, () => call(A)));
    expect(it.reads).toBe(1);
  });

  it("fails, instead of refusing, when the secret cannot be read or holds no tokens", async () => {
    const { call } = setUp("short");
    await expect(call(A)).rejects.toThrow(/at least 16 characters/);
  });

  it.each([
    ["a pair too short", "alice=short"],
    ["quotes", `"alice=${A}"`],
    ["half of a JSON object", '{"alice":'],
    ["nothing", ""],
  ])(
    "goes on with the last good tokens when the secret becomes %s, and logs one error without it",
    async (_, broken) => {
      const { it, call, errors } = setUp(`alice=${A}`, 0);
      await call(A);
      it.secret = broken;
      for (let i = 0; i < 3; i++) expect((await call(A)).principalId).toBe("alice");
      await refused(call(B));
      expect(errors).toEqual([expect.stringMatching(/last good tokens/)]);
      expect(errors[0]).not.toContain(A);
      // Once it is right again, the next fault is told again.
      it.secret = `alice=${B}`;
      expect((await call(B)).principalId).toBe("alice");
      await refused(call(A));
      it.secret = broken;
      await call(B);
      expect(errors).toHaveLength(2);
    },
  );

  it("warns once of a token that can be guessed, by the name of its holder", async () => {
    const weak = "a".repeat(40);
    const { call, warnings } = setUp(`alice=${weak},bob=${B}`, 0);
    for (let i = 0; i < 3; i++) await call(weak);
    expect(warnings).toEqual([expect.stringMatching(/can be guessed, of alice$/)]);
  });

  it("takes a secret of keys and values, and scopes with colons", async () => {
    const { call } = setUp(JSON.stringify({ "bot:items:read": A }));
    expect((await call(A)).context).toEqual({ name: "bot", scopes: "items:read" });
  });
});

describe("the OAuth authorizer", () => {
  // Whether tokens are good is for the tests of OAuth; here it is what becomes of each outcome.
  const verify = async (token: string) => {
    if (token === "good") return tokenPrincipal("ann");
    throw new AppError("unauthenticated", "This token is not valid here.");
  };

  it("lets a valid token pass for the whole stage, and hands on no name that the server could take for a static token's", async () => {
    const answer = await oauthAuthorizer({ verify })(eventOf("Bearer good"));
    expect(answer.context).toEqual({});
    expect(answer.principalId).toBe(tokenPrincipal("ann").id);
    const [{ Resource }] = answer.policyDocument.Statement;
    expect(Resource).toBe("arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/*/*");
  });

  it.each([undefined, "", "Bearer", "Basic YTpi", "Bearer bad"])("answers 401 for the header %j", (authorization) =>
    refused(oauthAuthorizer({ verify })(eventOf(authorization))),
  );

  it("fails, instead of letting in or refusing, while the issuer cannot be asked", async () => {
    const nowhere = createOAuth({ issuer: "http://127.0.0.1:9", audience: "https://mcp.example.com/mcp" });
    await expect(oauthAuthorizer(nowhere)(eventOf("Bearer good"))).rejects.toThrow(/cannot be checked right now/);
  });
});

describe("a caller that an authorizer turns away", () => {
  const verify = async () => {
    throw new AppError("unauthenticated", "This token has expired.");
  };
  function watch(kind: "static" | "OAuth") {
    const at = { nowMs: 0 };
    const lines: object[] = [];
    const options = {
      logger: { error: () => {}, warn: (fields: object, message: string) => void lines.push({ ...fields, message }) },
      now: () => at.nowMs,
    };
    const authorize =
      kind === "OAuth"
        ? oauthAuthorizer({ verify }, options)
        : tokenAuthorizer({ cacheSeconds: 60, readSecret: async () => `alice=${A}`, ...options });
    const ask = (authorization?: string) =>
      refused(
        authorize({
          ...eventOf(authorization),
          httpMethod: "POST",
          path: `/mcp/${"x".repeat(200)}`,
          requestContext: { identity: { sourceIp: "192.0.2.7" } },
        }),
      );
    return { at, lines, ask };
  }

  it.each([
    ["static", "This token is not valid here."],
    ["OAuth", "This token has expired."],
  ] as const)("with a token, leaves one line that says why and nothing of the token: %s", async (kind, why) => {
    const { lines, ask } = watch(kind);
    await ask(`Bearer ${B}`);
    await ask("Basic YTpi");
    const seen = { message: "refused", reason: "token", method: "POST", address: "192.0.2.7" };
    const path = `/mcp/${"x".repeat(95)}`;
    expect(lines).toEqual([
      { ...seen, path, why },
      { ...seen, path, why: "The header holds no bearer token." },
    ]);
    expect(JSON.stringify(lines)).not.toContain(B);
  });

  it("leaves none when it asks for the way in, as every client does first", async () => {
    const { lines, ask } = watch("OAuth");
    await ask(undefined);
    expect(lines).toEqual([]);
  });

  it("leaves at most 60 lines a minute, and then the number of the others, told by the next request of all", async () => {
    const { at, lines, ask } = watch("OAuth");
    for (let i = 0; i < 100; i++) await ask(`Bearer ${B}`);
    expect(lines).toHaveLength(60);
    at.nowMs = 60_000;
    await ask(undefined);
    expect(lines.slice(60)).toMatchObject([{ count: 40 }]);
  });
});
